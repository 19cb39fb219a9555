-- Counts one view more or less that uses a body. One that is used does not expire; one that nobody uses does.
local function useBody(uses, body, address, count, ttl)
  local left = redis.call('HINCRBY', uses, address, count)
  if count > 0 then
    redis.call('PERSIST', body)
  elseif left <= 0 then
    redis.call('HDEL', uses, address)
    redis.call('EXPIRE', body, ttl)
  end
end
