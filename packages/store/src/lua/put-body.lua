-- put-body.lua — store a sealed body under its address, once, until an agent's view uses it.
--
-- KEYS[1]  string  muster:{p}:body:<address>
-- KEYS[2]  hash    muster:{p}:body-uses
-- ARGV[1]  sealed body · ARGV[2]  seconds it is kept while nobody uses it · ARGV[3]  address
-- Returns  1 stored · 0 it was there
-- Why atomic: a body about to expire must be kept for the view that is on its way, and one that a view refers to
--   before it is told must not expire at all.
local isUsed = tonumber(redis.call('HGET', KEYS[2], ARGV[3]) or 0) > 0
local stored = redis.call('SET', KEYS[1], ARGV[1], 'NX')
if isUsed then
  redis.call('PERSIST', KEYS[1])
elseif stored or redis.call('PTTL', KEYS[1]) >= 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return stored and 1 or 0
