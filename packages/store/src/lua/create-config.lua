-- create-config.lua — add a config, once per id and once per request.
--
-- KEYS[1]  hash    muster:{ctl}:config:<id>
-- KEYS[2]  zset    muster:{ctl}:configs (ids, by text)
-- KEYS[3]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
-- ARGV[1]  id · ARGV[2]  config (JSON) · ARGV[3]  seconds a request is remembered, 0 without a request id
-- Returns  1 created · 0 the id is taken · 2 this request created it before
-- Why atomic: two creators of one id must not both succeed.
if ARGV[3] ~= '0' and redis.call('GET', KEYS[3]) == ARGV[1] then return 2 end
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'json', ARGV[2], 'generation', 1, 'latest', 0)
redis.call('ZADD', KEYS[2], 0, ARGV[1])
if ARGV[3] ~= '0' then redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[3]) end
return 1
