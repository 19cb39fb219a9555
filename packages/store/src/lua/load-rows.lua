-- load-rows.lua — the uids of some rows of a partition.
--
-- KEYS[1]  string  muster:{p}:rows
-- ARGV[1..]  rows (integers)
-- Returns  16 bytes of the uid of each, one after another
-- Why atomic: it need not be; one command costs a client a fraction of what hundreds do.
local uids = {}
for i, row in ipairs(ARGV) do uids[i] = redis.call('GETRANGE', KEYS[1], row * 16, row * 16 + 15) end
return table.concat(uids)
