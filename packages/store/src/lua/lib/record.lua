-- An agent's record: one string, "<version> <row> <stamp>" and a line end, then the packed view; of an agent that goes on
-- under another uid, "<version> > <that uid>" and a line end. agent-record.ts reads it, too.
local function readHead(key)
  local version, row, stamp = string.match(redis.call('GETRANGE', key, 0, 79), '^(%d+) (%S+) (%S+)\n')
  return version or '0', tonumber(row), stamp or ''
end
local function isAlias(key)
  local _, row, to = readHead(key)
  return not row and to ~= ''
end
local function countRows(rows)
  return redis.call('STRLEN', rows) / 16
end
