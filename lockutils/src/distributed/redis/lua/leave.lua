-- Lets the lock go, or gives up the place in the queue, and calls those who may come then. KEYS: also, if that is to be
-- remembered, what says that this was given up. ARGV: entry, and, if not all of it is 0, for how long that is remembered, and 1
-- if its fence lasts for ever, 2 if only the place in the queue is meant, 3 for both.
-- Answers: 0 it is not here, 1 it was let go, 2 somebody else has the lock.
local ME, KIND = ARGV[1], parts(ARGV[1])
local GIVEN_UP, HOW = tonumber(ARGV[2] or 0), tonumber(ARGV[3] or 0)

local function let_go()
  if KIND == 'w' then
    local holder = redis.pcall('GET', LOCK)
    if not holder then return 0 end
    if holder ~= ME then return 2 end
    redis.call('DEL', LOCK)
    return 1
  end
  local until_then = redis.pcall('ZSCORE', LOCK, ME)
  if not until_then then return 0 end
  if type(until_then) == 'table' then return 2 end
  clock()
  redis.call('ZREM', LOCK, ME)
  keep()
  return tonumber(until_then) > NOW and 1 or 0
end

local had = HOW >= 2 and 0 or let_go()
if HOW % 2 == 1 then
  -- Those who still hold it may be others, who make nothing last for ever.
  local left = redis.call('PTTL', LOCK)
  if left ~= -1 then redis.call('PEXPIRE', FENCE, digits(math.max(left, REMEMBERED))) end
end
if GIVEN_UP > 0 then redis.call('SET', KEYS[5], '1', 'PX', GIVEN_UP) end
if redis.call('EXISTS', QUEUE) == 1 then
  clock()
  dequeue(ME)
  prune()
  local held, number = holders()
  walk(held, number)
end
return had
