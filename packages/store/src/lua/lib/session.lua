-- What is kept of a session: one string, a MessagePack list of texts, '' for what is not there. As fields of a hash the same
-- takes three times the memory. sessions.ts knows the places, too.
local EPOCH, GATEWAY, OPEN, SEQ, CHECKPOINT, IDENTITY, TO, FROM = 1, 2, 3, 4, 5, 6, 7, 8
local LEFT_EPOCH, LEFT_SEQ, LEFT_CHECKPOINT, FIELDS = 9, 10, 11, 11
-- OPEN: '1' a gateway has the agent · 'o' one has it, and nothing that says so was written yet · 'm' its gateway left · '0' ended
local function isHeld(session) return session[OPEN] == '1' or session[OPEN] == 'o' end
local function readSession(key)
  local packed = redis.call('GET', key)
  if packed then
    local session = cmsgpack.unpack(packed)
    if type(session) ~= 'table' or #session < FIELDS then error('no session: ' .. key) end
    return session, true
  end
  local session = {}
  for i = 1, FIELDS do session[i] = '' end
  return session, false
end
