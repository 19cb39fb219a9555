-- move-settings.lua — what is offered to an agent beside its config follows it to its new uid.
--
-- KEYS[1]  hash  muster:{ctl}:settings:<uid before>
-- KEYS[2]  hash  muster:{ctl}:settings:<uid now>
-- ARGV[1] and all after it: the kinds of settings
-- Returns  how many kinds moved; what the new uid has already stays as it is
-- Why atomic: an offer under neither uid would be lost, and one under both would come back.
local moved = 0
for _, kind in ipairs(ARGV) do
  local settings = redis.call('HGET', KEYS[1], kind)
  if settings then moved = moved + redis.call('HSETNX', KEYS[2], kind, settings) end
end
redis.call('DEL', KEYS[1])
return moved
