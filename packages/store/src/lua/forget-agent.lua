-- forget-agent.lua — forget an agent that is not there, unless its record moved or it came back.
--
-- KEYS[1]    string  muster:{p}:agent:<uid>
-- KEYS[2]    zset    muster:{p}:agents
-- KEYS[3]    stream  muster:{p}:changes
-- KEYS[4]    zset    muster:{p}:unassigned
-- KEYS[5]    hash    muster:{p}:body-uses
-- KEYS[6]    string  muster:{p}:desired:<uid>
-- KEYS[7]    string  muster:{p}:rows · KEYS[8] list muster:{p}:free-rows
-- KEYS[9]    hash    muster:{p}:labels
-- KEYS[10]   hash    muster:{p}:history
-- KEYS[11]   string  muster:{p}:session:<uid> · KEYS[12] list muster:{p}:actions:<uid>
-- KEYS[13..]  string  muster:{p}:body:<address>: those it used
-- ARGV[1]    version that was read · [2] uid · [3] most entries of the changes stream
-- ARGV[4]    epoch of the session that the view says is over · [5] seconds a body that nobody uses is kept · [6] 16 bytes of the uid
-- ARGV[7..]  the address of each body, then the labels that it had
-- Returns    1 forgotten · 0 the version moved (caller re-reads) · 2 a newer session was opened, and will be told
-- Why atomic: a part that stays behind would be found by a selector, or be taken for the next agent of that row.
--include bodies.lua
--include record.lua
--include labels.lua
--include leave.lua
--include session.lua
local version, row = readHead(KEYS[1])
if version ~= ARGV[1] or not row then return 0 end
if (tonumber(readSession(KEYS[11])[EPOCH]) or 0) > tonumber(ARGV[4]) then return 2 end
redis.call('DEL', KEYS[1], KEYS[11], KEYS[12])
leave(row, 12)
return 1
