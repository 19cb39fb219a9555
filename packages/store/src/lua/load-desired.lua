-- load-desired.lua — what many agents of a partition should run.
--
-- KEYS[1..]  string  muster:{p}:desired:<uid>
-- ARGV[1]    (none)
-- Returns    per agent its packed desired config, or '' for no opinion
-- Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
--include desired.lua
local replies = {}
for i, key in ipairs(KEYS) do
  local _, record = readDesired(key)
  replies[i] = record
end
return replies
