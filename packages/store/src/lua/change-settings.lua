-- change-settings.lua — offer an agent other settings of a kind, or none, if what is offered is still what was read.
--
-- KEYS[1]  hash  muster:{ctl}:settings:<uid>
-- ARGV[1]  kind · ARGV[2] sealed settings that were read, '' for none · ARGV[3] sealed settings, '' for none any more
-- Returns  1 changed · 0 something else is offered by now (caller re-reads)
-- Why atomic: two who offer at once must not overwrite each other unseen.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
