-- keep-bodies.lua — keep sealed bodies of a partition until an agent's view uses them, and say which are not there.
--
-- KEYS[1]  hash  muster:{p}:body-uses
-- KEYS[2..]  string  muster:{p}:body:<address>
-- ARGV[1]  seconds one is kept while nobody uses it
-- ARGV[2..]  address of each
-- Returns  which of them are not there, counted from 1
-- Why atomic: a body about to expire must be kept for the view that is on its way, and one that a view refers to
--   before it is told must not expire at all. One without an end that nobody uses was just stored: its end is set here.
local missing = {}
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    missing[#missing + 1] = i - 1
  elseif tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0) > 0 then
    redis.call('PERSIST', KEYS[i])
  else
    redis.call('EXPIRE', KEYS[i], ARGV[1])
  end
end
return missing
