-- decide-again.lua — have the desired config of one agent decided anew.
--
-- KEYS[1]  zset    muster:{p}:unassigned
-- KEYS[2]  string  muster:{p}:agent:<uid>
-- ARGV[1]  uid
-- Returns  1 noted · 0 the agent is not known
-- Why atomic: noted under another version than the agent has, it would be struck off before it is decided.
--include record.lua
local version = readHead(KEYS[2])
if version == '0' then return 0 end
redis.call('ZADD', KEYS[1], version, ARGV[1])
return 1
