-- open-sessions.lua — a gateway takes agents of a partition over: hands out epochs and tells what each session goes on from.
--
-- KEYS[1..]  per agent:  string muster:{p}:session:<uid> · string muster:{p}:desired:<uid> · list muster:{p}:actions:<uid>
-- ARGV[1]  seconds a session is remembered after it was last opened
-- then per agent:  gateway id · lowest epoch to hand out (integer), above any that the caller knows of · sequence number that the
--          message in hand follows · its own, when it is a heartbeat, else '' '' · name of the authenticated identity, '' for
--          none; the first one owns the uid
-- Returns  per agent  {epoch, epoch before or '', gateway before or '', whether it was open (lib/session.lua), its sequence number or '', checkpoint
--          or '', packed desired config or '', number of actions that wait, the uid it goes on under or '', the uid it had
--          before or ''} · {} it is another's, nothing changed · nil what is kept of it cannot be read, nothing changed
-- Why atomic: two gateways that claim at once must get different epochs, and the later one must see the earlier.
--include desired.lua
--include session.lua
local time = redis.call('TIME')
-- At least the time in ms, so that epochs go on rising when the fleet state was lost.
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function open(key, gateway, minEpoch, follows, seq, identity)
  local s = readSession(KEYS[key])
  if s[IDENTITY] ~= '' and s[IDENTITY] ~= identity then return {} end
  local epoch = string.format('%.0f', math.max(nowMs, tonumber(minEpoch), (tonumber(s[EPOCH]) or 0) + 1))
  local _, desired = readDesired(KEYS[key + 1])
  local reply = {epoch, s[EPOCH], s[GATEWAY], s[OPEN], s[SEQ], s[CHECKPOINT], desired,
    tostring(redis.call('LLEN', KEYS[key + 2])), s[TO], s[FROM]}
  s[EPOCH], s[GATEWAY], s[IDENTITY] = epoch, gateway, identity
  -- Whose answer is lost on its way opens once more, and must find that nobody was told yet.
  s[OPEN] = (s[OPEN] == '1' or s[OPEN] == 'm') and '1' or 'o'
  -- A heartbeat that follows exactly is counted here, so that a poll that moves again finds the right number.
  if follows ~= '' and s[SEQ] == follows then s[SEQ] = seq end
  redis.call('SET', KEYS[key], cmsgpack.pack(s), 'EX', ARGV[1])
  return reply
end
local replies = {}
for i = 1, #KEYS / 3 do
  local isRead, reply = pcall(open, 3 * i - 2, unpack(ARGV, 5 * i - 3, 5 * i + 1))
  replies[i] = isRead and reply
end
return replies
