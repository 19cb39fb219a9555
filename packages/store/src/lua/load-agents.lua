-- load-agents.lua — the records of many agents of a partition, but for those that the caller has as they are.
--
-- KEYS[1..]  string  muster:{p}:agent:<uid>
-- ARGV[1..]  for each, the stamp of the record that the caller has; '' for none
-- Returns    per agent its record · '' there is none · '=' it is as the caller has it
-- Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
--include record.lua
local replies = {}
for i, key in ipairs(KEYS) do
  local _, _, stamp = readHead(key)
  replies[i] = ARGV[i] ~= '' and stamp == ARGV[i] and '=' or redis.call('GET', key) or ''
end
return replies
