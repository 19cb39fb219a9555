-- settle-unassigned.lua — strike an agent from the list of those to be decided again, unless it changed meanwhile.
--
-- KEYS[1]  zset  muster:{p}:unassigned
-- ARGV[1]  uid · ARGV[2]  version of the view that the decision rests on (integer)
-- Returns  1 struck · 0 it changed since, or was not on the list
-- Why atomic: a change between reading and striking must not be forgotten.
local version = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not version or tonumber(version) > tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
