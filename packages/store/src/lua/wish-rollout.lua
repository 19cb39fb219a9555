-- wish-rollout.lua — replace a rollout's spec if its generation is still the one that was read.
--
-- KEYS[1]  hash  muster:{ctl}:rollout:<id>:spec
-- KEYS[2]  hash  muster:{ctl}:config:<id>:status
-- KEYS[3]  set   muster:{ctl}:rollouts-active
-- ARGV[1]  generation that was read (integer) · ARGV[2]  spec (JSON) with the next generation · ARGV[3] rollout id
-- ARGV[4]  "1" when an ended rollout is to be looked at again, for which it needs its config
-- Returns  1 replaced · 0 the generation moved (caller re-reads) · 2 another rollout has the config
-- Why atomic: of two operators who act at once, the second must see what the first did.
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
if ARGV[4] == '1' then
  local active = redis.call('HGET', KEYS[2], 'active')
  if active and active ~= ARGV[3] then return 2 end
  redis.call('HSET', KEYS[2], 'active', ARGV[3])
  redis.call('SADD', KEYS[3], ARGV[3])
end
redis.call('HSET', KEYS[1], 'generation', tonumber(ARGV[1]) + 1, 'json', ARGV[2])
return 1
