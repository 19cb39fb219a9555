-- load-labels.lua — which rows of a partition have some labels.
--
-- KEYS[1]  hash    muster:{p}:labels
-- KEYS[2]  string  muster:{p}:rows
-- ARGV[1..]  labels
-- Returns  per label: 'b' and a bitmap, the first bit for row 0 · 'r' and rows, in 3 bytes each
-- Why atomic: a label that moves from entries to bitmaps must be found in one of them.
--include record.lua
--include labels.lua
local replies = {}
for i, label in ipairs(ARGV) do
  if redis.call('HEXISTS', KEYS[1], label) == 1 then
    local parts = {'b'}
    for chunk = 0, math.floor((countRows(KEYS[2]) - 1) / CHUNK) do
      local bitmap = redis.call('HGET', KEYS[1], chunk .. ' ' .. label) or ''
      parts[#parts + 1] = bitmap .. string.rep('\0', CHUNK / 8 - #bitmap)
    end
    replies[i] = table.concat(parts)
  else
    local place, start = placeOf(label)
    local _, rows = takeEntries(redis.call('HGET', KEYS[1], place) or '', start)
    for at, row in ipairs(rows) do rows[at] = packRow(row) end
    replies[i] = 'r' .. table.concat(rows)
  end
end
return replies
