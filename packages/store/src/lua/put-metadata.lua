-- put-metadata.lua — what operators say of some agents, each unless somebody else said something meanwhile.
--
-- KEYS[1]  hash  muster:{ctl}:metadata (uid → generation, a line end, labels and annotations)
-- ARGV[1]  "1" all of them or none
-- then per agent:  uid · generation that was read (0: none) · what is to be kept, '' for nothing any more
-- Returns  per agent 1 written · 0 the generation moved (caller re-reads)
-- Why atomic: of two operators who label an agent at once, neither may undo what the other was told is done.
local codes, isWhole = {}, true
for arg = 2, #ARGV, 3 do
  local generation = string.match(redis.call('HGET', KEYS[1], ARGV[arg]) or '', '^(%d+)\n') or '0'
  codes[#codes + 1] = generation == ARGV[arg + 1] and 1 or 0
  isWhole = isWhole and generation == ARGV[arg + 1]
end
for i, code in ipairs(codes) do
  local arg = 3 * i - 1
  if ARGV[1] == '1' and not isWhole then
    codes[i] = 0
  elseif code == 1 then
    if ARGV[arg + 2] == '' then redis.call('HDEL', KEYS[1], ARGV[arg]) else redis.call('HSET', KEYS[1], ARGV[arg], ARGV[arg + 2]) end
  end
end
return codes
