-- forget-alias.lua — forget that an agent went on under another uid, since that one is forgotten.
--
-- KEYS[1]    string  muster:{p}:agent:<uid before>
-- KEYS[2]    string  muster:{p}:session:<uid before>
-- ARGV[1..]  the uids that it may lead to: the one that is forgotten, and those that it had before
-- Returns    1 forgotten · 0 it leads to none of these (any more)
-- Why atomic: whoever reports under that uid again may have become an agent of its own meanwhile.
--include record.lua
local _, row, to = readHead(KEYS[1])
if row then return 0 end
for _, uid in ipairs(ARGV) do
  if uid == to then
    redis.call('DEL', KEYS[1], KEYS[2])
    return 1
  end
end
return 0
