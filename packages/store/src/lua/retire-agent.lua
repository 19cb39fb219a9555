-- retire-agent.lua — replace an agent's view, unless it changed, by the uid that the agent goes on under.
--
-- KEYS[1]    hash    muster:{p}:agent:<uid>
-- KEYS[2]    zset    muster:{p}:agents
-- KEYS[3]    stream  muster:{p}:changes
-- KEYS[4]    zset    muster:{p}:unassigned
-- KEYS[5]    hash    muster:{p}:body-uses
-- KEYS[6]    hash    muster:{p}:desired:<uid>
-- KEYS[7..]  string  muster:{p}:body:<address>: those it used
-- then       zset    muster:{p}:label:<k>=<v> or :gateway:<id>: those it was in
-- ARGV[1]    version that was read (0: none) · [2] uid · [3] most entries of the changes stream
-- ARGV[4]    the uid it goes on under · [5] seconds a body that nobody uses is kept
-- ARGV[6..]  the address of each body
-- Returns    1 retired · 0 the version moved (caller re-reads)
-- Why atomic: what is said of the old uid after its view was taken over must not be lost with the view.
local version = redis.call('HGET', KEYS[1], 'v') or '0'
if version ~= ARGV[1] then return 0 end
local uid = ARGV[2]
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('HSET', KEYS[1], 'v', tonumber(version) + 1, 'alias', ARGV[4])
redis.call('ZREM', KEYS[2], uid)
redis.call('ZREM', KEYS[4], uid)
local bodies = #ARGV - 5
for i = 1, bodies do
  if redis.call('HINCRBY', KEYS[5], ARGV[5 + i], -1) <= 0 then
    redis.call('HDEL', KEYS[5], ARGV[5 + i])
    redis.call('EXPIRE', KEYS[6 + i], ARGV[5])
  end
end
for i = 7 + bodies, #KEYS do redis.call('ZREM', KEYS[i], uid) end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'u', uid)
return 1
