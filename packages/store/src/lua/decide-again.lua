-- decide-again.lua — have the desired config of one agent decided anew.
--
-- KEYS[1]  zset  muster:{p}:unassigned
-- KEYS[2]  hash  muster:{p}:agent:<uid>
-- ARGV[1]  uid
-- Returns  1 noted · 0 the agent is not known
-- Why atomic: noted under another version than the agent has, it would be struck off before it is decided.
local version = redis.call('HGET', KEYS[2], 'v')
if not version then return 0 end
redis.call('ZADD', KEYS[1], version, ARGV[1])
return 1
