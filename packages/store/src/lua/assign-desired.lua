-- assign-desired.lua — write what agents of a partition should run, unless another decision was written since the caller read.
--
-- KEYS[1]  stream  muster:{p}:changes · KEYS[2] string muster:{p}:assigned-version
-- KEYS[3..]  per agent: string muster:{p}:desired:<uid>, string muster:{p}:session:<uid>, string muster:{p}:agent:<uid>
-- ARGV[1]  version of the assignments that the decisions rest on (integer) · ARGV[2] most entries of the changes stream
-- ARGV[3]  how many records follow · ARGV[4..] packed desired configs, '' for no opinion: most agents share theirs
-- then     per agent: uid · which record it should have · which record the caller read, 0 when that does not matter
-- Returns  per agent: '0' a decision on newer assignments stands · '2' another was written since it was read, or the agent
--          went on under another uid (caller decides again) · '1' written · '1' followed by the id of the gateway that holds the agent
-- Why atomic: a worker that was presumed dead must not take an agent back to an older decision.
-- What all of the partition was decided on is a fence: once it is passed, nothing older is written any more.
--include desired.lua
--include session.lua
--include record.lua
local version, records, replies = tonumber(ARGV[1]), tonumber(ARGV[3]), {}
local isStale = tonumber(redis.call('GET', KEYS[2]) or 0) > version
for i = 1, (#KEYS - 2) / 3 do
  local desired, at = KEYS[3 * i], 1 + records + 3 * i
  local storedVersion, stored = readDesired(desired)
  local read = tonumber(ARGV[at + 2])
  if isStale or storedVersion > version then
    replies[i] = '0'
  elseif read > 0 and stored ~= ARGV[3 + read] or isAlias(KEYS[3 * i + 2]) then
    replies[i] = '2'
  else
    redis.call('SET', desired, ARGV[1] .. '\n' .. ARGV[3 + tonumber(ARGV[at + 1])])
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'u', ARGV[at])
    local session = readSession(KEYS[3 * i + 1])
    replies[i] = '1' .. (isHeld(session) and session[GATEWAY] or '')
  end
end
return replies
