-- update-config.lua — replace a config's changeable part if its generation is still the one that was read.
--
-- KEYS[1]  hash    muster:{ctl}:config:<id>
-- KEYS[2]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
-- ARGV[1]  generation that was read (integer) · ARGV[2]  config (JSON)
-- ARGV[3]  seconds a request is remembered, 0 without a request id
-- Returns  1 replaced · 0 the generation moved · 2 this request replaced it before
-- Why atomic: two editors must not overwrite each other unseen.
if ARGV[3] ~= '0' and redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'json', ARGV[2], 'generation', tonumber(ARGV[1]) + 1)
if ARGV[3] ~= '0' then redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3]) end
return 1
