-- assign-desired.lua — write what one agent should run, unless another decision was written since the caller read.
--
-- KEYS[1]  hash    muster:{p}:desired:<uid>
-- KEYS[2]  hash    muster:{p}:session:<uid>
-- KEYS[3]  stream  muster:{p}:changes
-- ARGV[1]  version of the assignments that the decision rests on (integer)
-- ARGV[2]  desired config (JSON), or '' for no opinion · ARGV[3] uid · ARGV[4] most entries of the changes stream
-- ARGV[5]  desired config that the caller read (JSON), '' for none, '*' when it does not matter
-- Returns  {0} a decision on newer assignments stands · {2} another was written since it was read (caller decides again)
--          {1, id of the gateway that holds the agent or ''} written
-- Why atomic: a worker that was presumed dead must not take an agent back to an older decision.
local stored = redis.call('HMGET', KEYS[1], 'version', 'json')
if tonumber(stored[1] or 0) > tonumber(ARGV[1]) then return {0} end
if ARGV[5] ~= '*' and (stored[2] or '') ~= ARGV[5] then return {2} end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'json', ARGV[2])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'u', ARGV[3])
local session = redis.call('HMGET', KEYS[2], 'open', 'gateway')
if session[1] == '1' then return {1, session[2]} end
return {1, ''}
