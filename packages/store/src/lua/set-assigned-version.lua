-- set-assigned-version.lua — note that all of a partition was decided on these assignments, or on newer ones.
--
-- KEYS[1]  string  muster:{p}:assigned-version
-- ARGV[1]  version of the assignments (integer)
-- Returns  1 noted · 0 newer ones were noted already
-- Why atomic: a slow worker must not lower the fence that a faster one raised.
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
