-- end-lost.lua — ends a session whose gateway is gone.
--
-- KEYS[1]  string  muster:{p}:session:<uid>
-- ARGV[1]  id of the gateway that is gone
-- ARGV[2]  '1' to end it also where that gateway left it to the next one; else ''
-- Returns  1 it is ended, now or before · 0 it is another gateway's by now, or is left to the next one
-- Why atomic: a gateway that takes the agent over must either find it ended, and tell that it is connected, or be found
--             to have it; with two reads it goes on silently with a connection that was told to have ended.
--include session.lua
local s = readSession(KEYS[1])
if s[GATEWAY] ~= ARGV[1] or (s[OPEN] == 'm' and ARGV[2] == '') then return 0 end
s[OPEN] = '0'
redis.call('SET', KEYS[1], cmsgpack.pack(s), 'KEEPTTL')
return 1
