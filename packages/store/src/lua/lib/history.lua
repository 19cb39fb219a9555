-- What happened to an agent, oldest first: one value of a hash, entries one after another, each its kind in 1 byte, how often in
-- 2, when first and when last in 4 each (seconds), and its detail after its length in 2. history.ts packs and reads them, too.
-- What comes again within an hour, with little else in between, is one entry that counts: agents that crash every few seconds
-- must not push everything else out.
local HISTORY_HEAD, HISTORY_ENTRIES, HISTORY_BYTES, NEARBY, NEAR_S = 13, 32, 1024, 4, 3600
local function afterEntry(packed, at)
  return at + HISTORY_HEAD + struct.unpack('>H', packed, at + 11)
end
-- Answers the entry with how often and since when it is by now, and the others.
local function joinHistory(kept, starts, new)
  local detail = string.sub(new, HISTORY_HEAD + 1)
  for i = #starts, math.max(1, #starts - NEARBY + 1), -1 do
    local start, stop = starts[i], starts[i + 1] or #kept + 1
    if string.byte(kept, start) == string.byte(new) and string.sub(kept, start + HISTORY_HEAD, stop - 1) == detail then
      local count, first, last = struct.unpack('>HII', kept, start + 1)
      local more, since = struct.unpack('>HI', new, 2)
      if since - last > NEAR_S then break end
      local total = struct.pack('>HI', math.min(65535, count + more), math.min(first, since))
      table.remove(starts)
      return string.sub(new, 1, 1) .. total .. string.sub(new, 8), string.sub(kept, 1, start - 1) .. string.sub(kept, stop)
    end
  end
  return new, kept
end
local function addEntry(kept, new)
  local starts, at = {}, 1
  while at <= #kept do
    starts[#starts + 1] = at
    at = afterEntry(kept, at)
  end
  new, kept = joinHistory(kept, starts, new)
  kept, at = kept .. new, 1
  local count = #starts + 1
  while count > HISTORY_ENTRIES or #kept - at >= HISTORY_BYTES do
    at, count = afterEntry(kept, at), count - 1
  end
  return at == 1 and kept or string.sub(kept, at)
end
local function addHistory(key, uid, packed)
  local kept, at = redis.call('HGET', key, uid) or '', 1
  while at <= #packed do
    local stop = afterEntry(packed, at)
    kept = addEntry(kept, string.sub(packed, at, stop - 1))
    at = stop
  end
  redis.call('HSET', key, uid, kept)
end
