-- claim-answer.lua — claim a request id, or find what came of it; with the same word, hold the claim for longer.
--
-- KEYS[1]  string  muster:{ctl}:answer:<method>:<request id>
-- ARGV[1]  a word of the claimant's own · ARGV[2]  milliseconds that the claim holds
-- Returns  '' claimed · 'c' somebody else works on it · 'a' and what was kept: the answer
-- Why atomic: of two calls with one request id only one may work.
local present = redis.call('GET', KEYS[1])
if present and string.sub(present, 1, 1) == 'a' then return present end
if present and present ~= 'c' .. ARGV[1] then return 'c' end
redis.call('SET', KEYS[1], 'c' .. ARGV[1], 'PX', ARGV[2])
return ''
