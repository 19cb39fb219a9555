-- save-agent.lua — replace an agent's view if nobody changed it first, and everything that follows from it.
--
-- KEYS[1]    hash    muster:{p}:agent:<uid>
-- KEYS[2]    zset    muster:{p}:agents (all uids, by text)
-- KEYS[3]    stream  muster:{p}:changes
-- KEYS[4]    zset    muster:{p}:unassigned (uid by version: desired config to be decided again)
-- KEYS[5]    hash    muster:{p}:body-uses (how many agents use a body)
-- KEYS[6,7]  string  muster:{p}:body:<address> now used · no longer used (KEYS[5] where there is none)
-- KEYS[8..]  zset    muster:{p}:label:<k>=<v> or :gateway:<id>: first those to join, then those to leave
-- ARGV[1]    version that was read (0: none) · [2] uid · [3] most entries of the changes stream · [4] "1" to decide again
-- ARGV[5,6]  address of the body now used · no longer used, or ''
-- ARGV[7]    seconds a body that nobody uses is kept · [8] how many of KEYS[8..] to join
-- ARGV[9..]  field, value of the view
-- Returns    1 saved · 0 the version moved (caller re-reads)
-- Why atomic: an index that disagrees with its record would hide agents from rollouts.
local version = redis.call('HGET', KEYS[1], 'v') or '0'
if version ~= ARGV[1] then return 0 end
local uid = ARGV[2]
local nextVersion = tonumber(version) + 1
redis.call('HSET', KEYS[1], 'v', nextVersion, unpack(ARGV, 9))
redis.call('ZADD', KEYS[2], 0, uid)
for i = 8, #KEYS do
  if i < 8 + tonumber(ARGV[8]) then redis.call('ZADD', KEYS[i], 0, uid) else redis.call('ZREM', KEYS[i], uid) end
end
if ARGV[4] == '1' then redis.call('ZADD', KEYS[4], nextVersion, uid) end
if ARGV[5] ~= '' then
  redis.call('HINCRBY', KEYS[5], ARGV[5], 1)
  redis.call('PERSIST', KEYS[6])
end
if ARGV[6] ~= '' and redis.call('HINCRBY', KEYS[5], ARGV[6], -1) <= 0 then
  redis.call('HDEL', KEYS[5], ARGV[6])
  redis.call('EXPIRE', KEYS[7], ARGV[7])
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'u', uid)
return 1
