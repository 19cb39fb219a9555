-- open-session.lua — a gateway takes an agent over: hands out the epoch and tells what the session goes on from.
--
-- KEYS[1]  hash  muster:{p}:session:<uid>
-- KEYS[2]  hash  muster:{p}:desired:<uid>
-- ARGV[1]  gateway id
-- ARGV[2]  lowest epoch to hand out (integer); above any that the caller knows of
-- ARGV[3,4]  sequence number that the message in hand follows · its own, when it is a heartbeat; else '' ''
-- Returns  {epoch, epoch before or '', gateway before or '', '1' if it was open, its sequence number or '', checkpoint or '', desired config or ''}
-- Why atomic: two gateways that claim at once must get different epochs, and the later one must see the earlier.
local before = redis.call('HMGET', KEYS[1], 'epoch', 'gateway', 'open', 'seq', 'checkpoint')
local time = redis.call('TIME')
-- At least the time in ms, so that epochs go on rising when the fleet state was lost.
local epoch = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), tonumber(ARGV[2]), tonumber(before[1] or 0) + 1)
local text = string.format('%.0f', epoch)
redis.call('HSET', KEYS[1], 'epoch', text, 'gateway', ARGV[1], 'open', '1')
-- A heartbeat that follows exactly is counted here, so that a poll that moves again finds the right number.
if ARGV[3] ~= '' and before[4] == ARGV[3] then redis.call('HSET', KEYS[1], 'seq', ARGV[4]) end
return {text, before[1] or '', before[2] or '', before[3] or '', before[4] or '', before[5] or '', redis.call('HGET', KEYS[2], 'json') or ''}
