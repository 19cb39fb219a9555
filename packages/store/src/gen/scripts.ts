// Generated from src/lua by scripts/generate.ts (npm run generate). Do not edit.

/**
 * append-events.lua — one partition's share of a gateway's flush: the events, and what each session is resumed from.
 * KEYS[1]    stream  muster:{p}:events
 * KEYS[2..]  string  muster:{p}:session:<uid>, one per agent of the batch
 * ARGV[1]    most entries the stream may hold
 * ARGV[2]    events (JSON array); empty when there are none
 * ARGV[3..]  per session: epoch, "1" while open, "m" between gateways or "0", last sequence number, checkpoint,
 *            event (JSON) that ends the session or '': counts only while no newer session took over
 * Returns    {0} the stream is full, nothing written · {1, code per session}: 1 kept · 0 a newer session took over · -1 unknown, or taken for lost: it is to be opened anew, though the events are written
 * Why atomic: a checkpoint without its events would let the next gateway believe that they are stored.
 * Before anything is written: one that cannot be read must not have all events written again and again.
 */
export const appendEvents = { name: "muster-append-events", lua: "local EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nif redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return {0} end\nlocal codes, endings, sessions = {1}, {}, {}\nfor i = 2, #KEYS do\n  local isRead, session = pcall(readSession, KEYS[i])\n  sessions[i] = isRead and session\nend\nif ARGV[2] ~= '' then redis.call('XADD', KEYS[1], '*', 'e', ARGV[2]) end\nfor i = 2, #KEYS do\n  local base = 3 + (i - 2) * 5\n  local s = sessions[i]\n  if not s or s[EPOCH] == '' then\n    codes[i] = -1\n  elseif s[EPOCH] == ARGV[base] and s[OPEN] == '0' and ARGV[base + 1] ~= '0' then\n    codes[i] = -1 -- ended by end-lost.lua: watchers were told that it is disconnected, so it is opened anew\n  elseif s[EPOCH] == ARGV[base] then\n    s[OPEN], s[SEQ], s[CHECKPOINT] = ARGV[base + 1], ARGV[base + 2], ARGV[base + 3]\n    s[FROM] = '' -- that the agent goes on under this uid was told with the events\n    if ARGV[base + 4] ~= '' then endings[#endings + 1] = ARGV[base + 4] end\n    codes[i] = 1\n  else\n    s[LEFT_EPOCH], s[LEFT_SEQ], s[LEFT_CHECKPOINT] = ARGV[base], ARGV[base + 2], ARGV[base + 3]\n    codes[i] = 0\n  end\n  if codes[i] >= 0 then redis.call('SET', KEYS[i], cmsgpack.pack(s), 'KEEPTTL') end\nend\nif #endings > 0 then redis.call('XADD', KEYS[1], '*', 'e', '[' .. table.concat(endings, ',') .. ']') end\nreturn codes" } as const;

/**
 * append-usage.lua — what agents of a partition take, as their own metrics say: events of those that are known.
 * KEYS[1]    stream  muster:{p}:events
 * KEYS[2..]  per agent:  string muster:{p}:agent:<uid> · string muster:{p}:session:<uid>
 * ARGV[1]    most entries the stream may hold
 * ARGV[2..]  per agent:  name of the authenticated identity that says it, '' for none · event (JSON) without n, atMs and its end
 * Returns    {0} the stream is full, nothing written · {1, code per agent}: 1 written · 0 there is no such agent · -1 it is another's
 * Why atomic: an agent must not be forgotten, or pass to another owner, between the question and the event.
 * One clock for all gateways: one of theirs that is ahead would silence the others.
 */
export const appendUsage = { name: "muster-append-usage", lua: "local EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nif redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return {0} end\nlocal time = redis.call('TIME')\nlocal now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))\nlocal rest = ',\"n\":' .. now .. ',\"atMs\":' .. now .. '}'\nlocal codes, events = {1}, {}\nfor i = 2, #KEYS, 2 do\n  local owner = readSession(KEYS[i + 1])[IDENTITY]\n  if redis.call('EXISTS', KEYS[i]) == 0 then\n    codes[#codes + 1] = 0\n  elseif owner ~= '' and owner ~= ARGV[i] then\n    codes[#codes + 1] = -1\n  else\n    codes[#codes + 1] = 1\n    events[#events + 1] = ARGV[i + 1] .. rest\n  end\nend\nif #events > 0 then redis.call('XADD', KEYS[1], '*', 'e', '[' .. table.concat(events, ',') .. ']') end\nreturn codes" } as const;

/**
 * assign-desired.lua — write what agents of a partition should run, unless another decision was written since the caller read.
 * KEYS[1]  stream  muster:{p}:changes · KEYS[2] string muster:{p}:assigned-version
 * KEYS[3..]  per agent: string muster:{p}:desired:<uid>, string muster:{p}:session:<uid>, string muster:{p}:agent:<uid>
 * ARGV[1]  version of the assignments that the decisions rest on (integer) · ARGV[2] most entries of the changes stream
 * ARGV[3]  how many records follow · ARGV[4..] packed desired configs, '' for no opinion: most agents share theirs
 * then     per agent: uid · which record it should have · which record the caller read, 0 when that does not matter
 * Returns  per agent: '0' a decision on newer assignments stands · '2' another was written since it was read, or the agent
 *          went on under another uid (caller decides again) · '1' written · '1' followed by the id of the gateway that holds the agent
 * Why atomic: a worker that was presumed dead must not take an agent back to an older decision.
 * What all of the partition was decided on is a fence: once it is passed, nothing older is written any more.
 */
export const assignDesired = { name: "muster-assign-desired", lua: "local function readDesired(key)\n  local version, record = string.match(redis.call('GET', key) or '', '^(%d+)\\n(.*)$')\n  return tonumber(version or 0), record or ''\nend\nlocal EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nlocal function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal version, records, replies = tonumber(ARGV[1]), tonumber(ARGV[3]), {}\nlocal isStale = tonumber(redis.call('GET', KEYS[2]) or 0) > version\nfor i = 1, (#KEYS - 2) / 3 do\n  local desired, at = KEYS[3 * i], 1 + records + 3 * i\n  local storedVersion, stored = readDesired(desired)\n  local read = tonumber(ARGV[at + 2])\n  if isStale or storedVersion > version then\n    replies[i] = '0'\n  elseif read > 0 and stored ~= ARGV[3 + read] or isAlias(KEYS[3 * i + 2]) then\n    replies[i] = '2'\n  else\n    redis.call('SET', desired, ARGV[1] .. '\\n' .. ARGV[3 + tonumber(ARGV[at + 1])])\n    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'u', ARGV[at])\n    local session = readSession(KEYS[3 * i + 1])\n    replies[i] = '1' .. (isHeld(session) and session[GATEWAY] or '')\n  end\nend\nreturn replies" } as const;

/**
 * change-settings.lua — offer an agent other settings of a kind, or none, if what is offered is still what was read.
 * KEYS[1]  hash  muster:{ctl}:settings:<uid>
 * ARGV[1]  kind · ARGV[2] sealed settings that were read, '' for none · ARGV[3] sealed settings, '' for none any more
 * Returns  1 changed · 0 something else is offered by now (caller re-reads)
 * Why atomic: two who offer at once must not overwrite each other unseen.
 */
export const changeSettings = { name: "muster-change-settings", lua: "if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end\nif ARGV[3] == '' then\n  redis.call('HDEL', KEYS[1], ARGV[1])\nelse\n  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])\nend\nreturn 1" } as const;

/**
 * claim-answer.lua — claim a request id, or find what came of it; with the same word, hold the claim for longer.
 * KEYS[1]  string  muster:{ctl}:answer:<method>:<request id>
 * ARGV[1]  a word of the claimant's own · ARGV[2]  milliseconds that the claim holds
 * Returns  '' claimed · 'c' somebody else works on it · 'a' and what was kept: the answer
 * Why atomic: of two calls with one request id only one may work.
 */
export const claimAnswer = { name: "muster-claim-answer", lua: "local present = redis.call('GET', KEYS[1])\nif present and string.sub(present, 1, 1) == 'a' then return present end\nif present and present ~= 'c' .. ARGV[1] then return 'c' end\nredis.call('SET', KEYS[1], 'c' .. ARGV[1], 'PX', ARGV[2])\nreturn ''" } as const;

/**
 * commit-status.lua — replace a rollout's status and wave if nobody moved it first, with all that follows from them.
 * KEYS[1]  hash    muster:{ctl}:rollout:<id>:status
 * KEYS[2]  hash    muster:{ctl}:assignments (config id → layers)
 * KEYS[3]  string  muster:{ctl}:assignments-version
 * KEYS[4]  hash    muster:{ctl}:config:<id>:status · KEYS[5] hash muster:{ctl}:config:<id>:quarantine
 * KEYS[6]  set     muster:{ctl}:rollouts-active
 * KEYS[7]  list    muster:{ctl}:rollout:<id>:log · KEYS[8] string muster:{ctl}:admissions
 * ARGV[1]  version the caller read (integer) · ARGV[2] status (JSON) · ARGV[3] wave (JSON) · ARGV[4] rollout id
 * ARGV[5]  config id · ARGV[6] layers (JSON), or '' when unchanged · ARGV[7] stable revision with these layers, or ''
 * ARGV[8]  what becomes of the config: "claim" for this rollout, "release" it, or ''
 * ARGV[9]  "1" when nobody need look at the rollout again
 * ARGV[10] content that enters or leaves quarantine, or '' · ARGV[11] why (JSON), or '' when it leaves
 * ARGV[12] layers that the caller read (JSON), or '' for none
 * ARGV[13] admissions that the caller counted before it looked whom others have, '*' when it matters not,
 *          or '' when it takes no more agents
 * ARGV[14] most lines of the log · ARGV[15..] new lines (JSON)
 * Returns  1 committed · 0 version, layers or admissions moved (caller re-reads) · 2 another rollout has the config
 * Why atomic: a worker that was presumed dead must not overwrite the one that replaced it, and of two rollouts that
 *          would take the same agent in one moment, the second must look again.
 */
export const commitStatus = { name: "muster-commit-status", lua: "if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end\nif ARGV[6] ~= '' and (redis.call('HGET', KEYS[2], ARGV[5]) or '') ~= ARGV[12] then return 0 end\nlocal isFenced = ARGV[13] ~= '' and ARGV[13] ~= '*'\nif isFenced and (redis.call('GET', KEYS[8]) or '0') ~= ARGV[13] then return 0 end\nlocal holder = redis.call('HGET', KEYS[4], 'active')\nif ARGV[8] == 'claim' and holder and holder ~= ARGV[4] then return 2 end\nredis.call('HSET', KEYS[1], 'version', tonumber(ARGV[1]) + 1, 'json', ARGV[2], 'wave', ARGV[3])\nif ARGV[6] ~= '' then\n  redis.call('HSET', KEYS[2], ARGV[5], ARGV[6])\n  redis.call('INCR', KEYS[3])\n  if ARGV[7] ~= '' then redis.call('HSET', KEYS[4], 'stable', ARGV[7]) else redis.call('HDEL', KEYS[4], 'stable') end\nend\nif ARGV[8] == 'claim' then redis.call('HSET', KEYS[4], 'active', ARGV[4]) end\nif ARGV[8] == 'release' and holder == ARGV[4] then redis.call('HDEL', KEYS[4], 'active') end\nredis.call(ARGV[9] == '1' and 'SREM' or 'SADD', KEYS[6], ARGV[4])\nif ARGV[10] ~= '' and ARGV[11] ~= '' then redis.call('HSET', KEYS[5], ARGV[10], ARGV[11]) end\nif ARGV[10] ~= '' and ARGV[11] == '' then redis.call('HDEL', KEYS[5], ARGV[10]) end\nif ARGV[13] ~= '' then redis.call('INCR', KEYS[8]) end\nfor i = 15, #ARGV do redis.call('RPUSH', KEYS[7], ARGV[i]) end\nif #ARGV >= 15 then redis.call('LTRIM', KEYS[7], -tonumber(ARGV[14]), -1) end\nreturn 1" } as const;

/**
 * create-config.lua — add a config, once per id and once per request.
 * KEYS[1]  hash    muster:{ctl}:config:<id>
 * KEYS[2]  zset    muster:{ctl}:configs (ids, by text)
 * KEYS[3]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
 * ARGV[1]  id · ARGV[2]  config (JSON) · ARGV[3]  seconds a request is remembered, 0 without a request id
 * Returns  1 created · 0 the id is taken · 2 this request created it before
 * Why atomic: two creators of one id must not both succeed.
 */
export const createConfig = { name: "muster-create-config", lua: "if ARGV[3] ~= '0' and redis.call('GET', KEYS[3]) == ARGV[1] then return 2 end\nif redis.call('EXISTS', KEYS[1]) == 1 then return 0 end\nredis.call('HSET', KEYS[1], 'json', ARGV[2], 'generation', 1, 'latest', 0)\nredis.call('ZADD', KEYS[2], 0, ARGV[1])\nif ARGV[3] ~= '0' then redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[3]) end\nreturn 1" } as const;

/**
 * decide-again.lua — have the desired config of one agent decided anew.
 * KEYS[1]  zset    muster:{p}:unassigned
 * KEYS[2]  string  muster:{p}:agent:<uid>
 * ARGV[1]  uid
 * Returns  1 noted · 0 the agent is not known
 * Why atomic: noted under another version than the agent has, it would be struck off before it is decided.
 */
export const decideAgain = { name: "muster-decide-again", lua: "local function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal version = readHead(KEYS[2])\nif version == '0' then return 0 end\nredis.call('ZADD', KEYS[1], version, ARGV[1])\nreturn 1" } as const;

/**
 * delete-config.lua — remove a config with its revisions, unless agents have it or may get it.
 * KEYS[1]  hash    muster:{ctl}:config:<id> · KEYS[2] zset muster:{ctl}:configs (ids, by text)
 * KEYS[3]  hash    muster:{ctl}:config:<id>:revisions · KEYS[4] hash muster:{ctl}:config:<id>:status
 * KEYS[5]  hash    muster:{ctl}:assignments (config id → layers) · KEYS[6] string muster:{ctl}:assignments-version
 * KEYS[7]  hash    muster:{ctl}:config:<id>:quarantine
 * KEYS[8]  zset    muster:{ctl}:config:<id>:rollouts · KEYS[9] set muster:{ctl}:rollouts-active
 * ARGV[1]  id · ARGV[2] generation that was read (integer) · ARGV[3] "1" to check without deleting
 * Returns  {1, ''} deleted, or would be · {0, ''} no such config · {2, ''} the generation moved
 *          {3, rollout id} that one is at work · {4, rollout id} agents have it from that one
 * Why atomic: a rollout that starts in between would bring agents what is not there any more.
 */
export const deleteConfig = { name: "muster-delete-config", lua: "local generation = redis.call('HGET', KEYS[1], 'generation')\nif not generation then return {0, ''} end\nif generation ~= ARGV[2] then return {2, ''} end\nlocal active = redis.call('HGET', KEYS[4], 'active')\nif active then return {3, active} end\nfor _, id in ipairs(redis.call('SMEMBERS', KEYS[9])) do\n  if redis.call('ZSCORE', KEYS[8], id) then return {3, id} end\nend\nlocal layers = redis.call('HGET', KEYS[5], ARGV[1])\nfor _, layer in ipairs(layers and cjson.decode(layers) or {}) do\n  if layer.mode ~= 'withdrawn' then return {4, layer.rolloutId} end\nend\nif ARGV[3] == '1' then return {1, ''} end\nredis.call('DEL', KEYS[1], KEYS[3], KEYS[4], KEYS[7])\nredis.call('ZREM', KEYS[2], ARGV[1])\nif redis.call('HDEL', KEYS[5], ARGV[1]) == 1 then redis.call('INCR', KEYS[6]) end\nreturn {1, ''}" } as const;

/**
 * delete-secret.lua — remove a secret with all its versions, if the newest is still the one that was read.
 * KEYS[1]  hash    muster:{ctl}:secret:<id> · KEYS[2] zset muster:{ctl}:secrets (ids, by text)
 * KEYS[3]  string  muster:{ctl}:secrets-version
 * ARGV[1]  id · ARGV[2] newest version that was read (integer)
 * Returns  1 removed · 0 the newest version is another, or there is none (caller re-reads)
 * The number of the version stays: one that is created under the name again goes on from there.
 * Why atomic: a version that was set in between must not be lost unseen.
 */
export const deleteSecret = { name: "muster-delete-secret", lua: "if redis.call('HEXISTS', KEYS[1], 'json') == 0 or redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end\nredis.call('DEL', KEYS[1])\nredis.call('HSET', KEYS[1], 'version', ARGV[2])\nredis.call('ZREM', KEYS[2], ARGV[1])\nredis.call('INCR', KEYS[3])\nreturn 1" } as const;

/**
 * edit-session.lua — read a session, and change some of what is kept of it.
 * KEYS[1]  string  muster:{p}:session:<uid>
 * ARGV[1]  seconds that a new session is remembered; '' to leave it at that when there is none
 * ARGV[2..]  per edit: place of the field · text, '' for nothing · '1' to leave what is there already
 * Returns  the fields after that, in order · {} there is none
 * Why atomic: of two uids that are proposed for one agent at once, one must be the first.
 */
export const editSession = { name: "muster-edit-session", lua: "local EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nlocal s, isThere = readSession(KEYS[1])\nif not isThere and ARGV[1] == '' then return {} end\nfor i = 2, #ARGV, 3 do\n  local field = tonumber(ARGV[i])\n  if ARGV[i + 2] ~= '1' or s[field] == '' then s[field] = ARGV[i + 1] end\nend\nif isThere and #ARGV > 1 then\n  redis.call('SET', KEYS[1], cmsgpack.pack(s), 'KEEPTTL')\nelseif not isThere then\n  redis.call('SET', KEYS[1], cmsgpack.pack(s), 'EX', ARGV[1])\nend\nreturn s" } as const;

/**
 * end-lost.lua — ends a session whose gateway is gone.
 * KEYS[1]  string  muster:{p}:session:<uid>
 * ARGV[1]  id of the gateway that is gone
 * ARGV[2]  '1' to end it also where that gateway left it to the next one; else ''
 * Returns  1 it is ended, now or before · 0 it is another gateway's by now, or is left to the next one
 * Why atomic: a gateway that takes the agent over must either find it ended, and tell that it is connected, or be found
 *             to have it; with two reads it goes on silently with a connection that was told to have ended.
 */
export const endLost = { name: "muster-end-lost", lua: "local EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nlocal s = readSession(KEYS[1])\nif s[GATEWAY] ~= ARGV[1] or (s[OPEN] == 'm' and ARGV[2] == '') then return 0 end\ns[OPEN] = '0'\nredis.call('SET', KEYS[1], cmsgpack.pack(s), 'KEEPTTL')\nreturn 1" } as const;

/**
 * enqueue-action.lua — leave something that a connected agent is to be asked once.
 * KEYS[1]  string  muster:{p}:session:<uid>
 * KEYS[2]  list    muster:{p}:actions:<uid>
 * ARGV[1]  action, sealed · ARGV[2]  most actions that wait · ARGV[3]  seconds an action is worth sending
 * Returns  {0} no session is open · {1} too many wait · {2, id of the gateway that holds the agent}
 * Why atomic: an action must not wait for an agent that may come back long after anybody expects it.
 */
export const enqueueAction = { name: "muster-enqueue-action", lua: "local EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nlocal session = readSession(KEYS[1])\nif not isHeld(session) then return {0} end\nif redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[2]) then return {1} end\nredis.call('RPUSH', KEYS[2], ARGV[1])\nredis.call('EXPIRE', KEYS[2], ARGV[3])\nreturn {2, session[GATEWAY]}" } as const;

/**
 * forget-agent.lua — forget an agent that is not there, unless its record moved or it came back.
 * KEYS[1]    string  muster:{p}:agent:<uid>
 * KEYS[2]    zset    muster:{p}:agents
 * KEYS[3]    stream  muster:{p}:changes
 * KEYS[4]    zset    muster:{p}:unassigned
 * KEYS[5]    hash    muster:{p}:body-uses
 * KEYS[6]    string  muster:{p}:desired:<uid>
 * KEYS[7]    string  muster:{p}:rows · KEYS[8] list muster:{p}:free-rows
 * KEYS[9]    hash    muster:{p}:labels
 * KEYS[10]   hash    muster:{p}:history
 * KEYS[11]   string  muster:{p}:session:<uid> · KEYS[12] list muster:{p}:actions:<uid>
 * KEYS[13..]  string  muster:{p}:body:<address>: those it used
 * ARGV[1]    version that was read · [2] uid · [3] most entries of the changes stream
 * ARGV[4]    epoch of the session that the view says is over · [5] seconds a body that nobody uses is kept · [6] 16 bytes of the uid
 * ARGV[7..]  the address of each body, then the labels that it had
 * Returns    1 forgotten · 0 the version moved (caller re-reads) · 2 a newer session was opened, and will be told
 * Why atomic: a part that stays behind would be found by a selector, or be taken for the next agent of that row.
 */
export const forgetAgent = { name: "muster-forget-agent", lua: "local function useBody(uses, body, address, count, ttl)\n  local left = redis.call('HINCRBY', uses, address, count)\n  if count > 0 then\n    redis.call('PERSIST', body)\n  elseif left <= 0 then\n    redis.call('HDEL', uses, address)\n    redis.call('EXPIRE', body, ttl)\n  end\nend\nlocal function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal ENTRY, MIN_ROWS, BUCKETS, CHUNK, MAX_VALUES_BYTES = 9, 16, 1024, 4096, 4096\nlocal FIELDS = 500\nlocal function packRow(row) return struct.pack('>I3', row) end\nlocal function placeOf(label)\n  local digest = redis.sha1hex(label)\n  local bucket = tonumber(string.sub(digest, 1, 4), 16) % BUCKETS\n  return '#' .. bucket, struct.pack('>I6', tonumber(string.sub(digest, 5, 16), 16))\nend\nlocal function findEntry(bucket, start, from)\n  repeat\n    local found = string.find(bucket, start, from, true)\n    if not found or (found - 1) % ENTRY == 0 then return found end\n    from = found + 1\n  until false\nend\nlocal function takeEntries(bucket, start)\n  local parts, rows, at = {}, {}, 1\n  local found = findEntry(bucket, start, 1)\n  while found do\n    parts[#parts + 1] = string.sub(bucket, at, found - 1)\n    rows[#rows + 1] = struct.unpack('>I3', bucket, found + 6)\n    at = found + ENTRY\n    found = findEntry(bucket, start, at)\n  end\n  return table.concat(parts) .. string.sub(bucket, at), rows\nend\nlocal function countEntries(bucket, start)\n  local count, found = 0, findEntry(bucket, start, 1)\n  while found do\n    count = count + 1\n    found = findEntry(bucket, start, found + ENTRY)\n  end\n  return count\nend\nlocal function splitRows(rows)\n  local chunks = {}\n  for row, isIn in pairs(rows) do\n    local chunk = math.floor(row / CHUNK)\n    chunks[chunk] = chunks[chunk] or {}\n    chunks[chunk][row % CHUNK] = isIn\n  end\n  return chunks\nend\nlocal function editBitmap(bitmap, rows)\n  local bytes, order, more = {}, {}, 0\n  for row, isIn in pairs(rows) do\n    local i, mask = math.floor(row / 8) + 1, bit.rshift(128, row % 8)\n    if not bytes[i] then\n      order[#order + 1] = i\n      bytes[i] = string.byte(bitmap, i) or 0\n    end\n    if (bit.band(bytes[i], mask) ~= 0) ~= isIn then\n      bytes[i] = bit.bxor(bytes[i], mask)\n      more = more + (isIn and 1 or -1)\n    end\n  end\n  table.sort(order)\n  local parts, at = {}, 1\n  bitmap = bitmap .. string.rep('\\0', order[#order] - #bitmap)\n  for _, i in ipairs(order) do\n    parts[#parts + 1] = string.sub(bitmap, at, i - 1)\n    parts[#parts + 1] = string.char(bytes[i])\n    at = i + 1\n  end\n  parts[#parts + 1] = string.sub(bitmap, at)\n  return table.concat(parts), more\nend\nlocal function readFields(key, names, values)\n  for from = 1, #names, FIELDS do\n    local some = redis.call('HMGET', key, unpack(names, from, math.min(from + FIELDS - 1, #names)))\n    for i, value in ipairs(some) do values[names[from + i - 1]] = value end\n  end\n  return values\nend\nlocal function writeFields(key, values)\n  local sets, dels = {}, {}\n  for name, value in pairs(values) do\n    if value == 0 or not string.find(value, '[^%z]') then\n      dels[#dels + 1] = name\n    else\n      sets[#sets + 1] = name\n      sets[#sets + 1] = value\n    end\n  end\n  for from = 1, #sets, FIELDS do redis.call('HSET', key, unpack(sets, from, math.min(from + FIELDS - 1, #sets))) end\n  for from = 1, #dels, FIELDS do redis.call('HDEL', key, unpack(dels, from, math.min(from + FIELDS - 1, #dels))) end\nend\nlocal function splitLabel(label)\n  local digits = string.match(label, '^(%d+):')\n  local stop = #digits + 1 + tonumber(digits)\n  return '=' .. string.sub(label, #digits + 2, stop), #label > stop and string.sub(label, stop + 2) or nil\nend\nlocal function findValue(list, value)\n  if not string.find(list, struct.pack('>H', #value + 1) .. value, 3, true) then return nil end\n  local at = 3\n  while at <= #list do\n    local size = struct.unpack('>H', list, at) + 1\n    if size == #value + 2 and string.sub(list, at + 2, at + size - 1) == value then return at end\n    at = at + size\n  end\nend\nlocal function addValue(list, value)\n  if findValue(list, value) then return list end\n  if #list + #value + 4 > MAX_VALUES_BYTES then return '*' end\n  local count = list == '' and 0 or struct.unpack('>H', list)\n  return struct.pack('>H', count + 1) .. string.sub(list, 3) .. struct.pack('>H', #value + 1) .. value\nend\nlocal function dropValue(list, value)\n  local found = findValue(list, value)\n  if not found then return list end\n  local count = struct.unpack('>H', list) - 1\n  if count == 0 then return '' end\n  return struct.pack('>H', count) .. string.sub(list, 3, found - 1) .. string.sub(list, found + #value + 2)\nend\nlocal function editLabels(key, labels, edits, rowCount)\n  local names, chunks, places, starts, written = {}, {}, {}, {}, {}\n  local lists, own = {}, {}\n  local values = readFields(key, labels, {})\n  -- Many labels are of the same key, or in the same bucket.\n  local function ask(name)\n    if values[name] == nil then\n      values[name] = false\n      names[#names + 1] = name\n    end\n  end\n  for i, label in ipairs(labels) do\n    lists[i], own[i] = splitLabel(label)\n    if own[i] then ask(lists[i]) end\n    if values[label] then\n      chunks[i] = splitRows(edits[i])\n      for chunk in pairs(chunks[i]) do ask(chunk .. ' ' .. label) end\n    else\n      places[i], starts[i] = placeOf(label)\n      ask(places[i])\n    end\n  end\n  readFields(key, names, values)\n  local function editBitmaps(i, label, count)\n    for chunk, rows in pairs(chunks[i]) do\n      local name = chunk .. ' ' .. label\n      local bitmap, more = editBitmap(values[name] or '', rows)\n      written[name], count = bitmap, count + more\n    end\n    written[label] = count\n  end\n  local function noteValue(i, isHad, isHeld)\n    local name = lists[i]\n    if isHad == isHeld then return end\n    values[name] = (isHeld and addValue or dropValue)(values[name] or '', own[i])\n    written[name] = values[name]\n  end\n  local least = math.max(MIN_ROWS, rowCount / (ENTRY * 8))\n  for i, label in ipairs(labels) do\n    local place, start = places[i], starts[i]\n    local isListed = own[i] and values[lists[i]] ~= '*'\n    if not place then\n      editBitmaps(i, label, tonumber(values[label]))\n      if isListed then noteValue(i, true, written[label] > 0) end\n    else\n      local bucket = values[place] or ''\n      local isHad = isListed and findEntry(bucket, start, 1) ~= nil\n      for row, isIn in pairs(edits[i]) do\n        local entry = start .. packRow(row)\n        bucket = isIn and bucket .. entry or not isIn and takeEntries(bucket, entry)\n      end\n      if isListed then noteValue(i, isHad, findEntry(bucket, start, 1) ~= nil) end\n      if #bucket >= least * ENTRY and countEntries(bucket, start) >= least then\n        local others, held = takeEntries(bucket, start)\n        local rows = {}\n        for _, row in ipairs(held) do rows[row] = true end\n        bucket, chunks[i] = others, splitRows(rows)\n        editBitmaps(i, label, 0)\n      end\n      values[place], written[place] = bucket, bucket\n    end\n  end\n  writeFields(key, written)\nend\nlocal function leave(row, bodies)\n  redis.call('DEL', KEYS[6])\n  redis.call('ZREM', KEYS[4], ARGV[2])\n  redis.call('HDEL', KEYS[10], ARGV[6])\n  for i = 1, #KEYS - bodies do useBody(KEYS[5], KEYS[bodies + i], ARGV[6 + i], -1, ARGV[5]) end\n  if row then\n    local labels, edits = {}, {}\n    for i = 7 + #KEYS - bodies, #ARGV do labels[#labels + 1], edits[#edits + 1] = ARGV[i], {[row] = false} end\n    editLabels(KEYS[9], labels, edits, countRows(KEYS[7]))\n    redis.call('ZREM', KEYS[2], ARGV[6] .. packRow(row))\n    redis.call('RPUSH', KEYS[8], row)\n  end\n  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'u', ARGV[2])\nend\nlocal EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nlocal version, row = readHead(KEYS[1])\nif version ~= ARGV[1] or not row then return 0 end\nif (tonumber(readSession(KEYS[11])[EPOCH]) or 0) > tonumber(ARGV[4]) then return 2 end\nredis.call('DEL', KEYS[1], KEYS[11], KEYS[12])\nleave(row, 12)\nreturn 1" } as const;

/**
 * forget-alias.lua — forget that an agent went on under another uid, since that one is forgotten.
 * KEYS[1]    string  muster:{p}:agent:<uid before>
 * KEYS[2]    string  muster:{p}:session:<uid before>
 * ARGV[1..]  the uids that it may lead to: the one that is forgotten, and those that it had before
 * Returns    1 forgotten · 0 it leads to none of these (any more)
 * Why atomic: whoever reports under that uid again may have become an agent of its own meanwhile.
 */
export const forgetAlias = { name: "muster-forget-alias", lua: "local function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal _, row, to = readHead(KEYS[1])\nif row then return 0 end\nfor _, uid in ipairs(ARGV) do\n  if uid == to then\n    redis.call('DEL', KEYS[1], KEYS[2])\n    return 1\n  end\nend\nreturn 0" } as const;

/**
 * keep-answer.lua — keep what came of a request id, or let go of it.
 * KEYS[1]  string  muster:{ctl}:answer:<method>:<request id>
 * ARGV[1]  the claimant's word · ARGV[2]  the answer, '' for "nothing came of it" · ARGV[3]  seconds that it is kept
 * Returns  1 done · 0 the claim is somebody else's by now
 * Why atomic: a claimant that was too slow must not overwrite the answer of the one after it.
 */
export const keepAnswer = { name: "muster-keep-answer", lua: "if redis.call('GET', KEYS[1]) ~= 'c' .. ARGV[1] then return 0 end\nif ARGV[2] == '' then\n  redis.call('DEL', KEYS[1])\nelse\n  redis.call('SET', KEYS[1], 'a' .. ARGV[2], 'EX', ARGV[3])\nend\nreturn 1" } as const;

/**
 * keep-bodies.lua — keep sealed bodies of a partition until an agent's view uses them, and say which are not there.
 * KEYS[1]  hash  muster:{p}:body-uses
 * KEYS[2..]  string  muster:{p}:body:<address>
 * ARGV[1]  seconds one is kept while nobody uses it
 * ARGV[2..]  address of each
 * Returns  which of them are not there, counted from 1
 * Why atomic: a body about to expire must be kept for the view that is on its way, and one that a view refers to
 *   before it is told must not expire at all. One without an end that nobody uses was just stored: its end is set here.
 */
export const keepBodies = { name: "muster-keep-bodies", lua: "local missing = {}\nfor i = 2, #KEYS do\n  if redis.call('EXISTS', KEYS[i]) == 0 then\n    missing[#missing + 1] = i - 1\n  elseif tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0) > 0 then\n    redis.call('PERSIST', KEYS[i])\n  else\n    redis.call('EXPIRE', KEYS[i], ARGV[1])\n  end\nend\nreturn missing" } as const;

/**
 * load-agents.lua — the records of many agents of a partition, but for those that the caller has as they are.
 * KEYS[1..]  string  muster:{p}:agent:<uid>
 * ARGV[1..]  for each, the stamp of the record that the caller has; '' for none
 * Returns    per agent its record · '' there is none · '=' it is as the caller has it
 * Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
 */
export const loadAgents = { name: "muster-load-agents", lua: "local function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal replies = {}\nfor i, key in ipairs(KEYS) do\n  local _, _, stamp = readHead(key)\n  replies[i] = ARGV[i] ~= '' and stamp == ARGV[i] and '=' or redis.call('GET', key) or ''\nend\nreturn replies" } as const;

/**
 * load-desired.lua — what many agents of a partition should run.
 * KEYS[1..]  string  muster:{p}:desired:<uid>
 * ARGV[1]    (none)
 * Returns    per agent its packed desired config, or '' for no opinion
 * Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
 */
export const loadDesired = { name: "muster-load-desired", lua: "local function readDesired(key)\n  local version, record = string.match(redis.call('GET', key) or '', '^(%d+)\\n(.*)$')\n  return tonumber(version or 0), record or ''\nend\nlocal replies = {}\nfor i, key in ipairs(KEYS) do\n  local _, record = readDesired(key)\n  replies[i] = record\nend\nreturn replies" } as const;

/**
 * load-labels.lua — which rows of a partition have some labels.
 * KEYS[1]  hash    muster:{p}:labels
 * KEYS[2]  string  muster:{p}:rows
 * ARGV[1..]  labels
 * Returns  per label: 'b' and a bitmap, the first bit for row 0 · 'r' and rows, in 3 bytes each
 * Why atomic: a label that moves from entries to bitmaps must be found in one of them.
 */
export const loadLabels = { name: "muster-load-labels", lua: "local function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal ENTRY, MIN_ROWS, BUCKETS, CHUNK, MAX_VALUES_BYTES = 9, 16, 1024, 4096, 4096\nlocal FIELDS = 500\nlocal function packRow(row) return struct.pack('>I3', row) end\nlocal function placeOf(label)\n  local digest = redis.sha1hex(label)\n  local bucket = tonumber(string.sub(digest, 1, 4), 16) % BUCKETS\n  return '#' .. bucket, struct.pack('>I6', tonumber(string.sub(digest, 5, 16), 16))\nend\nlocal function findEntry(bucket, start, from)\n  repeat\n    local found = string.find(bucket, start, from, true)\n    if not found or (found - 1) % ENTRY == 0 then return found end\n    from = found + 1\n  until false\nend\nlocal function takeEntries(bucket, start)\n  local parts, rows, at = {}, {}, 1\n  local found = findEntry(bucket, start, 1)\n  while found do\n    parts[#parts + 1] = string.sub(bucket, at, found - 1)\n    rows[#rows + 1] = struct.unpack('>I3', bucket, found + 6)\n    at = found + ENTRY\n    found = findEntry(bucket, start, at)\n  end\n  return table.concat(parts) .. string.sub(bucket, at), rows\nend\nlocal function countEntries(bucket, start)\n  local count, found = 0, findEntry(bucket, start, 1)\n  while found do\n    count = count + 1\n    found = findEntry(bucket, start, found + ENTRY)\n  end\n  return count\nend\nlocal function splitRows(rows)\n  local chunks = {}\n  for row, isIn in pairs(rows) do\n    local chunk = math.floor(row / CHUNK)\n    chunks[chunk] = chunks[chunk] or {}\n    chunks[chunk][row % CHUNK] = isIn\n  end\n  return chunks\nend\nlocal function editBitmap(bitmap, rows)\n  local bytes, order, more = {}, {}, 0\n  for row, isIn in pairs(rows) do\n    local i, mask = math.floor(row / 8) + 1, bit.rshift(128, row % 8)\n    if not bytes[i] then\n      order[#order + 1] = i\n      bytes[i] = string.byte(bitmap, i) or 0\n    end\n    if (bit.band(bytes[i], mask) ~= 0) ~= isIn then\n      bytes[i] = bit.bxor(bytes[i], mask)\n      more = more + (isIn and 1 or -1)\n    end\n  end\n  table.sort(order)\n  local parts, at = {}, 1\n  bitmap = bitmap .. string.rep('\\0', order[#order] - #bitmap)\n  for _, i in ipairs(order) do\n    parts[#parts + 1] = string.sub(bitmap, at, i - 1)\n    parts[#parts + 1] = string.char(bytes[i])\n    at = i + 1\n  end\n  parts[#parts + 1] = string.sub(bitmap, at)\n  return table.concat(parts), more\nend\nlocal function readFields(key, names, values)\n  for from = 1, #names, FIELDS do\n    local some = redis.call('HMGET', key, unpack(names, from, math.min(from + FIELDS - 1, #names)))\n    for i, value in ipairs(some) do values[names[from + i - 1]] = value end\n  end\n  return values\nend\nlocal function writeFields(key, values)\n  local sets, dels = {}, {}\n  for name, value in pairs(values) do\n    if value == 0 or not string.find(value, '[^%z]') then\n      dels[#dels + 1] = name\n    else\n      sets[#sets + 1] = name\n      sets[#sets + 1] = value\n    end\n  end\n  for from = 1, #sets, FIELDS do redis.call('HSET', key, unpack(sets, from, math.min(from + FIELDS - 1, #sets))) end\n  for from = 1, #dels, FIELDS do redis.call('HDEL', key, unpack(dels, from, math.min(from + FIELDS - 1, #dels))) end\nend\nlocal function splitLabel(label)\n  local digits = string.match(label, '^(%d+):')\n  local stop = #digits + 1 + tonumber(digits)\n  return '=' .. string.sub(label, #digits + 2, stop), #label > stop and string.sub(label, stop + 2) or nil\nend\nlocal function findValue(list, value)\n  if not string.find(list, struct.pack('>H', #value + 1) .. value, 3, true) then return nil end\n  local at = 3\n  while at <= #list do\n    local size = struct.unpack('>H', list, at) + 1\n    if size == #value + 2 and string.sub(list, at + 2, at + size - 1) == value then return at end\n    at = at + size\n  end\nend\nlocal function addValue(list, value)\n  if findValue(list, value) then return list end\n  if #list + #value + 4 > MAX_VALUES_BYTES then return '*' end\n  local count = list == '' and 0 or struct.unpack('>H', list)\n  return struct.pack('>H', count + 1) .. string.sub(list, 3) .. struct.pack('>H', #value + 1) .. value\nend\nlocal function dropValue(list, value)\n  local found = findValue(list, value)\n  if not found then return list end\n  local count = struct.unpack('>H', list) - 1\n  if count == 0 then return '' end\n  return struct.pack('>H', count) .. string.sub(list, 3, found - 1) .. string.sub(list, found + #value + 2)\nend\nlocal function editLabels(key, labels, edits, rowCount)\n  local names, chunks, places, starts, written = {}, {}, {}, {}, {}\n  local lists, own = {}, {}\n  local values = readFields(key, labels, {})\n  -- Many labels are of the same key, or in the same bucket.\n  local function ask(name)\n    if values[name] == nil then\n      values[name] = false\n      names[#names + 1] = name\n    end\n  end\n  for i, label in ipairs(labels) do\n    lists[i], own[i] = splitLabel(label)\n    if own[i] then ask(lists[i]) end\n    if values[label] then\n      chunks[i] = splitRows(edits[i])\n      for chunk in pairs(chunks[i]) do ask(chunk .. ' ' .. label) end\n    else\n      places[i], starts[i] = placeOf(label)\n      ask(places[i])\n    end\n  end\n  readFields(key, names, values)\n  local function editBitmaps(i, label, count)\n    for chunk, rows in pairs(chunks[i]) do\n      local name = chunk .. ' ' .. label\n      local bitmap, more = editBitmap(values[name] or '', rows)\n      written[name], count = bitmap, count + more\n    end\n    written[label] = count\n  end\n  local function noteValue(i, isHad, isHeld)\n    local name = lists[i]\n    if isHad == isHeld then return end\n    values[name] = (isHeld and addValue or dropValue)(values[name] or '', own[i])\n    written[name] = values[name]\n  end\n  local least = math.max(MIN_ROWS, rowCount / (ENTRY * 8))\n  for i, label in ipairs(labels) do\n    local place, start = places[i], starts[i]\n    local isListed = own[i] and values[lists[i]] ~= '*'\n    if not place then\n      editBitmaps(i, label, tonumber(values[label]))\n      if isListed then noteValue(i, true, written[label] > 0) end\n    else\n      local bucket = values[place] or ''\n      local isHad = isListed and findEntry(bucket, start, 1) ~= nil\n      for row, isIn in pairs(edits[i]) do\n        local entry = start .. packRow(row)\n        bucket = isIn and bucket .. entry or not isIn and takeEntries(bucket, entry)\n      end\n      if isListed then noteValue(i, isHad, findEntry(bucket, start, 1) ~= nil) end\n      if #bucket >= least * ENTRY and countEntries(bucket, start) >= least then\n        local others, held = takeEntries(bucket, start)\n        local rows = {}\n        for _, row in ipairs(held) do rows[row] = true end\n        bucket, chunks[i] = others, splitRows(rows)\n        editBitmaps(i, label, 0)\n      end\n      values[place], written[place] = bucket, bucket\n    end\n  end\n  writeFields(key, written)\nend\nlocal replies = {}\nfor i, label in ipairs(ARGV) do\n  if redis.call('HEXISTS', KEYS[1], label) == 1 then\n    local parts = {'b'}\n    for chunk = 0, math.floor((countRows(KEYS[2]) - 1) / CHUNK) do\n      local bitmap = redis.call('HGET', KEYS[1], chunk .. ' ' .. label) or ''\n      parts[#parts + 1] = bitmap .. string.rep('\\0', CHUNK / 8 - #bitmap)\n    end\n    replies[i] = table.concat(parts)\n  else\n    local place, start = placeOf(label)\n    local _, rows = takeEntries(redis.call('HGET', KEYS[1], place) or '', start)\n    for at, row in ipairs(rows) do rows[at] = packRow(row) end\n    replies[i] = 'r' .. table.concat(rows)\n  end\nend\nreturn replies" } as const;

/**
 * load-rows.lua — the uids of some rows of a partition.
 * KEYS[1]  string  muster:{p}:rows
 * ARGV[1..]  rows (integers)
 * Returns  16 bytes of the uid of each, one after another
 * Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
 */
export const loadRows = { name: "muster-load-rows", lua: "local uids = {}\nfor i, row in ipairs(ARGV) do uids[i] = redis.call('GETRANGE', KEYS[1], row * 16, row * 16 + 15) end\nreturn table.concat(uids)" } as const;

/**
 * load-settings.lua — what is offered to many agents beside their configs.
 * KEYS[1..]  hash  muster:{ctl}:settings:<uid>
 * ARGV[1..]  kinds of settings
 * Returns  per agent the sealed settings of each kind, or nil · nil what is kept of it cannot be read
 * Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
 */
export const loadSettings = { name: "muster-load-settings", lua: "local replies = {}\nfor i, key in ipairs(KEYS) do\n  local reply = redis.pcall('HMGET', key, unpack(ARGV))\n  replies[i] = not reply.err and reply\nend\nreturn replies" } as const;

/**
 * move-settings.lua — what is offered to an agent beside its config follows it to its new uid.
 * KEYS[1]  hash  muster:{ctl}:settings:<uid before>
 * KEYS[2]  hash  muster:{ctl}:settings:<uid now>
 * ARGV[1] and all after it: the kinds of settings
 * Returns  how many kinds moved; what the new uid has already stays as it is
 * Why atomic: an offer under neither uid would be lost, and one under both would come back.
 */
export const moveSettings = { name: "muster-move-settings", lua: "local moved = 0\nfor _, kind in ipairs(ARGV) do\n  local settings = redis.call('HGET', KEYS[1], kind)\n  if settings then moved = moved + redis.call('HSETNX', KEYS[2], kind, settings) end\nend\nredis.call('DEL', KEYS[1])\nreturn moved" } as const;

/**
 * open-sessions.lua — a gateway takes agents of a partition over: hands out epochs and tells what each session goes on from.
 * KEYS[1..]  per agent:  string muster:{p}:session:<uid> · string muster:{p}:desired:<uid> · list muster:{p}:actions:<uid>
 * ARGV[1]  seconds a session is remembered after it was last opened
 * then per agent:  gateway id · lowest epoch to hand out (integer), above any that the caller knows of · sequence number that the
 *          message in hand follows · its own, when it is a heartbeat, else '' '' · name of the authenticated identity, '' for
 *          none; the first one owns the uid
 * Returns  per agent  {epoch, epoch before or '', gateway before or '', whether it was open (lib/session.lua), its sequence number or '', checkpoint
 *          or '', packed desired config or '', number of actions that wait, the uid it goes on under or '', the uid it had
 *          before or ''} · {} it is another's, nothing changed · nil what is kept of it cannot be read, nothing changed
 * Why atomic: two gateways that claim at once must get different epochs, and the later one must see the earlier.
 * At least the time in ms, so that epochs go on rising when the fleet state was lost.
 */
export const openSessions = { name: "muster-open-sessions", lua: "local function readDesired(key)\n  local version, record = string.match(redis.call('GET', key) or '', '^(%d+)\\n(.*)$')\n  return tonumber(version or 0), record or ''\nend\nlocal EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8\nlocal LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11\nlocal function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end\nlocal function readSession(key)\n  local packed = redis.call('GET', key)\n  if packed then\n    local session = cmsgpack.unpack(packed)\n    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end\n    return session, true\n  end\n  local session = {}\n  for i = 1, FIELDS do session[i] = '' end\n  return session, false\nend\nlocal time = redis.call('TIME')\nlocal nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)\nlocal function open(key, gateway, minEpoch, follows, seq, identity)\n  local s = readSession(KEYS[key])\n  if s[IDENTITY] ~= '' and s[IDENTITY] ~= identity then return {} end\n  local epoch = string.format('%.0f', math.max(nowMs, tonumber(minEpoch), (tonumber(s[EPOCH]) or 0) + 1))\n  local _, desired = readDesired(KEYS[key + 1])\n  local reply = {epoch, s[EPOCH], s[GATEWAY], s[OPEN], s[SEQ], s[CHECKPOINT], desired,\n    tostring(redis.call('LLEN', KEYS[key + 2])), s[TO], s[FROM]}\n  s[EPOCH], s[GATEWAY], s[IDENTITY] = epoch, gateway, identity\n  -- Whose answer is lost on its way opens once more, and must find that nobody was told yet.\n  s[OPEN] = (s[OPEN] == '1' or s[OPEN] == 'm') and '1' or 'o'\n  -- A heartbeat that follows exactly is counted here, so that a poll that moves again finds the right number.\n  if follows ~= '' and s[SEQ] == follows then s[SEQ] = seq end\n  redis.call('SET', KEYS[key], cmsgpack.pack(s), 'EX', ARGV[1])\n  return reply\nend\nlocal replies = {}\nfor i = 1, #KEYS / 3 do\n  local isRead, reply = pcall(open, 3 * i - 2, unpack(ARGV, 5 * i - 3, 5 * i + 1))\n  replies[i] = isRead and reply\nend\nreturn replies" } as const;

/**
 * publish-revision.lua — store the next revision of a config, unless its content is the latest already.
 * KEYS[1]  hash    muster:{ctl}:config:<id>
 * KEYS[2]  hash    muster:{ctl}:config:<id>:revisions (number → JSON)
 * KEYS[3]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
 * ARGV[1]  content hash · ARGV[2]  revision without its number (JSON) · ARGV[3]  seconds a request is remembered, 0 without a request id
 * ARGV[4]  number that the latest revision must have (integer), or ''
 * Returns  the revision's number · 0 no such config · -1 the latest revision is another
 * Why atomic: numbers must not be given twice, nor skipped.
 */
export const publishRevision = { name: "muster-publish-revision", lua: "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end\nif ARGV[3] ~= '0' then\n  local number = redis.call('GET', KEYS[3])\n  if number then return tonumber(number) end\nend\nlocal latest = redis.call('HMGET', KEYS[1], 'latest', 'latestHash')\nlocal number = tonumber(latest[1])\nif ARGV[4] ~= '' and latest[1] ~= ARGV[4] then return -1 end\nif latest[2] ~= ARGV[1] then\n  number = number + 1\n  redis.call('HSET', KEYS[2], number, ARGV[2])\n  redis.call('HSET', KEYS[1], 'latest', number, 'latestHash', ARGV[1])\nend\nif ARGV[3] ~= '0' then redis.call('SET', KEYS[3], number, 'EX', ARGV[3]) end\nreturn number" } as const;

/**
 * put-document.lua — write or delete a small document, if the one there is the one that was read.
 * KEYS[1]  hash  muster:{ctl}:calendars, muster:{ctl}:groups or muster:{ctl}:policies
 * ARGV[1]  id · ARGV[2]  document (JSON), '' to delete it
 * ARGV[3]  SHA-1 of the JSON that was read (hexadecimal), '' for "there was none", '*' for "whatever there is"
 * ARGV[4]  how many there may be
 * Returns  1 written · 0 another one is there, or none (caller re-reads) · 2 too many · 3 none to delete
 * Why atomic: two editors must not overwrite each other unseen.
 */
export const putDocument = { name: "muster-put-document", lua: "local present = redis.call('HGET', KEYS[1], ARGV[1])\nif ARGV[3] ~= '*' and (present and redis.sha1hex(present) or '') ~= ARGV[3] then return 0 end\nif ARGV[2] == '' then\n  if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then return 1 end\n  return 3\nend\nif not present and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 2 end\nredis.call('HSET', KEYS[1], ARGV[1], ARGV[2])\nreturn 1" } as const;

/**
 * put-metadata.lua — what operators say of some agents, each unless somebody else said something meanwhile.
 * KEYS[1]  hash  muster:{ctl}:metadata (uid → generation, a line end, labels and annotations)
 * ARGV[1]  "1" all of them or none
 * then per agent:  uid · generation that was read (0: none) · what is to be kept, '' for nothing any more
 * Returns  per agent 1 written · 0 the generation moved (caller re-reads)
 * Why atomic: of two operators who label an agent at once, neither may undo what the other was told is done.
 */
export const putMetadata = { name: "muster-put-metadata", lua: "local codes, isWhole = {}, true\nfor arg = 2, #ARGV, 3 do\n  local generation = string.match(redis.call('HGET', KEYS[1], ARGV[arg]) or '', '^(%d+)\\n') or '0'\n  codes[#codes + 1] = generation == ARGV[arg + 1] and 1 or 0\n  isWhole = isWhole and generation == ARGV[arg + 1]\nend\nfor i, code in ipairs(codes) do\n  local arg = 3 * i - 1\n  if ARGV[1] == '1' and not isWhole then\n    codes[i] = 0\n  elseif code == 1 then\n    if ARGV[arg + 2] == '' then redis.call('HDEL', KEYS[1], ARGV[arg]) else redis.call('HSET', KEYS[1], ARGV[arg], ARGV[arg + 2]) end\n  end\nend\nreturn codes" } as const;

/**
 * put-secret.lua — keep the next version of a secret, if the newest is still the one that was read.
 * KEYS[1]  hash    muster:{ctl}:secret:<id> · KEYS[2] zset muster:{ctl}:secrets (ids, by text)
 * KEYS[3]  string  muster:{ctl}:secrets-version
 * ARGV[1]  id · ARGV[2] newest version that was read (integer), 0 for none ever · ARGV[3] head (JSON) · ARGV[4] sealed value
 * ARGV[5]  1 when there must be such a secret, 0 when there must be none
 * Returns  1 kept · 0 the newest version is another, or there is one or none (caller re-reads)
 * Why atomic: two editors must not overwrite each other unseen, and a version must never have two values, not even one of a
 *          secret that was deleted and created again: revisions are pinned to it.
 */
export const putSecret = { name: "muster-put-secret", lua: "if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[2] then return 0 end\nif redis.call('HEXISTS', KEYS[1], 'json') ~= tonumber(ARGV[5]) then return 0 end\nlocal version = tonumber(ARGV[2]) + 1\nredis.call('HSET', KEYS[1], 'version', version, 'json', ARGV[3], 'v' .. version, ARGV[4])\nredis.call('ZADD', KEYS[2], 0, ARGV[1])\nredis.call('INCR', KEYS[3])\nreturn 1" } as const;

/**
 * raise-assignments.lua — count the assignments' changes on from a version that was seen elsewhere.
 * KEYS[1]  string  muster:{ctl}:assignments-version
 * ARGV[1]  version that decisions were seen to rest on (integer)
 * Returns  1 raised · 0 it is no older than that
 * Why atomic: a change that is committed meanwhile must not be counted back.
 */
export const raiseAssignments = { name: "muster-raise-assignments", lua: "if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end\nredis.call('SET', KEYS[1], tonumber(ARGV[1]) + 1)\nreturn 1" } as const;

/**
 * record-audit.lua — write an audit entry, or what became of it, and forget the oldest ones beyond a number.
 * KEYS[1]  hash  muster:{ctl}:audit (id → sealed entry)
 * KEYS[2]  zset  muster:{ctl}:audit-ids (ids, by text and with it by time)
 * ARGV[1]  id · ARGV[2]  sealed entry · ARGV[3]  how many are kept · ARGV[4]  '1' when the entry must be there already
 * Returns  1 written · 0 it is not there any more
 * Why atomic: an entry without its id would never be found, nor forgotten.
 */
export const recordAudit = { name: "muster-record-audit", lua: "if ARGV[4] == '1' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end\nredis.call('HSET', KEYS[1], ARGV[1], ARGV[2])\nredis.call('ZADD', KEYS[2], 0, ARGV[1])\nlocal excess = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[3])\nif excess > 0 then\n  -- A few at a time: the number that is kept may have been lowered.\n  local oldest = redis.call('ZRANGE', KEYS[2], 0, math.min(excess, 100) - 1)\n  redis.call('HDEL', KEYS[1], unpack(oldest))\n  redis.call('ZREM', KEYS[2], unpack(oldest))\nend\nreturn 1" } as const;

/**
 * retire-agent.lua — replace an agent's view, unless it changed, by the uid that the agent goes on under.
 * KEYS[1]    string  muster:{p}:agent:<uid>
 * KEYS[2]    zset    muster:{p}:agents
 * KEYS[3]    stream  muster:{p}:changes
 * KEYS[4]    zset    muster:{p}:unassigned
 * KEYS[5]    hash    muster:{p}:body-uses
 * KEYS[6]    string  muster:{p}:desired:<uid>
 * KEYS[7]    string  muster:{p}:rows · KEYS[8] list muster:{p}:free-rows
 * KEYS[9]    hash    muster:{p}:labels
 * KEYS[10]   hash    muster:{p}:history
 * KEYS[11..]  string  muster:{p}:body:<address>: those it used
 * ARGV[1]    version that was read (0: none) · [2] uid · [3] most entries of the changes stream
 * ARGV[4]    the uid it goes on under · [5] seconds a body that nobody uses is kept · [6] 16 bytes of the uid
 * ARGV[7..]  the address of each body, then the labels that it had
 * Returns    1 retired · 0 the version moved (caller re-reads)
 * Why atomic: what is said of the old uid after its view was taken over must not be lost with the view.
 */
export const retireAgent = { name: "muster-retire-agent", lua: "local function useBody(uses, body, address, count, ttl)\n  local left = redis.call('HINCRBY', uses, address, count)\n  if count > 0 then\n    redis.call('PERSIST', body)\n  elseif left <= 0 then\n    redis.call('HDEL', uses, address)\n    redis.call('EXPIRE', body, ttl)\n  end\nend\nlocal function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal ENTRY, MIN_ROWS, BUCKETS, CHUNK, MAX_VALUES_BYTES = 9, 16, 1024, 4096, 4096\nlocal FIELDS = 500\nlocal function packRow(row) return struct.pack('>I3', row) end\nlocal function placeOf(label)\n  local digest = redis.sha1hex(label)\n  local bucket = tonumber(string.sub(digest, 1, 4), 16) % BUCKETS\n  return '#' .. bucket, struct.pack('>I6', tonumber(string.sub(digest, 5, 16), 16))\nend\nlocal function findEntry(bucket, start, from)\n  repeat\n    local found = string.find(bucket, start, from, true)\n    if not found or (found - 1) % ENTRY == 0 then return found end\n    from = found + 1\n  until false\nend\nlocal function takeEntries(bucket, start)\n  local parts, rows, at = {}, {}, 1\n  local found = findEntry(bucket, start, 1)\n  while found do\n    parts[#parts + 1] = string.sub(bucket, at, found - 1)\n    rows[#rows + 1] = struct.unpack('>I3', bucket, found + 6)\n    at = found + ENTRY\n    found = findEntry(bucket, start, at)\n  end\n  return table.concat(parts) .. string.sub(bucket, at), rows\nend\nlocal function countEntries(bucket, start)\n  local count, found = 0, findEntry(bucket, start, 1)\n  while found do\n    count = count + 1\n    found = findEntry(bucket, start, found + ENTRY)\n  end\n  return count\nend\nlocal function splitRows(rows)\n  local chunks = {}\n  for row, isIn in pairs(rows) do\n    local chunk = math.floor(row / CHUNK)\n    chunks[chunk] = chunks[chunk] or {}\n    chunks[chunk][row % CHUNK] = isIn\n  end\n  return chunks\nend\nlocal function editBitmap(bitmap, rows)\n  local bytes, order, more = {}, {}, 0\n  for row, isIn in pairs(rows) do\n    local i, mask = math.floor(row / 8) + 1, bit.rshift(128, row % 8)\n    if not bytes[i] then\n      order[#order + 1] = i\n      bytes[i] = string.byte(bitmap, i) or 0\n    end\n    if (bit.band(bytes[i], mask) ~= 0) ~= isIn then\n      bytes[i] = bit.bxor(bytes[i], mask)\n      more = more + (isIn and 1 or -1)\n    end\n  end\n  table.sort(order)\n  local parts, at = {}, 1\n  bitmap = bitmap .. string.rep('\\0', order[#order] - #bitmap)\n  for _, i in ipairs(order) do\n    parts[#parts + 1] = string.sub(bitmap, at, i - 1)\n    parts[#parts + 1] = string.char(bytes[i])\n    at = i + 1\n  end\n  parts[#parts + 1] = string.sub(bitmap, at)\n  return table.concat(parts), more\nend\nlocal function readFields(key, names, values)\n  for from = 1, #names, FIELDS do\n    local some = redis.call('HMGET', key, unpack(names, from, math.min(from + FIELDS - 1, #names)))\n    for i, value in ipairs(some) do values[names[from + i - 1]] = value end\n  end\n  return values\nend\nlocal function writeFields(key, values)\n  local sets, dels = {}, {}\n  for name, value in pairs(values) do\n    if value == 0 or not string.find(value, '[^%z]') then\n      dels[#dels + 1] = name\n    else\n      sets[#sets + 1] = name\n      sets[#sets + 1] = value\n    end\n  end\n  for from = 1, #sets, FIELDS do redis.call('HSET', key, unpack(sets, from, math.min(from + FIELDS - 1, #sets))) end\n  for from = 1, #dels, FIELDS do redis.call('HDEL', key, unpack(dels, from, math.min(from + FIELDS - 1, #dels))) end\nend\nlocal function splitLabel(label)\n  local digits = string.match(label, '^(%d+):')\n  local stop = #digits + 1 + tonumber(digits)\n  return '=' .. string.sub(label, #digits + 2, stop), #label > stop and string.sub(label, stop + 2) or nil\nend\nlocal function findValue(list, value)\n  if not string.find(list, struct.pack('>H', #value + 1) .. value, 3, true) then return nil end\n  local at = 3\n  while at <= #list do\n    local size = struct.unpack('>H', list, at) + 1\n    if size == #value + 2 and string.sub(list, at + 2, at + size - 1) == value then return at end\n    at = at + size\n  end\nend\nlocal function addValue(list, value)\n  if findValue(list, value) then return list end\n  if #list + #value + 4 > MAX_VALUES_BYTES then return '*' end\n  local count = list == '' and 0 or struct.unpack('>H', list)\n  return struct.pack('>H', count + 1) .. string.sub(list, 3) .. struct.pack('>H', #value + 1) .. value\nend\nlocal function dropValue(list, value)\n  local found = findValue(list, value)\n  if not found then return list end\n  local count = struct.unpack('>H', list) - 1\n  if count == 0 then return '' end\n  return struct.pack('>H', count) .. string.sub(list, 3, found - 1) .. string.sub(list, found + #value + 2)\nend\nlocal function editLabels(key, labels, edits, rowCount)\n  local names, chunks, places, starts, written = {}, {}, {}, {}, {}\n  local lists, own = {}, {}\n  local values = readFields(key, labels, {})\n  -- Many labels are of the same key, or in the same bucket.\n  local function ask(name)\n    if values[name] == nil then\n      values[name] = false\n      names[#names + 1] = name\n    end\n  end\n  for i, label in ipairs(labels) do\n    lists[i], own[i] = splitLabel(label)\n    if own[i] then ask(lists[i]) end\n    if values[label] then\n      chunks[i] = splitRows(edits[i])\n      for chunk in pairs(chunks[i]) do ask(chunk .. ' ' .. label) end\n    else\n      places[i], starts[i] = placeOf(label)\n      ask(places[i])\n    end\n  end\n  readFields(key, names, values)\n  local function editBitmaps(i, label, count)\n    for chunk, rows in pairs(chunks[i]) do\n      local name = chunk .. ' ' .. label\n      local bitmap, more = editBitmap(values[name] or '', rows)\n      written[name], count = bitmap, count + more\n    end\n    written[label] = count\n  end\n  local function noteValue(i, isHad, isHeld)\n    local name = lists[i]\n    if isHad == isHeld then return end\n    values[name] = (isHeld and addValue or dropValue)(values[name] or '', own[i])\n    written[name] = values[name]\n  end\n  local least = math.max(MIN_ROWS, rowCount / (ENTRY * 8))\n  for i, label in ipairs(labels) do\n    local place, start = places[i], starts[i]\n    local isListed = own[i] and values[lists[i]] ~= '*'\n    if not place then\n      editBitmaps(i, label, tonumber(values[label]))\n      if isListed then noteValue(i, true, written[label] > 0) end\n    else\n      local bucket = values[place] or ''\n      local isHad = isListed and findEntry(bucket, start, 1) ~= nil\n      for row, isIn in pairs(edits[i]) do\n        local entry = start .. packRow(row)\n        bucket = isIn and bucket .. entry or not isIn and takeEntries(bucket, entry)\n      end\n      if isListed then noteValue(i, isHad, findEntry(bucket, start, 1) ~= nil) end\n      if #bucket >= least * ENTRY and countEntries(bucket, start) >= least then\n        local others, held = takeEntries(bucket, start)\n        local rows = {}\n        for _, row in ipairs(held) do rows[row] = true end\n        bucket, chunks[i] = others, splitRows(rows)\n        editBitmaps(i, label, 0)\n      end\n      values[place], written[place] = bucket, bucket\n    end\n  end\n  writeFields(key, written)\nend\nlocal function leave(row, bodies)\n  redis.call('DEL', KEYS[6])\n  redis.call('ZREM', KEYS[4], ARGV[2])\n  redis.call('HDEL', KEYS[10], ARGV[6])\n  for i = 1, #KEYS - bodies do useBody(KEYS[5], KEYS[bodies + i], ARGV[6 + i], -1, ARGV[5]) end\n  if row then\n    local labels, edits = {}, {}\n    for i = 7 + #KEYS - bodies, #ARGV do labels[#labels + 1], edits[#edits + 1] = ARGV[i], {[row] = false} end\n    editLabels(KEYS[9], labels, edits, countRows(KEYS[7]))\n    redis.call('ZREM', KEYS[2], ARGV[6] .. packRow(row))\n    redis.call('RPUSH', KEYS[8], row)\n  end\n  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'u', ARGV[2])\nend\nlocal version, row = readHead(KEYS[1])\nif version ~= ARGV[1] then return 0 end\nredis.call('SET', KEYS[1], string.format('%d > %s\\n', tonumber(version) + 1, ARGV[4]))\nleave(row, 10)\nreturn 1" } as const;

/**
 * save-agents.lua — replace the views of agents of a partition, each unless its record moved, with the indexes that change.
 * KEYS[1]  zset    muster:{p}:agents (16 bytes of each uid and 3 of its row, by uid)
 * KEYS[2]  stream  muster:{p}:changes
 * KEYS[3]  zset    muster:{p}:unassigned (uid by version: desired config to be decided again)
 * KEYS[4]  hash    muster:{p}:body-uses (how many agents use a body)
 * KEYS[5]  string  muster:{p}:rows (16 bytes of the uid of each row) · KEYS[6] list muster:{p}:free-rows
 * KEYS[7]  hash    muster:{p}:labels (which rows have which label)
 * KEYS[8]  hash    muster:{p}:history (16 bytes of each uid → what happened to it)
 * then per agent:  string muster:{p}:agent:<uid> · string muster:{p}:body:<address>: those now used, those no longer used
 * ARGV[1]  most entries of the changes stream · ARGV[2] seconds a body that nobody uses is kept
 * ARGV[3]  how many labels follow · then the labels that any of the agents joins or leaves, each once
 * then per agent:  uid · version that was read (0: none) · stamp that was read ('': none) · 16 bytes of the uid · "1" to decide
 *                  again · view, packed · places of the labels that it joins, from 1, each in 2 bytes · that it leaves · how many
 *                  bodies are now used · no longer used · what happened, packed, '' for nothing · the address of each
 * Returns  per agent the stamp of what was saved · '' the record moved (caller re-reads)
 * Why atomic: an index that disagrees with its record would hide agents from rollouts.
 * The stamp is the id of the record's entry among the changes. Versions count from 1 again after a loss; stamps do not.
 */
export const saveAgents = { name: "muster-save-agents", lua: "local function useBody(uses, body, address, count, ttl)\n  local left = redis.call('HINCRBY', uses, address, count)\n  if count > 0 then\n    redis.call('PERSIST', body)\n  elseif left <= 0 then\n    redis.call('HDEL', uses, address)\n    redis.call('EXPIRE', body, ttl)\n  end\nend\nlocal function readHead(key)\n  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\\n')\n  return version or '0', tonumber(row), stamp or ''\nend\nlocal function isAlias(key)\n  local _, row, to = readHead(key)\n  return not row and to ~= ''\nend\nlocal function countRows(rows)\n  return redis.call('STRLEN', rows) / 16\nend\nlocal ENTRY, MIN_ROWS, BUCKETS, CHUNK, MAX_VALUES_BYTES = 9, 16, 1024, 4096, 4096\nlocal FIELDS = 500\nlocal function packRow(row) return struct.pack('>I3', row) end\nlocal function placeOf(label)\n  local digest = redis.sha1hex(label)\n  local bucket = tonumber(string.sub(digest, 1, 4), 16) % BUCKETS\n  return '#' .. bucket, struct.pack('>I6', tonumber(string.sub(digest, 5, 16), 16))\nend\nlocal function findEntry(bucket, start, from)\n  repeat\n    local found = string.find(bucket, start, from, true)\n    if not found or (found - 1) % ENTRY == 0 then return found end\n    from = found + 1\n  until false\nend\nlocal function takeEntries(bucket, start)\n  local parts, rows, at = {}, {}, 1\n  local found = findEntry(bucket, start, 1)\n  while found do\n    parts[#parts + 1] = string.sub(bucket, at, found - 1)\n    rows[#rows + 1] = struct.unpack('>I3', bucket, found + 6)\n    at = found + ENTRY\n    found = findEntry(bucket, start, at)\n  end\n  return table.concat(parts) .. string.sub(bucket, at), rows\nend\nlocal function countEntries(bucket, start)\n  local count, found = 0, findEntry(bucket, start, 1)\n  while found do\n    count = count + 1\n    found = findEntry(bucket, start, found + ENTRY)\n  end\n  return count\nend\nlocal function splitRows(rows)\n  local chunks = {}\n  for row, isIn in pairs(rows) do\n    local chunk = math.floor(row / CHUNK)\n    chunks[chunk] = chunks[chunk] or {}\n    chunks[chunk][row % CHUNK] = isIn\n  end\n  return chunks\nend\nlocal function editBitmap(bitmap, rows)\n  local bytes, order, more = {}, {}, 0\n  for row, isIn in pairs(rows) do\n    local i, mask = math.floor(row / 8) + 1, bit.rshift(128, row % 8)\n    if not bytes[i] then\n      order[#order + 1] = i\n      bytes[i] = string.byte(bitmap, i) or 0\n    end\n    if (bit.band(bytes[i], mask) ~= 0) ~= isIn then\n      bytes[i] = bit.bxor(bytes[i], mask)\n      more = more + (isIn and 1 or -1)\n    end\n  end\n  table.sort(order)\n  local parts, at = {}, 1\n  bitmap = bitmap .. string.rep('\\0', order[#order] - #bitmap)\n  for _, i in ipairs(order) do\n    parts[#parts + 1] = string.sub(bitmap, at, i - 1)\n    parts[#parts + 1] = string.char(bytes[i])\n    at = i + 1\n  end\n  parts[#parts + 1] = string.sub(bitmap, at)\n  return table.concat(parts), more\nend\nlocal function readFields(key, names, values)\n  for from = 1, #names, FIELDS do\n    local some = redis.call('HMGET', key, unpack(names, from, math.min(from + FIELDS - 1, #names)))\n    for i, value in ipairs(some) do values[names[from + i - 1]] = value end\n  end\n  return values\nend\nlocal function writeFields(key, values)\n  local sets, dels = {}, {}\n  for name, value in pairs(values) do\n    if value == 0 or not string.find(value, '[^%z]') then\n      dels[#dels + 1] = name\n    else\n      sets[#sets + 1] = name\n      sets[#sets + 1] = value\n    end\n  end\n  for from = 1, #sets, FIELDS do redis.call('HSET', key, unpack(sets, from, math.min(from + FIELDS - 1, #sets))) end\n  for from = 1, #dels, FIELDS do redis.call('HDEL', key, unpack(dels, from, math.min(from + FIELDS - 1, #dels))) end\nend\nlocal function splitLabel(label)\n  local digits = string.match(label, '^(%d+):')\n  local stop = #digits + 1 + tonumber(digits)\n  return '=' .. string.sub(label, #digits + 2, stop), #label > stop and string.sub(label, stop + 2) or nil\nend\nlocal function findValue(list, value)\n  if not string.find(list, struct.pack('>H', #value + 1) .. value, 3, true) then return nil end\n  local at = 3\n  while at <= #list do\n    local size = struct.unpack('>H', list, at) + 1\n    if size == #value + 2 and string.sub(list, at + 2, at + size - 1) == value then return at end\n    at = at + size\n  end\nend\nlocal function addValue(list, value)\n  if findValue(list, value) then return list end\n  if #list + #value + 4 > MAX_VALUES_BYTES then return '*' end\n  local count = list == '' and 0 or struct.unpack('>H', list)\n  return struct.pack('>H', count + 1) .. string.sub(list, 3) .. struct.pack('>H', #value + 1) .. value\nend\nlocal function dropValue(list, value)\n  local found = findValue(list, value)\n  if not found then return list end\n  local count = struct.unpack('>H', list) - 1\n  if count == 0 then return '' end\n  return struct.pack('>H', count) .. string.sub(list, 3, found - 1) .. string.sub(list, found + #value + 2)\nend\nlocal function editLabels(key, labels, edits, rowCount)\n  local names, chunks, places, starts, written = {}, {}, {}, {}, {}\n  local lists, own = {}, {}\n  local values = readFields(key, labels, {})\n  -- Many labels are of the same key, or in the same bucket.\n  local function ask(name)\n    if values[name] == nil then\n      values[name] = false\n      names[#names + 1] = name\n    end\n  end\n  for i, label in ipairs(labels) do\n    lists[i], own[i] = splitLabel(label)\n    if own[i] then ask(lists[i]) end\n    if values[label] then\n      chunks[i] = splitRows(edits[i])\n      for chunk in pairs(chunks[i]) do ask(chunk .. ' ' .. label) end\n    else\n      places[i], starts[i] = placeOf(label)\n      ask(places[i])\n    end\n  end\n  readFields(key, names, values)\n  local function editBitmaps(i, label, count)\n    for chunk, rows in pairs(chunks[i]) do\n      local name = chunk .. ' ' .. label\n      local bitmap, more = editBitmap(values[name] or '', rows)\n      written[name], count = bitmap, count + more\n    end\n    written[label] = count\n  end\n  local function noteValue(i, isHad, isHeld)\n    local name = lists[i]\n    if isHad == isHeld then return end\n    values[name] = (isHeld and addValue or dropValue)(values[name] or '', own[i])\n    written[name] = values[name]\n  end\n  local least = math.max(MIN_ROWS, rowCount / (ENTRY * 8))\n  for i, label in ipairs(labels) do\n    local place, start = places[i], starts[i]\n    local isListed = own[i] and values[lists[i]] ~= '*'\n    if not place then\n      editBitmaps(i, label, tonumber(values[label]))\n      if isListed then noteValue(i, true, written[label] > 0) end\n    else\n      local bucket = values[place] or ''\n      local isHad = isListed and findEntry(bucket, start, 1) ~= nil\n      for row, isIn in pairs(edits[i]) do\n        local entry = start .. packRow(row)\n        bucket = isIn and bucket .. entry or not isIn and takeEntries(bucket, entry)\n      end\n      if isListed then noteValue(i, isHad, findEntry(bucket, start, 1) ~= nil) end\n      if #bucket >= least * ENTRY and countEntries(bucket, start) >= least then\n        local others, held = takeEntries(bucket, start)\n        local rows = {}\n        for _, row in ipairs(held) do rows[row] = true end\n        bucket, chunks[i] = others, splitRows(rows)\n        editBitmaps(i, label, 0)\n      end\n      values[place], written[place] = bucket, bucket\n    end\n  end\n  writeFields(key, written)\nend\nlocal HISTORY_HEAD, HISTORY_ENTRIES, HISTORY_BYTES, NEARBY, NEAR_S = 13, 32, 1024, 4, 3600\nlocal function afterEntry(packed, at)\n  return at + HISTORY_HEAD + struct.unpack('>H', packed, at + 11)\nend\nlocal function joinHistory(kept, starts, new)\n  local detail = string.sub(new, HISTORY_HEAD + 1)\n  for i = #starts, math.max(1, #starts - NEARBY + 1), -1 do\n    local start, stop = starts[i], starts[i + 1] or #kept + 1\n    if string.byte(kept, start) == string.byte(new) and string.sub(kept, start + HISTORY_HEAD, stop - 1) == detail then\n      local count, first, last = struct.unpack('>HII', kept, start + 1)\n      local more, since = struct.unpack('>HI', new, 2)\n      if since - last > NEAR_S then break end\n      local total = struct.pack('>HI', math.min(65535, count + more), math.min(first, since))\n      table.remove(starts)\n      return string.sub(new, 1, 1) .. total .. string.sub(new, 8), string.sub(kept, 1, start - 1) .. string.sub(kept, stop)\n    end\n  end\n  return new, kept\nend\nlocal function addEntry(kept, new)\n  local starts, at = {}, 1\n  while at <= #kept do\n    starts[#starts + 1] = at\n    at = afterEntry(kept, at)\n  end\n  new, kept = joinHistory(kept, starts, new)\n  kept, at = kept .. new, 1\n  local count = #starts + 1\n  while count > HISTORY_ENTRIES or #kept - at >= HISTORY_BYTES do\n    at, count = afterEntry(kept, at), count - 1\n  end\n  return at == 1 and kept or string.sub(kept, at)\nend\nlocal function addHistory(key, uid, packed)\n  local kept, at = redis.call('HGET', key, uid) or '', 1\n  while at <= #packed do\n    local stop = afterEntry(packed, at)\n    kept = addEntry(kept, string.sub(packed, at, stop - 1))\n    at = stop\n  end\n  redis.call('HSET', key, uid, kept)\nend\nlocal function takeRow(bytes)\n  local row = tonumber(redis.call('LPOP', KEYS[6]) or countRows(KEYS[5]))\n  redis.call('SETRANGE', KEYS[5], row * 16, bytes)\n  redis.call('ZADD', KEYS[1], 0, bytes .. packRow(row))\n  return row\nend\nlocal labels, edits = {}, {}\nfor place = 1, tonumber(ARGV[3]) do labels[place], edits[place] = ARGV[3 + place], {} end\nlocal function edit(places, row, isIn)\n  for at = 1, #places, 2 do\n    local high, low = string.byte(places, at, at + 1)\n    edits[high * 256 + low][row] = isIn\n  end\nend\nlocal key, arg, stamps = 9, 4 + tonumber(ARGV[3]), {}\nwhile key <= #KEYS do\n  local used, unused = tonumber(ARGV[arg + 8]), tonumber(ARGV[arg + 9])\n  local version, row, stamp = readHead(KEYS[key])\n  if version ~= ARGV[arg + 1] or stamp ~= ARGV[arg + 2] then\n    stamps[#stamps + 1] = ''\n  else\n    version, row = tonumber(version) + 1, row or takeRow(ARGV[arg + 3])\n    stamp = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'u', ARGV[arg])\n    redis.call('SET', KEYS[key], string.format('%d %d %s\\n', version, row, stamp) .. ARGV[arg + 5])\n    if ARGV[arg + 4] == '1' then redis.call('ZADD', KEYS[3], version, ARGV[arg]) end\n    for i = 1, used + unused do\n      useBody(KEYS[4], KEYS[key + i], ARGV[arg + 10 + i], i <= used and 1 or -1, ARGV[2])\n    end\n    if ARGV[arg + 10] ~= '' then addHistory(KEYS[8], ARGV[arg + 3], ARGV[arg + 10]) end\n    edit(ARGV[arg + 7], row, false)\n    edit(ARGV[arg + 6], row, true)\n    stamps[#stamps + 1] = stamp\n  end\n  key, arg = key + 1 + used + unused, arg + 11 + used + unused\nend\neditLabels(KEYS[7], labels, edits, countRows(KEYS[5]))\nreturn stamps" } as const;

/**
 * set-assigned-version.lua — note that all of a partition was decided on these assignments, or on newer ones.
 * KEYS[1]  string  muster:{p}:assigned-version
 * ARGV[1]  version of the assignments (integer)
 * Returns  1 noted · 0 newer ones were noted already
 * Why atomic: a slow worker must not lower the fence that a faster one raised.
 */
export const setAssignedVersion = { name: "muster-set-assigned-version", lua: "if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return 0 end\nredis.call('SET', KEYS[1], ARGV[1])\nreturn 1" } as const;

/**
 * settle-unassigned.lua — strike agents from the list of those to be decided again, unless they changed meanwhile.
 * KEYS[1]  zset  muster:{p}:unassigned
 * ARGV[1..]  per agent: uid · version of the view that the decision rests on (integer)
 * Returns  how many were struck; those that changed since, or were not on the list, were not
 * Why atomic: a change between reading and striking must not be forgotten.
 */
export const settleUnassigned = { name: "muster-settle-unassigned", lua: "local struck = 0\nfor i = 1, #ARGV, 2 do\n  local version = redis.call('ZSCORE', KEYS[1], ARGV[i])\n  if version and tonumber(version) <= tonumber(ARGV[i + 1]) then struck = struck + redis.call('ZREM', KEYS[1], ARGV[i]) end\nend\nreturn struck" } as const;

/**
 * start-rollout.lua — record a rollout; where none has its config, it has it from now on.
 * KEYS[1]  hash    muster:{ctl}:config:<id>:status (active rollout, stable revision)
 * KEYS[2]  hash    muster:{ctl}:rollout:<id>:spec
 * KEYS[3]  hash    muster:{ctl}:rollout:<id>:status
 * KEYS[4]  zset    muster:{ctl}:rollouts · KEYS[5] zset muster:{ctl}:config:<id>:rollouts (ids, by text)
 * KEYS[6]  set     muster:{ctl}:rollouts-active
 * KEYS[7]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
 * KEYS[8]  hash    muster:{ctl}:config:<id>
 * ARGV[1]  rollout id · ARGV[2]  spec (JSON) · ARGV[3]  first status (JSON) · ARGV[4]  seconds a request is remembered, 0 without a request id
 * ARGV[5]  "1" when it may wait for another rollout of the config · ARGV[6] "1" when the config must be there
 * Returns  {1, rollout id} started · {2, id} this request started that one before · {0, id} that one is at work
 *          {3, ''} there is no such config (any more)
 * Why atomic: two rollouts at work on one config would make blame impossible.
 */
export const startRollout = { name: "muster-start-rollout", lua: "if ARGV[4] ~= '0' then\n  local before = redis.call('GET', KEYS[7])\n  if before then return {2, before} end\nend\nif ARGV[6] == '1' and redis.call('EXISTS', KEYS[8]) == 0 then return {3, ''} end\nlocal active = redis.call('HGET', KEYS[1], 'active')\nif active and ARGV[5] ~= '1' then return {0, active} end\nif not active then redis.call('HSET', KEYS[1], 'active', ARGV[1]) end\nredis.call('HSET', KEYS[2], 'generation', 1, 'json', ARGV[2])\nredis.call('HSET', KEYS[3], 'version', 1, 'json', ARGV[3])\nredis.call('ZADD', KEYS[4], 0, ARGV[1])\nredis.call('ZADD', KEYS[5], 0, ARGV[1])\nredis.call('SADD', KEYS[6], ARGV[1])\nif ARGV[4] ~= '0' then redis.call('SET', KEYS[7], ARGV[1], 'EX', ARGV[4]) end\nreturn {1, ARGV[1]}" } as const;

/**
 * update-config.lua — replace a config's changeable part if its generation is still the one that was read.
 * KEYS[1]  hash    muster:{ctl}:config:<id>
 * KEYS[2]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
 * ARGV[1]  generation that was read (integer) · ARGV[2]  config (JSON)
 * ARGV[3]  seconds a request is remembered, 0 without a request id
 * Returns  1 replaced · 0 the generation moved · 2 this request replaced it before
 * Why atomic: two editors must not overwrite each other unseen.
 */
export const updateConfig = { name: "muster-update-config", lua: "if ARGV[3] ~= '0' and redis.call('EXISTS', KEYS[2]) == 1 then return 2 end\nif redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end\nredis.call('HSET', KEYS[1], 'json', ARGV[2], 'generation', tonumber(ARGV[1]) + 1)\nif ARGV[3] ~= '0' then redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3]) end\nreturn 1" } as const;

/**
 * wish-rollout.lua — replace a rollout's spec if its generation is still the one that was read.
 * KEYS[1]  hash  muster:{ctl}:rollout:<id>:spec
 * KEYS[2]  hash  muster:{ctl}:config:<id>:status
 * KEYS[3]  set   muster:{ctl}:rollouts-active
 * ARGV[1]  generation that was read (integer) · ARGV[2]  spec (JSON) with the next generation · ARGV[3] rollout id
 * ARGV[4]  "1" when an ended rollout is to be looked at again, for which it needs its config
 * Returns  1 replaced · 0 the generation moved (caller re-reads) · 2 another rollout has the config
 * Why atomic: of two operators who act at once, the second must see what the first did.
 */
export const wishRollout = { name: "muster-wish-rollout", lua: "if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end\nif ARGV[4] == '1' then\n  local active = redis.call('HGET', KEYS[2], 'active')\n  if active and active ~= ARGV[3] then return 2 end\n  redis.call('HSET', KEYS[2], 'active', ARGV[3])\n  redis.call('SADD', KEYS[3], ARGV[3])\nend\nredis.call('HSET', KEYS[1], 'generation', tonumber(ARGV[1]) + 1, 'json', ARGV[2])\nreturn 1" } as const;
