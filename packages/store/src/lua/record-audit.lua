-- record-audit.lua — write an audit entry, or what became of it, and forget the oldest ones beyond a number.
--
-- KEYS[1]  hash  muster:{ctl}:audit (id → sealed entry)
-- KEYS[2]  zset  muster:{ctl}:audit-ids (ids, by text and with it by time)
-- ARGV[1]  id · ARGV[2]  sealed entry · ARGV[3]  how many are kept · ARGV[4]  '1' when the entry must be there already
-- Returns  1 written · 0 it is not there any more
-- Why atomic: an entry without its id would never be found, nor forgotten.
if ARGV[4] == '1' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
local excess = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[3])
if excess > 0 then
  -- A few at a time: the number that is kept may have been lowered.
  local oldest = redis.call('ZRANGE', KEYS[2], 0, math.min(excess, 100) - 1)
  redis.call('HDEL', KEYS[1], unpack(oldest))
  redis.call('ZREM', KEYS[2], unpack(oldest))
end
return 1
