-- settle-unassigned.lua — strike agents from the list of those to be decided again, unless they changed meanwhile.
--
-- KEYS[1]  zset  muster:{p}:unassigned
-- ARGV[1..]  per agent: uid · version of the view that the decision rests on (integer)
-- Returns  how many were struck; those that changed since, or were not on the list, were not
-- Why atomic: a change between reading and striking must not be forgotten.
local struck = 0
for i = 1, #ARGV, 2 do
  local version = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if version and tonumber(version) <= tonumber(ARGV[i + 1]) then struck = struck + redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return struck
