-- edit-session.lua — read a session, and change some of what is kept of it.
--
-- KEYS[1]  string  muster:{p}:session:<uid>
-- ARGV[1]  seconds that a new session is remembered; '' to leave it at that when there is none
-- ARGV[2..]  per edit: place of the field · text, '' for nothing · '1' to leave what is there already
-- Returns  the fields after that, in order · {} there is none
-- Why atomic: of two uids that are proposed for one agent at once, one must be the first.
--include session.lua
local s, isThere = readSession(KEYS[1])
if not isThere and ARGV[1] == '' then return {} end
for i = 2, #ARGV, 3 do
  local field = tonumber(ARGV[i])
  if ARGV[i + 2] ~= '1' or s[field] == '' then s[field] = ARGV[i + 1] end
end
if isThere and #ARGV > 1 then
  redis.call('SET', KEYS[1], cmsgpack.pack(s), 'KEEPTTL')
elseif not isThere then
  redis.call('SET', KEYS[1], cmsgpack.pack(s), 'EX', ARGV[1])
end
return s
