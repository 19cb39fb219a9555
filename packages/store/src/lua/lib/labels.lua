-- The index of a partition: which rows have which label, all in one hash.
--   <label>            how many rows have it, where so many do that bitmaps are shorter than entries
--   <number> <label>   bitmap of 4,096 rows then: the first bit of that of number 0 is for row 0
--   #<number>          entries of all other labels with that number: 6 bytes of the label's SHA-1, and the row in 3
--   =<key>             how many values agents have of a key, and each after its length plus one, all in 2 bytes; '*' once they
--                      were too many
-- A label is the length of its key in bytes, ':', the key, '=' and the value; without '=' and value where that is too long.
-- Small pieces, so that a change costs the same in a large fleet: Redis hashes each byte of each string that Lua makes. What is
-- empty is not kept.
local ENTRY, MIN_ROWS, BUCKETS, CHUNK, MAX_VALUES_BYTES = 9, 16, 1024, 4096, 4096
-- Commands are called with so many fields at most; Lua's stack holds a few thousand.
local FIELDS = 500
local function packRow(row) return struct.pack('>I3', row) end
local function placeOf(label)
  local digest = redis.sha1hex(label)
  local bucket = tonumber(string.sub(digest, 1, 4), 16) % BUCKETS
  return '#' .. bucket, struct.pack('>I6', tonumber(string.sub(digest, 5, 16), 16))
end
-- Where the next entry is that begins so, from a place on.
local function findEntry(bucket, start, from)
  repeat
    local found = string.find(bucket, start, from, true)
    if not found or (found - 1) % ENTRY == 0 then return found end
    from = found + 1
  until false
end
-- Takes entries that begin so out of a bucket. Answers what is left, and their rows.
local function takeEntries(bucket, start)
  local parts, rows, at = {}, {}, 1
  local found = findEntry(bucket, start, 1)
  while found do
    parts[#parts + 1] = string.sub(bucket, at, found - 1)
    rows[#rows + 1] = struct.unpack('>I3', bucket, found + 6)
    at = found + ENTRY
    found = findEntry(bucket, start, at)
  end
  return table.concat(parts) .. string.sub(bucket, at), rows
end
local function countEntries(bucket, start)
  local count, found = 0, findEntry(bucket, start, 1)
  while found do
    count = count + 1
    found = findEntry(bucket, start, found + ENTRY)
  end
  return count
end
-- rows: number of a bitmap → row in it → whether it has the label now.
local function splitRows(rows)
  local chunks = {}
  for row, isIn in pairs(rows) do
    local chunk = math.floor(row / CHUNK)
    chunks[chunk] = chunks[chunk] or {}
    chunks[chunk][row % CHUNK] = isIn
  end
  return chunks
end
-- Answers the bitmap after that, and how many rows more have the label.
local function editBitmap(bitmap, rows)
  local bytes, order, more = {}, {}, 0
  for row, isIn in pairs(rows) do
    local i, mask = math.floor(row / 8) + 1, bit.rshift(128, row % 8)
    if not bytes[i] then
      order[#order + 1] = i
      bytes[i] = string.byte(bitmap, i) or 0
    end
    if (bit.band(bytes[i], mask) ~= 0) ~= isIn then
      bytes[i] = bit.bxor(bytes[i], mask)
      more = more + (isIn and 1 or -1)
    end
  end
  table.sort(order)
  local parts, at = {}, 1
  bitmap = bitmap .. string.rep('\0', order[#order] - #bitmap)
  for _, i in ipairs(order) do
    parts[#parts + 1] = string.sub(bitmap, at, i - 1)
    parts[#parts + 1] = string.char(bytes[i])
    at = i + 1
  end
  parts[#parts + 1] = string.sub(bitmap, at)
  return table.concat(parts), more
end
-- Adds what the fields have to `values`; of those that are not there, false.
local function readFields(key, names, values)
  for from = 1, #names, FIELDS do
    local some = redis.call('HMGET', key, unpack(names, from, math.min(from + FIELDS - 1, #names)))
    for i, value in ipairs(some) do values[names[from + i - 1]] = value end
  end
  return values
end
local function writeFields(key, values)
  local sets, dels = {}, {}
  for name, value in pairs(values) do
    if value == 0 or not string.find(value, '[^%z]') then
      dels[#dels + 1] = name
    else
      sets[#sets + 1] = name
      sets[#sets + 1] = value
    end
  end
  for from = 1, #sets, FIELDS do redis.call('HSET', key, unpack(sets, from, math.min(from + FIELDS - 1, #sets))) end
  for from = 1, #dels, FIELDS do redis.call('HDEL', key, unpack(dels, from, math.min(from + FIELDS - 1, #dels))) end
end
-- The field with the values of a label's key, and its own value; nil where it stands for values that are too long.
local function splitLabel(label)
  local digits = string.match(label, '^(%d+):')
  local stop = #digits + 1 + tonumber(digits)
  return '=' .. string.sub(label, #digits + 2, stop), #label > stop and string.sub(label, stop + 2) or nil
end
-- Where a value is among those of its key. Most that are looked for are not there at all, which one search says.
local function findValue(list, value)
  if not string.find(list, struct.pack('>H', #value + 1) .. value, 3, true) then return nil end
  local at = 3
  while at <= #list do
    local size = struct.unpack('>H', list, at) + 1
    if size == #value + 2 and string.sub(list, at + 2, at + size - 1) == value then return at end
    at = at + size
  end
end
local function addValue(list, value)
  if findValue(list, value) then return list end
  if #list + #value + 4 > MAX_VALUES_BYTES then return '*' end
  local count = list == '' and 0 or struct.unpack('>H', list)
  return struct.pack('>H', count + 1) .. string.sub(list, 3) .. struct.pack('>H', #value + 1) .. value
end
local function dropValue(list, value)
  local found = findValue(list, value)
  if not found then return list end
  local count = struct.unpack('>H', list) - 1
  if count == 0 then return '' end
  return struct.pack('>H', count) .. string.sub(list, 3, found - 1) .. string.sub(list, found + #value + 2)
end
-- labels: each once. edits: by the place of each label, row → whether it has the label now.
local function editLabels(key, labels, edits, rowCount)
  local names, chunks, places, starts, written = {}, {}, {}, {}, {}
  local lists, own = {}, {}
  local values = readFields(key, labels, {})
  -- Many labels are of the same key, or in the same bucket.
  local function ask(name)
    if values[name] == nil then
      values[name] = false
      names[#names + 1] = name
    end
  end
  for i, label in ipairs(labels) do
    lists[i], own[i] = splitLabel(label)
    if own[i] then ask(lists[i]) end
    if values[label] then
      chunks[i] = splitRows(edits[i])
      for chunk in pairs(chunks[i]) do ask(chunk .. ' ' .. label) end
    else
      places[i], starts[i] = placeOf(label)
      ask(places[i])
    end
  end
  readFields(key, names, values)
  local function editBitmaps(i, label, count)
    for chunk, rows in pairs(chunks[i]) do
      local name = chunk .. ' ' .. label
      local bitmap, more = editBitmap(values[name] or '', rows)
      written[name], count = bitmap, count + more
    end
    written[label] = count
  end
  local function noteValue(i, isHad, isHeld)
    local name = lists[i]
    if isHad == isHeld then return end
    values[name] = (isHeld and addValue or dropValue)(values[name] or '', own[i])
    written[name] = values[name]
  end
  local least = math.max(MIN_ROWS, rowCount / (ENTRY * 8))
  for i, label in ipairs(labels) do
    local place, start = places[i], starts[i]
    local isListed = own[i] and values[lists[i]] ~= '*'
    if not place then
      editBitmaps(i, label, tonumber(values[label]))
      if isListed then noteValue(i, true, written[label] > 0) end
    else
      local bucket = values[place] or ''
      local isHad = isListed and findEntry(bucket, start, 1) ~= nil
      for row, isIn in pairs(edits[i]) do
        local entry = start .. packRow(row)
        bucket = isIn and bucket .. entry or not isIn and takeEntries(bucket, entry)
      end
      if isListed then noteValue(i, isHad, findEntry(bucket, start, 1) ~= nil) end
      if #bucket >= least * ENTRY and countEntries(bucket, start) >= least then
        local others, held = takeEntries(bucket, start)
        local rows = {}
        for _, row in ipairs(held) do rows[row] = true end
        bucket, chunks[i] = others, splitRows(rows)
        editBitmaps(i, label, 0)
      end
      values[place], written[place] = bucket, bucket
    end
  end
  writeFields(key, written)
end
