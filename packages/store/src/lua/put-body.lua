-- put-body.lua — store a sealed body under its address, once, until an agent's view uses it.
--
-- KEYS[1]  string  muster:{p}:body:<address>
-- ARGV[1]  sealed body · ARGV[2]  seconds it is kept while nobody uses it
-- Returns  1 stored · 0 it was there
-- Why atomic: a body about to expire must be kept for the view that is on its way.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 1 end
if redis.call('PTTL', KEYS[1]) >= 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return 0
