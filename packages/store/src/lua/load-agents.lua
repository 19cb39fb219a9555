-- load-agents.lua — the records of many agents of a partition, but for those that the caller has as they are.
--
-- KEYS[1..]  hash  muster:{p}:agent:<uid>
-- ARGV[1..]  for each, the stamp of the record that the caller has; '' for none
-- Returns    a list per agent: empty when there is none · {stamp} it is as the caller has it · else its fields and values
-- Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
local replies = {}
for i, key in ipairs(KEYS) do
  local stamp = ARGV[i] ~= '' and redis.call('HGET', key, 'stamp')
  replies[i] = stamp == ARGV[i] and {stamp} or redis.call('HGETALL', key)
end
return replies
