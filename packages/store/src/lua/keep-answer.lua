-- keep-answer.lua — keep what came of a request id, or let go of it.
--
-- KEYS[1]  string  muster:{ctl}:answer:<method>:<request id>
-- ARGV[1]  the claimant's word · ARGV[2]  the answer, '' for "nothing came of it" · ARGV[3]  seconds that it is kept
-- Returns  1 done · 0 the claim is somebody else's by now
-- Why atomic: a claimant that was too slow must not overwrite the answer of the one after it.
if redis.call('GET', KEYS[1]) ~= 'c' .. ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], 'a' .. ARGV[2], 'EX', ARGV[3])
end
return 1
