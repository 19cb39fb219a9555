-- open-session.lua — a gateway takes an agent over: hands out the epoch and tells what the session goes on from.
--
-- KEYS[1]  hash  muster:{p}:session:<uid>
-- KEYS[2]  hash  muster:{p}:desired:<uid>
-- KEYS[3]  list  muster:{p}:actions:<uid>
-- ARGV[1]  gateway id
-- ARGV[2]  lowest epoch to hand out (integer); above any that the caller knows of
-- ARGV[3,4]  sequence number that the message in hand follows · its own, when it is a heartbeat; else '' ''
-- ARGV[5]  name of the authenticated identity, '' for none; the first one owns the uid
-- ARGV[6]  seconds the session is remembered after it was last opened
-- Returns  {epoch, epoch before or '', gateway before or '', '1' if it was open, its sequence number or '', checkpoint or '', desired config or '',
--          number of actions that wait, the uid it goes on under or '', the uid it had before or ''} · {} it is another's, nothing changed
-- Why atomic: two gateways that claim at once must get different epochs, and the later one must see the earlier.
local s = redis.call('HMGET', KEYS[1], 'epoch', 'gateway', 'open', 'seq', 'checkpoint', 'identity', 'to', 'from')
if s[6] and s[6] ~= ARGV[5] then return {} end
local time = redis.call('TIME')
-- At least the time in ms, so that epochs go on rising when the fleet state was lost.
local epoch = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), tonumber(ARGV[2]), tonumber(s[1] or 0) + 1)
local text = string.format('%.0f', epoch)
redis.call('HSET', KEYS[1], 'epoch', text, 'gateway', ARGV[1], 'open', '1')
redis.call('EXPIRE', KEYS[1], ARGV[6])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'identity', ARGV[5]) end
-- A heartbeat that follows exactly is counted here, so that a poll that moves again finds the right number.
if ARGV[3] ~= '' and s[4] == ARGV[3] then redis.call('HSET', KEYS[1], 'seq', ARGV[4]) end
return {text, s[1] or '', s[2] or '', s[3] or '', s[4] or '', s[5] or '', redis.call('HGET', KEYS[2], 'json') or '',
  tostring(redis.call('LLEN', KEYS[3])), s[7] or '', s[8] or ''}
