-- start-rollout.lua — record a rollout; where none has its config, it has it from now on.
--
-- KEYS[1]  hash    muster:{ctl}:config:<id>:status (active rollout, stable revision)
-- KEYS[2]  hash    muster:{ctl}:rollout:<id>:spec
-- KEYS[3]  hash    muster:{ctl}:rollout:<id>:status
-- KEYS[4]  zset    muster:{ctl}:rollouts · KEYS[5] zset muster:{ctl}:config:<id>:rollouts (ids, by text)
-- KEYS[6]  set     muster:{ctl}:rollouts-active
-- KEYS[7]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
-- KEYS[8]  hash    muster:{ctl}:config:<id>
-- ARGV[1]  rollout id · ARGV[2]  spec (JSON) · ARGV[3]  first status (JSON) · ARGV[4]  seconds a request is remembered, 0 without a request id
-- ARGV[5]  "1" when it may wait for another rollout of the config · ARGV[6] "1" when the config must be there
-- Returns  {1, rollout id} started · {2, id} this request started that one before · {0, id} that one is at work
--          {3, ''} there is no such config (any more)
-- Why atomic: two rollouts at work on one config would make blame impossible.
if ARGV[4] ~= '0' then
  local before = redis.call('GET', KEYS[7])
  if before then return {2, before} end
end
if ARGV[6] == '1' and redis.call('EXISTS', KEYS[8]) == 0 then return {3, ''} end
local active = redis.call('HGET', KEYS[1], 'active')
if active and ARGV[5] ~= '1' then return {0, active} end
if not active then redis.call('HSET', KEYS[1], 'active', ARGV[1]) end
redis.call('HSET', KEYS[2], 'generation', 1, 'json', ARGV[2])
redis.call('HSET', KEYS[3], 'version', 1, 'json', ARGV[3])
redis.call('ZADD', KEYS[4], 0, ARGV[1])
redis.call('ZADD', KEYS[5], 0, ARGV[1])
redis.call('SADD', KEYS[6], ARGV[1])
if ARGV[4] ~= '0' then redis.call('SET', KEYS[7], ARGV[1], 'EX', ARGV[4]) end
return {1, ARGV[1]}
