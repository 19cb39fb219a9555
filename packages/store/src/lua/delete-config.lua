-- delete-config.lua — remove a config with its revisions, unless agents have it or may get it.
--
-- KEYS[1]  hash    muster:{ctl}:config:<id> · KEYS[2] zset muster:{ctl}:configs (ids, by text)
-- KEYS[3]  hash    muster:{ctl}:config:<id>:revisions · KEYS[4] hash muster:{ctl}:config:<id>:status
-- KEYS[5]  hash    muster:{ctl}:assignments (config id → layers) · KEYS[6] string muster:{ctl}:assignments-version
-- KEYS[7]  hash    muster:{ctl}:config:<id>:quarantine
-- KEYS[8]  zset    muster:{ctl}:config:<id>:rollouts · KEYS[9] set muster:{ctl}:rollouts-active
-- ARGV[1]  id · ARGV[2] generation that was read (integer) · ARGV[3] "1" to check without deleting
-- Returns  {1, ''} deleted, or would be · {0, ''} no such config · {2, ''} the generation moved
--          {3, rollout id} that one is at work · {4, rollout id} agents have it from that one
-- Why atomic: a rollout that starts in between would bring agents what is not there any more.
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation then return {0, ''} end
if generation ~= ARGV[2] then return {2, ''} end
local active = redis.call('HGET', KEYS[4], 'active')
if active then return {3, active} end
for _, id in ipairs(redis.call('SMEMBERS', KEYS[9])) do
  if redis.call('ZSCORE', KEYS[8], id) then return {3, id} end
end
local layers = redis.call('HGET', KEYS[5], ARGV[1])
for _, layer in ipairs(layers and cjson.decode(layers) or {}) do
  if layer.mode ~= 'withdrawn' then return {4, layer.rolloutId} end
end
if ARGV[3] == '1' then return {1, ''} end
redis.call('DEL', KEYS[1], KEYS[3], KEYS[4], KEYS[7])
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('HDEL', KEYS[5], ARGV[1]) == 1 then redis.call('INCR', KEYS[6]) end
return {1, ''}
