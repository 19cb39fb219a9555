-- The index of a partition: which rows have which label, all in one hash.
--   <label>       a bitmap, the first bit for row 0: what so many rows have that this is shorter
--   #<two hexadecimal digits>  entries of all other labels whose SHA-1 begins so: its next 6 bytes, and the row in 3
-- A label becomes a bitmap when its entries take more; the field goes when no row is left. labels.ts reads it.
local ENTRY, MIN_ROWS = 9, 16
-- Commands are called with so many fields at most; Lua's stack holds a few thousand.
local FIELDS = 500
local function packRow(row) return struct.pack('>I3', row) end
local function placeOf(label)
  local digest = redis.sha1hex(label)
  return '#' .. string.sub(digest, 1, 2), struct.pack('>I6', tonumber(string.sub(digest, 3, 14), 16))
end
-- Takes entries that begin so out of a bucket. Answers what is left, and their rows.
local function takeEntries(bucket, start)
  local parts, rows, at, from = {}, {}, 1, 1
  while true do
    local found = string.find(bucket, start, from, true)
    if not found then break end
    if (found - 1) % ENTRY == 0 then
      parts[#parts + 1] = string.sub(bucket, at, found - 1)
      rows[#rows + 1] = struct.unpack('>I3', bucket, found + 6)
      at, from = found + ENTRY, found + ENTRY
    else
      from = found + 1
    end
  end
  if #rows == 0 then return bucket, rows end
  parts[#parts + 1] = string.sub(bucket, at)
  return table.concat(parts), rows
end
-- How many entries begin so, but no more than `enough`.
local function countEntries(bucket, start, enough)
  local count, at = 0, 0
  repeat
    at = string.find(bucket, start, at + 1, true)
    if at and (at - 1) % ENTRY == 0 then count = count + 1 end
  until not at or count >= enough
  return count
end
local function editBitmap(bitmap, rows)
  local bytes, order = {}, {}
  for row, isIn in pairs(rows) do
    local i, mask = math.floor(row / 8) + 1, bit.rshift(128, row % 8)
    if not bytes[i] then
      order[#order + 1] = i
      bytes[i] = string.byte(bitmap, i) or 0
    end
    bytes[i] = isIn and bit.bor(bytes[i], mask) or bit.band(bytes[i], bit.bnot(mask))
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
  return table.concat(parts)
end
-- Answers the bucket with the entries that the label has now, or without any and the bitmap that it becomes.
local function editBucket(bucket, start, rows, rowCount)
  for row, isIn in pairs(rows) do
    local entry = start .. packRow(row)
    if isIn then bucket = bucket .. entry else bucket = takeEntries(bucket, entry) end
  end
  local least = math.max(MIN_ROWS, rowCount / (ENTRY * 8))
  if #bucket < least * ENTRY or countEntries(bucket, start, least) < least then return bucket end
  local others, held = takeEntries(bucket, start)
  local all = {}
  for _, row in ipairs(held) do all[row] = true end
  return others, editBitmap('', all)
end
local function readFields(key, names)
  local values = {}
  for from = 1, #names, FIELDS do
    local some = redis.call('HMGET', key, unpack(names, from, math.min(from + FIELDS - 1, #names)))
    for i, value in ipairs(some) do values[names[from + i - 1]] = value end
  end
  return values
end
local function writeFields(key, values)
  local sets, dels = {}, {}
  for name, value in pairs(values) do
    if string.find(value, '[^%z]') then
      sets[#sets + 1] = name
      sets[#sets + 1] = value
    else
      dels[#dels + 1] = name
    end
  end
  for from = 1, #sets, FIELDS do redis.call('HSET', key, unpack(sets, from, math.min(from + FIELDS - 1, #sets))) end
  for from = 1, #dels, FIELDS do redis.call('HDEL', key, unpack(dels, from, math.min(from + FIELDS - 1, #dels))) end
end
-- edits: label → row → whether it has the label now.
local function editLabels(key, edits, rowCount)
  local labels, buckets, places, starts = {}, {}, {}, {}
  for label in pairs(edits) do labels[#labels + 1] = label end
  local bitmaps, written = readFields(key, labels), {}
  for _, label in ipairs(labels) do
    if not bitmaps[label] then
      places[label], starts[label] = placeOf(label)
      buckets[#buckets + 1] = places[label]
    end
  end
  local entries = readFields(key, buckets)
  for _, label in ipairs(labels) do
    local place = places[label]
    if place then
      local bucket, bitmap = editBucket(entries[place] or '', starts[label], edits[label], rowCount)
      entries[place], written[place] = bucket, bucket
      if bitmap then written[label] = bitmap end
    else
      written[label] = editBitmap(bitmaps[label], edits[label])
    end
  end
  writeFields(key, written)
end
