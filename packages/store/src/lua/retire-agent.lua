-- retire-agent.lua — replace an agent's view, unless it changed, by the uid that the agent goes on under.
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
-- KEYS[11..]  string  muster:{p}:body:<address>: those it used
-- ARGV[1]    version that was read (0: none) · [2] uid · [3] most entries of the changes stream
-- ARGV[4]    the uid it goes on under · [5] seconds a body that nobody uses is kept · [6] 16 bytes of the uid
-- ARGV[7..]  the address of each body, then the labels that it had
-- Returns    1 retired · 0 the version moved (caller re-reads)
-- Why atomic: what is said of the old uid after its view was taken over must not be lost with the view.
--include bodies.lua
--include record.lua
--include labels.lua
--include leave.lua
local version, row = readHead(KEYS[1])
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], string.format('%d > %s\n', tonumber(version) + 1, ARGV[4]))
leave(row, 10)
return 1
