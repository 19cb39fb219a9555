-- What happened to an agent, oldest first: one value of a hash, entries one after another, each its kind in 1 byte, how often in
-- 2, when first and last in 4 each (seconds), and its detail after its length in 2. history.ts packs and reads them, too.
-- What comes again within an hour, with little else in between, is one entry that counts: agents that crash every few seconds
-- must not push everything else out.
local HISTORY_HEAD, HISTORY_ENTRIES, HISTORY_BYTES, NEARBY, NEAR_S = '>BHIIH', 32, 1024, 4, 3600
local function readHistory(packed)
  local entries, at = {}, 1
  while at <= #packed do
    local kind, count, first, last, size, start = struct.unpack(HISTORY_HEAD, packed, at)
    entries[#entries + 1] = {kind, count, first, last, string.sub(packed, start, start + size - 1)}
    at = start + size
  end
  return entries
end
local function joinHistory(entries, new)
  for i = #entries, math.max(1, #entries - NEARBY + 1), -1 do
    local old = entries[i]
    if old[1] == new[1] and old[5] == new[5] and new[3] - old[4] <= NEAR_S then
      table.remove(entries, i)
      new[2], new[3] = math.min(65535, old[2] + new[2]), math.min(old[3], new[3])
      break
    end
  end
  entries[#entries + 1] = new
end
local function addHistory(key, uid, packed)
  local entries, parts, size = readHistory(redis.call('HGET', key, uid) or ''), {}, 0
  for _, new in ipairs(readHistory(packed)) do joinHistory(entries, new) end
  for i = #entries, math.max(1, #entries - HISTORY_ENTRIES + 1), -1 do
    local kind, count, first, last, detail = unpack(entries[i])
    local part = struct.pack(HISTORY_HEAD, kind, count, first, last, #detail) .. detail
    size = size + #part
    if size > HISTORY_BYTES then break end
    table.insert(parts, 1, part)
  end
  redis.call('HSET', key, uid, table.concat(parts))
end
