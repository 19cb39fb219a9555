-- commit-status.lua — replace a rollout's status if nobody moved it first, with what agents should run from then on.
--
-- KEYS[1]  hash    muster:{ctl}:rollout:<id>:status
-- KEYS[2]  hash    muster:{ctl}:assignments (config id → layers)
-- KEYS[3]  string  muster:{ctl}:assignments-version
-- KEYS[4]  hash    muster:{ctl}:config:<id>:status
-- KEYS[5]  set     muster:{ctl}:rollouts-active
-- ARGV[1]  version the caller read (integer) · ARGV[2]  status (JSON)
-- ARGV[3]  config id · ARGV[4]  layers (JSON), or '' when unchanged · ARGV[5]  rollout id
-- ARGV[6]  "1" when the rollout ended · ARGV[7]  revision that became stable, or ''
-- Returns  1 committed · 0 version moved (caller re-reads)
-- Why atomic: a worker that was presumed dead must not overwrite the one that replaced it.
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', tonumber(ARGV[1]) + 1, 'json', ARGV[2])
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
  redis.call('INCR', KEYS[3])
end
if ARGV[6] == '1' then
  if redis.call('HGET', KEYS[4], 'active') == ARGV[5] then redis.call('HDEL', KEYS[4], 'active') end
  redis.call('SREM', KEYS[5], ARGV[5])
end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[4], 'stable', ARGV[7]) end
return 1
