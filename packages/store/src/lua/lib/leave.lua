-- Takes an agent off all that its partition knows it by, but for its record: what it should run, the list, its row, the index,
-- the bodies it used, its history; and tells watchers. retire-agent.lua and forget-agent.lua say which keys and arguments these are.
-- The row is given to the next agent that comes.
local function leave(row, bodies)
  redis.call('DEL', KEYS[6])
  redis.call('ZREM', KEYS[4], ARGV[2])
  redis.call('HDEL', KEYS[10], ARGV[6])
  for i = 1, #KEYS - bodies do useBody(KEYS[5], KEYS[bodies + i], ARGV[6 + i], -1, ARGV[5]) end
  if row then
    local labels, edits = {}, {}
    for i = 7 + #KEYS - bodies, #ARGV do labels[#labels + 1], edits[#edits + 1] = ARGV[i], {[row] = false} end
    editLabels(KEYS[9], labels, edits, countRows(KEYS[7]))
    redis.call('ZREM', KEYS[2], ARGV[6] .. packRow(row))
    redis.call('RPUSH', KEYS[8], row)
  end
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'u', ARGV[2])
end
