-- load-settings.lua — what is offered to many agents beside their configs.
--
-- KEYS[1..]  hash  muster:{ctl}:settings:<uid>
-- ARGV[1..]  kinds of settings
-- Returns  per agent the sealed settings of each kind, or nil · nil what is kept of it cannot be read
-- Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
local replies = {}
for i, key in ipairs(KEYS) do
  local reply = redis.pcall('HMGET', key, unpack(ARGV))
  replies[i] = not reply.err and reply
end
return replies
