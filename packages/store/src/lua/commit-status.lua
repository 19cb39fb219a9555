-- commit-status.lua — replace a rollout's status and wave if nobody moved it first, with all that follows from them.
--
-- KEYS[1]  hash    muster:{ctl}:rollout:<id>:status
-- KEYS[2]  hash    muster:{ctl}:assignments (config id → layers)
-- KEYS[3]  string  muster:{ctl}:assignments-version
-- KEYS[4]  hash    muster:{ctl}:config:<id>:status · KEYS[5] hash muster:{ctl}:config:<id>:quarantine
-- KEYS[6]  set     muster:{ctl}:rollouts-active
-- KEYS[7]  list    muster:{ctl}:rollout:<id>:log · KEYS[8] string muster:{ctl}:admissions
-- ARGV[1]  version the caller read (integer) · ARGV[2] status (JSON) · ARGV[3] wave (JSON) · ARGV[4] rollout id
-- ARGV[5]  config id · ARGV[6] layers (JSON), or '' when unchanged · ARGV[7] stable revision with these layers, or ''
-- ARGV[8]  what becomes of the config: "claim" for this rollout, "release" it, or ''
-- ARGV[9]  "1" when nobody need look at the rollout again
-- ARGV[10] content that enters or leaves quarantine, or '' · ARGV[11] why (JSON), or '' when it leaves
-- ARGV[12] layers that the caller read (JSON), or '' for none
-- ARGV[13] admissions that the caller counted before it looked whom others have, '*' when it matters not,
--          or '' when it takes no more agents
-- ARGV[14] most lines of the log · ARGV[15..] new lines (JSON)
-- Returns  1 committed · 0 version, layers or admissions moved (caller re-reads) · 2 another rollout has the config
-- Why atomic: a worker that was presumed dead must not overwrite the one that replaced it, and of two rollouts that
--          would take the same agent in one moment, the second must look again.
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
if ARGV[6] ~= '' and (redis.call('HGET', KEYS[2], ARGV[5]) or '') ~= ARGV[12] then return 0 end
local isFenced = ARGV[13] ~= '' and ARGV[13] ~= '*'
if isFenced and (redis.call('GET', KEYS[8]) or '0') ~= ARGV[13] then return 0 end
local holder = redis.call('HGET', KEYS[4], 'active')
if ARGV[8] == 'claim' and holder and holder ~= ARGV[4] then return 2 end
redis.call('HSET', KEYS[1], 'version', tonumber(ARGV[1]) + 1, 'json', ARGV[2], 'wave', ARGV[3])
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[5], ARGV[6])
  redis.call('INCR', KEYS[3])
  if ARGV[7] ~= '' then redis.call('HSET', KEYS[4], 'stable', ARGV[7]) else redis.call('HDEL', KEYS[4], 'stable') end
end
if ARGV[8] == 'claim' then redis.call('HSET', KEYS[4], 'active', ARGV[4]) end
if ARGV[8] == 'release' and holder == ARGV[4] then redis.call('HDEL', KEYS[4], 'active') end
redis.call(ARGV[9] == '1' and 'SREM' or 'SADD', KEYS[6], ARGV[4])
if ARGV[10] ~= '' and ARGV[11] ~= '' then redis.call('HSET', KEYS[5], ARGV[10], ARGV[11]) end
if ARGV[10] ~= '' and ARGV[11] == '' then redis.call('HDEL', KEYS[5], ARGV[10]) end
if ARGV[13] ~= '' then redis.call('INCR', KEYS[8]) end
for i = 15, #ARGV do redis.call('RPUSH', KEYS[7], ARGV[i]) end
if #ARGV >= 15 then redis.call('LTRIM', KEYS[7], -tonumber(ARGV[14]), -1) end
return 1
