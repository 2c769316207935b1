-- Lets what is held last for so long from now on, or as long as it does. That is written, too: a replica would refuse it, while
-- it answers those who only look by what it was told last. KEYS: also, if a request that takes it may still be under way, what
-- says that such a one comes too late. ARGV: entry, time to live or 0, and, if there is that key, for how long it is remembered.
-- Answers: 0 it is not here, 1 it is held, 2 somebody else has the lock.
local ME, KIND, LENGTH = ARGV[1], parts(ARGV[1]), tonumber(ARGV[2])

local function lasts()
  if LENGTH > 0 then lasts_at_least(FENCE, math.max(LENGTH, REMEMBERED)) end
  if KEYS[5] then redis.call('SET', KEYS[5], '1', 'PX', ARGV[3]) end
  return 1
end

if KIND == 'w' then
  local holder = redis.pcall('GET', LOCK)
  if not holder then return 0 end
  if holder ~= ME then return 2 end
  local length = LENGTH > 0 and LENGTH or redis.call('PTTL', LOCK)
  if length < 0 then
    redis.call('PERSIST', LOCK)
  else
    redis.call('PEXPIRE', LOCK, math.max(length, 1))
  end
  return lasts()
end
local until_then = redis.pcall('ZSCORE', LOCK, ME)
if not until_then then return 0 end
if type(until_then) == 'table' then return 2 end
clock()
if tonumber(until_then) <= NOW then return 0 end
redis.call('ZADD', LOCK, LENGTH > 0 and digits(NOW + LENGTH) or until_then, ME)
keep()
return lasts()
