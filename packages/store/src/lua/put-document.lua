-- put-document.lua — write or delete a small document, if the one there is the one that was read.
--
-- KEYS[1]  hash  muster:{ctl}:calendars, muster:{ctl}:groups or muster:{ctl}:policies
-- ARGV[1]  id · ARGV[2]  document (JSON), '' to delete it
-- ARGV[3]  SHA-1 of the JSON that was read (hexadecimal), '' for "there was none", '*' for "whatever there is"
-- ARGV[4]  how many there may be
-- Returns  1 written · 0 another one is there, or none (caller re-reads) · 2 too many · 3 none to delete
-- Why atomic: two editors must not overwrite each other unseen.
local present = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[3] ~= '*' and (present and redis.sha1hex(present) or '') ~= ARGV[3] then return 0 end
if ARGV[2] == '' then
  if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then return 1 end
  return 3
end
if not present and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 2 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
