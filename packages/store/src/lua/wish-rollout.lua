-- wish-rollout.lua — replace a rollout's spec if its generation is still the one that was read.
--
-- KEYS[1]  hash  muster:{ctl}:rollout:<id>:spec
-- ARGV[1]  generation that was read (integer) · ARGV[2]  spec (JSON) with the next generation
-- Returns  1 replaced · 0 the generation moved (caller re-reads)
-- Why atomic: of two operators who act at once, the second must see what the first did.
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'generation', tonumber(ARGV[1]) + 1, 'json', ARGV[2])
return 1
