-- enqueue-action.lua — leave something that a connected agent is to be asked once.
--
-- KEYS[1]  string  muster:{p}:session:<uid>
-- KEYS[2]  list    muster:{p}:actions:<uid>
-- ARGV[1]  action, sealed · ARGV[2]  most actions that wait · ARGV[3]  seconds an action is worth sending
-- Returns  {0} no session is open · {1} too many wait · {2, id of the gateway that holds the agent}
-- Why atomic: an action must not wait for an agent that may come back long after anybody expects it.
--include session.lua
local session = readSession(KEYS[1])
if not isHeld(session) then return {0} end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[2]) then return {1} end
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {2, session[GATEWAY]}
