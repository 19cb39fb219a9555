-- delete-secret.lua — remove a secret with all its versions, if the newest is still the one that was read.
--
-- KEYS[1]  hash    muster:{ctl}:secret:<id> · KEYS[2] zset muster:{ctl}:secrets (ids, by text)
-- KEYS[3]  string  muster:{ctl}:secrets-version
-- ARGV[1]  id · ARGV[2] newest version that was read (integer)
-- Returns  1 removed · 0 the newest version is another, or there is none (caller re-reads)
-- The number of the version stays: one that is created under the name again goes on from there.
-- Why atomic: a version that was set in between must not be lost unseen.
if redis.call('HEXISTS', KEYS[1], 'json') == 0 or redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('INCR', KEYS[3])
return 1
