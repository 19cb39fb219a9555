-- append-events.lua — one partition's share of a gateway's flush: the events, and what each session is resumed from.
--
-- KEYS[1]    stream  muster:{p}:events
-- KEYS[2..]  string  muster:{p}:session:<uid>, one per agent of the batch
-- ARGV[1]    most entries the stream may hold
-- ARGV[2]    events (JSON array); empty when there are none
-- ARGV[3..]  per session: epoch, "1" while open, "m" between gateways or "0", last sequence number, checkpoint,
--            event (JSON) that ends the session or '': counts only while no newer session took over
-- Returns    {0} the stream is full, nothing written · {1, code per session}: 1 kept · 0 a newer session took over · -1 unknown, or taken for lost: it is to be opened anew, though the events are written
-- Why atomic: a checkpoint without its events would let the next gateway believe that they are stored.
--include session.lua
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return {0} end
local codes, endings, sessions = {1}, {}, {}
-- Before anything is written: one that cannot be read must not have all events written again and again.
for i = 2, #KEYS do
  local isRead, session = pcall(readSession, KEYS[i])
  sessions[i] = isRead and session
end
if ARGV[2] ~= '' then redis.call('XADD', KEYS[1], '*', 'e', ARGV[2]) end
for i = 2, #KEYS do
  local base = 3 + (i - 2) * 5
  local s = sessions[i]
  if not s or s[EPOCH] == '' then
    codes[i] = -1
  elseif s[EPOCH] == ARGV[base] and s[OPEN] == '0' and ARGV[base + 1] ~= '0' then
    codes[i] = -1 -- ended by end-lost.lua: watchers were told that it is disconnected, so it is opened anew
  elseif s[EPOCH] == ARGV[base] then
    s[OPEN], s[SEQ], s[CHECKPOINT] = ARGV[base + 1], ARGV[base + 2], ARGV[base + 3]
    s[FROM] = '' -- that the agent goes on under this uid was told with the events
    if ARGV[base + 4] ~= '' then endings[#endings + 1] = ARGV[base + 4] end
    codes[i] = 1
  else
    s[LEFT_EPOCH], s[LEFT_SEQ], s[LEFT_CHECKPOINT] = ARGV[base], ARGV[base + 2], ARGV[base + 3]
    codes[i] = 0
  end
  if codes[i] >= 0 then redis.call('SET', KEYS[i], cmsgpack.pack(s), 'KEEPTTL') end
end
if #endings > 0 then redis.call('XADD', KEYS[1], '*', 'e', '[' .. table.concat(endings, ',') .. ']') end
return codes
