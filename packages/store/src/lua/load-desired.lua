-- load-desired.lua — what many agents of a partition should run.
--
-- KEYS[1..]  hash  muster:{p}:desired:<uid>
-- ARGV[1]    (none)
-- Returns    per agent its desired config (JSON), or '' for no opinion
-- Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
local replies = {}
for i, key in ipairs(KEYS) do replies[i] = redis.call('HGET', key, 'json') or '' end
return replies
