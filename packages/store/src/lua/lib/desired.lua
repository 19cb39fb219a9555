-- What an agent should run: one string, the version of the assignments that it rests on, a line end, and the packed record;
-- nothing after the line end for no opinion. desired.ts packs and reads the record.
local function readDesired(key)
  local version, record = string.match(redis.call('GET', key) or '', '^(%d+)\n(.*)$')
  return tonumber(version or 0), record or ''
end
