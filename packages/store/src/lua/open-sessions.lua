-- open-session.lua — a gateway takes an agent over: hands out the epoch and tells what the session goes on from.
--
-- KEYS[1]  string  muster:{p}:session:<uid>
-- KEYS[2]  string  muster:{p}:desired:<uid>
-- KEYS[3]  list    muster:{p}:actions:<uid>
-- ARGV[1]  gateway id
-- ARGV[2]  lowest epoch to hand out (integer); above any that the caller knows of
-- ARGV[3,4]  sequence number that the message in hand follows · its own, when it is a heartbeat; else '' ''
-- ARGV[5]  name of the authenticated identity, '' for none; the first one owns the uid
-- ARGV[6]  seconds the session is remembered after it was last opened
-- Returns  {epoch, epoch before or '', gateway before or '', '1' if it was open, its sequence number or '', checkpoint or '', packed desired config or '',
--          number of actions that wait, the uid it goes on under or '', the uid it had before or ''} · {} it is another's, nothing changed
-- Why atomic: two gateways that claim at once must get different epochs, and the later one must see the earlier.
--include desired.lua
--include session.lua
local s = readSession(KEYS[1])
if s[IDENTITY] ~= '' and s[IDENTITY] ~= ARGV[5] then return {} end
local time = redis.call('TIME')
-- At least the time in ms, so that epochs go on rising when the fleet state was lost.
local epoch = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), tonumber(ARGV[2]), (tonumber(s[EPOCH]) or 0) + 1)
local text = string.format('%.0f', epoch)
local _, desired = readDesired(KEYS[2])
local reply = {text, s[EPOCH], s[GATEWAY], s[OPEN], s[SEQ], s[CHECKPOINT], desired,
  tostring(redis.call('LLEN', KEYS[3])), s[TO], s[FROM]}
s[EPOCH], s[GATEWAY], s[OPEN], s[IDENTITY] = text, ARGV[1], '1', ARGV[5]
-- A heartbeat that follows exactly is counted here, so that a poll that moves again finds the right number.
if ARGV[3] ~= '' and s[SEQ] == ARGV[3] then s[SEQ] = ARGV[4] end
redis.call('SET', KEYS[1], cmsgpack.pack(s), 'EX', ARGV[6])
return reply
