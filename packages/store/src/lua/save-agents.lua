-- save-agents.lua — replace the views of agents of a partition, each unless its record moved, with the indexes that change.
--
-- KEYS[1]  zset    muster:{p}:agents (16 bytes of each uid and 3 of its row, by uid)
-- KEYS[2]  stream  muster:{p}:changes
-- KEYS[3]  zset    muster:{p}:unassigned (uid by version: desired config to be decided again)
-- KEYS[4]  hash    muster:{p}:body-uses (how many agents use a body)
-- KEYS[5]  string  muster:{p}:rows (16 bytes of the uid of each row) · KEYS[6] list muster:{p}:free-rows
-- KEYS[7]  hash    muster:{p}:labels (which rows have which label)
-- KEYS[8]  hash    muster:{p}:history (16 bytes of each uid → what happened to it)
-- then per agent:  string muster:{p}:agent:<uid> · string muster:{p}:body:<address>: those now used, those no longer used
-- ARGV[1]  most entries of the changes stream · ARGV[2] seconds a body that nobody uses is kept
-- ARGV[3]  how many labels follow · then the labels that any of the agents joins or leaves, each once
-- then per agent:  uid · version that was read (0: none) · stamp that was read ('': none) · 16 bytes of the uid · "1" to decide
--                  again · view, packed · places of the labels that it joins, from 1, each in 2 bytes · that it leaves · how many
--                  bodies are now used · no longer used · what happened, packed, '' for nothing · the address of each
-- Returns  per agent the stamp of what was saved · '' the record moved (caller re-reads)
-- Why atomic: an index that disagrees with its record would hide agents from rollouts.
-- The stamp is the id of the record's entry among the changes. Versions count from 1 again after a loss; stamps do not.
--include bodies.lua
--include record.lua
--include labels.lua
--include history.lua
local function takeRow(bytes)
  local row = tonumber(redis.call('LPOP', KEYS[6]) or countRows(KEYS[5]))
  redis.call('SETRANGE', KEYS[5], row * 16, bytes)
  redis.call('ZADD', KEYS[1], 0, bytes .. packRow(row))
  return row
end
local labels, edits = {}, {}
for place = 1, tonumber(ARGV[3]) do labels[place], edits[place] = ARGV[3 + place], {} end
local function edit(places, row, isIn)
  for at = 1, #places, 2 do
    local high, low = string.byte(places, at, at + 1)
    edits[high * 256 + low][row] = isIn
  end
end
local key, arg, stamps = 9, 4 + tonumber(ARGV[3]), {}
while key <= #KEYS do
  local used, unused = tonumber(ARGV[arg + 8]), tonumber(ARGV[arg + 9])
  local version, row, stamp = readHead(KEYS[key])
  if version ~= ARGV[arg + 1] or stamp ~= ARGV[arg + 2] then
    stamps[#stamps + 1] = ''
  else
    version, row = tonumber(version) + 1, row or takeRow(ARGV[arg + 3])
    stamp = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'u', ARGV[arg])
    redis.call('SET', KEYS[key], string.format('%d %d %s\n', version, row, stamp) .. ARGV[arg + 5])
    if ARGV[arg + 4] == '1' then redis.call('ZADD', KEYS[3], version, ARGV[arg]) end
    for i = 1, used + unused do
      useBody(KEYS[4], KEYS[key + i], ARGV[arg + 10 + i], i <= used and 1 or -1, ARGV[2])
    end
    if ARGV[arg + 10] ~= '' then addHistory(KEYS[8], ARGV[arg + 3], ARGV[arg + 10]) end
    edit(ARGV[arg + 7], row, false)
    edit(ARGV[arg + 6], row, true)
    stamps[#stamps + 1] = stamp
  end
  key, arg = key + 1 + used + unused, arg + 11 + used + unused
end
editLabels(KEYS[7], labels, edits, countRows(KEYS[5]))
return stamps
