-- put-bodies.lua — store sealed bodies of a partition under their addresses, each once, until an agent's view uses it.
--
-- KEYS[1]  hash  muster:{p}:body-uses
-- KEYS[2..]  string  muster:{p}:body:<address>
-- ARGV[1]  seconds one is kept while nobody uses it
-- ARGV[2..]  per body: sealed body · address
-- Returns  how many were stored; the others were there
-- Why atomic: a body about to expire must be kept for the view that is on its way, and one that a view refers to
--   before it is told must not expire at all.
local count = 0
for i = 2, #KEYS do
  local isUsed = tonumber(redis.call('HGET', KEYS[1], ARGV[2 * i - 1]) or 0) > 0
  local stored = redis.call('SET', KEYS[i], ARGV[2 * i - 2], 'NX')
  if stored then count = count + 1 end
  if isUsed then
    redis.call('PERSIST', KEYS[i])
  elseif stored or redis.call('PTTL', KEYS[i]) >= 0 then
    redis.call('EXPIRE', KEYS[i], ARGV[1])
  end
end
return count
