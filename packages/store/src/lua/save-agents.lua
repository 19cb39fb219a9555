-- save-agents.lua — replace the views of agents that nobody changed first, and everything that follows from them.
--
-- KEYS[1]  zset    muster:{p}:agents (all uids, by text)
-- KEYS[2]  stream  muster:{p}:changes
-- KEYS[3]  zset    muster:{p}:unassigned (uid by version: desired config to be decided again)
-- KEYS[4]  hash    muster:{p}:body-uses (how many agents use a body)
-- then per agent:  hash muster:{p}:agent:<uid> · string muster:{p}:body:<address>: those now used, those no longer used ·
--                  zset muster:{p}:label:<k>=<v> or :gateway:<id>: those to join, those to leave
-- ARGV[1]  most entries of the changes stream · ARGV[2] seconds a body that nobody uses is kept
-- then per agent:  uid · version that was read (0: none) · stamp that was read ('': none) · "1" to decide again ·
--                  how many bodies are now used · no longer used · how many indexes to join · to leave ·
--                  how many texts follow: the address of each body, then field, value of the view
-- Returns  per agent the stamp of what was saved · '' the record moved (caller re-reads)
-- Why atomic: an index that disagrees with its record would hide agents from rollouts.
-- The stamp is the id of the record's entry among the changes. Versions count from 1 again after a loss; stamps do not.
local function useBodies(key, arg, used, unused)
  for i = 1, used + unused do
    local address = ARGV[arg + i]
    local count = redis.call('HINCRBY', KEYS[4], address, i <= used and 1 or -1)
    if i <= used then
      redis.call('PERSIST', KEYS[key + i])
    elseif count <= 0 then
      redis.call('HDEL', KEYS[4], address)
      redis.call('EXPIRE', KEYS[key + i], ARGV[2])
    end
  end
end
local key, arg, stamps = 5, 3, {}
while key <= #KEYS do
  local record, uid = KEYS[key], ARGV[arg]
  local used, unused = tonumber(ARGV[arg + 4]), tonumber(ARGV[arg + 5])
  local joins, leaves = tonumber(ARGV[arg + 6]), tonumber(ARGV[arg + 7])
  local texts = tonumber(ARGV[arg + 8])
  local stored = redis.call('HMGET', record, 'v', 'stamp')
  local version = stored[1] or '0'
  if version ~= ARGV[arg + 1] or (stored[2] or '') ~= ARGV[arg + 2] then
    stamps[#stamps + 1] = ''
  else
    local stamp = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'u', uid)
    local first, last = arg + 9 + used + unused, arg + 8 + texts
    redis.call('HSET', record, 'v', tonumber(version) + 1, 'stamp', stamp, unpack(ARGV, first, last))
    if version == '0' then redis.call('ZADD', KEYS[1], 0, uid) end
    if ARGV[arg + 3] == '1' then redis.call('ZADD', KEYS[3], tonumber(version) + 1, uid) end
    useBodies(key, arg + 8, used, unused)
    local index = key + used + unused
    for i = 1, joins do redis.call('ZADD', KEYS[index + i], 0, uid) end
    for i = joins + 1, joins + leaves do redis.call('ZREM', KEYS[index + i], uid) end
    stamps[#stamps + 1] = stamp
  end
  key, arg = key + 1 + used + unused + joins + leaves, arg + 9 + texts
end
return stamps
