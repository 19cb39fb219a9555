-- append-usage.lua — what agents of a partition take, as their own metrics say: events of those that are known.
--
-- KEYS[1]    stream  muster:{p}:events
-- KEYS[2..]  per agent:  string muster:{p}:agent:<uid> · string muster:{p}:session:<uid>
-- ARGV[1]    most entries the stream may hold
-- ARGV[2..]  per agent:  name of the authenticated identity that says it, '' for none · event (JSON) without n, atMs and its end
-- Returns    {0} the stream is full, nothing written · {1, code per agent}: 1 written · 0 there is no such agent · -1 it is another's
-- Why atomic: an agent must not be forgotten, or pass to another owner, between the question and the event.
--include session.lua
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return {0} end
local time = redis.call('TIME')
-- One clock for all gateways: one of theirs that is ahead would silence the others.
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local rest = ',"n":' .. now .. ',"atMs":' .. now .. '}'
local codes, events = {1}, {}
for i = 2, #KEYS, 2 do
  local owner = readSession(KEYS[i + 1])[IDENTITY]
  if redis.call('EXISTS', KEYS[i]) == 0 then
    codes[#codes + 1] = 0
  elseif owner ~= '' and owner ~= ARGV[i] then
    codes[#codes + 1] = -1
  else
    codes[#codes + 1] = 1
    events[#events + 1] = ARGV[i + 1] .. rest
  end
end
if #events > 0 then redis.call('XADD', KEYS[1], '*', 'e', '[' .. table.concat(events, ',') .. ']') end
return codes
