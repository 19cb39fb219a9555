-- put-calendar.lua — write a calendar, if the one there is the one that was read.
--
-- KEYS[1]  hash  muster:{ctl}:calendars
-- ARGV[1]  id · ARGV[2]  calendar (JSON)
-- ARGV[3]  SHA-1 of the JSON that was read (hexadecimal), '' for "there was none", '*' for "whatever there is"
-- Returns  1 written · 0 another one is there, or none (caller re-reads)
-- Why atomic: two editors must not overwrite each other unseen.
local present = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[3] ~= '*' and (present and redis.sha1hex(present) or '') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
