-- publish-revision.lua — store the next revision of a config, unless its content is the latest already.
--
-- KEYS[1]  hash    muster:{ctl}:config:<id>
-- KEYS[2]  hash    muster:{ctl}:config:<id>:revisions (number → JSON)
-- KEYS[3]  string  muster:{ctl}:request:<id> (KEYS[1] without a request id)
-- ARGV[1]  content hash · ARGV[2]  revision without its number (JSON) · ARGV[3]  seconds a request is remembered, 0 without a request id
-- ARGV[4]  number that the latest revision must have (integer), or ''
-- Returns  the revision's number · 0 no such config · -1 the latest revision is another
-- Why atomic: numbers must not be given twice, nor skipped.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[3] ~= '0' then
  local number = redis.call('GET', KEYS[3])
  if number then return tonumber(number) end
end
local latest = redis.call('HMGET', KEYS[1], 'latest', 'latestHash')
local number = tonumber(latest[1])
if ARGV[4] ~= '' and latest[1] ~= ARGV[4] then return -1 end
if latest[2] ~= ARGV[1] then
  number = number + 1
  redis.call('HSET', KEYS[2], number, ARGV[2])
  redis.call('HSET', KEYS[1], 'latest', number, 'latestHash', ARGV[1])
end
if ARGV[3] ~= '0' then redis.call('SET', KEYS[3], number, 'EX', ARGV[3]) end
return number
