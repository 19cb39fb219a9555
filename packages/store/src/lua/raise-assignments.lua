-- raise-assignments.lua — count the assignments' changes on from a version that was seen elsewhere.
--
-- KEYS[1]  string  muster:{ctl}:assignments-version
-- ARGV[1]  version that decisions were seen to rest on (integer)
-- Returns  1 raised · 0 it is no older than that
-- Why atomic: a change that is committed meanwhile must not be counted back.
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], tonumber(ARGV[1]) + 1)
return 1
