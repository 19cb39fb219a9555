-- save-agent.lua — replace an agent's view if nobody changed it first, and everything that follows from it.
--
-- KEYS[1]    hash    muster:{p}:agent:<uid>
-- KEYS[2]    zset    muster:{p}:agents (all uids, by text)
-- KEYS[3]    stream  muster:{p}:changes
-- KEYS[4]    zset    muster:{p}:unassigned (uid by version: desired config to be decided again)
-- KEYS[5]    hash    muster:{p}:body-uses (how many agents use a body)
-- KEYS[6..]  string  muster:{p}:body:<address>: first those now used, then those no longer used
-- then       zset    muster:{p}:label:<k>=<v> or :gateway:<id>: first those to join, then those to leave
-- ARGV[1]    version that was read (0: none) · [2] uid · [3] most entries of the changes stream · [4] "1" to decide again
-- ARGV[5]    seconds a body that nobody uses is kept
-- ARGV[6..8] how many bodies are now used · no longer used · how many indexes to join
-- ARGV[9]    stamp that was read ('': none) · [10..] the address of each body, then field, value of the view
-- Returns    the stamp of what was saved · '' the record moved (caller re-reads)
-- Why atomic: an index that disagrees with its record would hide agents from rollouts.
-- The stamp is the id of the record's entry among the changes. Versions count from 1 again after a loss; stamps do not.
local stored = redis.call('HMGET', KEYS[1], 'v', 'stamp')
local version = stored[1] or '0'
if version ~= ARGV[1] or (stored[2] or '') ~= ARGV[9] then return '' end
local uid, nextVersion = ARGV[2], tonumber(version) + 1
local used, unused, joins = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
redis.call('HSET', KEYS[1], 'v', nextVersion, unpack(ARGV, 10 + used + unused))
redis.call('ZADD', KEYS[2], 0, uid)
if ARGV[4] == '1' then redis.call('ZADD', KEYS[4], nextVersion, uid) end
for i = 1, used + unused do
  local count = redis.call('HINCRBY', KEYS[5], ARGV[9 + i], i <= used and 1 or -1)
  if i <= used then
    redis.call('PERSIST', KEYS[5 + i])
  elseif count <= 0 then
    redis.call('HDEL', KEYS[5], ARGV[9 + i])
    redis.call('EXPIRE', KEYS[5 + i], ARGV[5])
  end
end
for i = 6 + used + unused, #KEYS do
  local command = i < 6 + used + unused + joins and {'ZADD', KEYS[i], 0, uid} or {'ZREM', KEYS[i], uid}
  redis.call(unpack(command))
end
local stamp = redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'u', uid)
redis.call('HSET', KEYS[1], 'stamp', stamp)
return stamp
