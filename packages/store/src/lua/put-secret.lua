-- put-secret.lua — keep the next version of a secret, if the newest is still the one that was read.
--
-- KEYS[1]  hash    muster:{ctl}:secret:<id> · KEYS[2] zset muster:{ctl}:secrets (ids, by text)
-- KEYS[3]  string  muster:{ctl}:secrets-version
-- ARGV[1]  id · ARGV[2] newest version that was read (integer), 0 for none ever · ARGV[3] head (JSON) · ARGV[4] sealed value
-- ARGV[5]  1 when there must be such a secret, 0 when there must be none
-- Returns  1 kept · 0 the newest version is another, or there is one or none (caller re-reads)
-- Why atomic: two editors must not overwrite each other unseen, and a version must never have two values, not even one of a
--          secret that was deleted and created again: revisions are pinned to it.
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[2] then return 0 end
if redis.call('HEXISTS', KEYS[1], 'json') ~= tonumber(ARGV[5]) then return 0 end
local version = tonumber(ARGV[2]) + 1
redis.call('HSET', KEYS[1], 'version', version, 'json', ARGV[3], 'v' .. version, ARGV[4])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('INCR', KEYS[3])
return 1
