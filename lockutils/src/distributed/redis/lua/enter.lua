-- Takes the lock if nobody is in the way, and queues otherwise, if it may; asked once more it has the same effect.
-- KEYS: also, if it may have been given up, what says that. ARGV: entry, time to live or 0, and, if it waits, for how long its
-- place counts.
-- Answers: the fence if it is held, {0} busy, {2, rank, pause, place} queued, {3, permits} mismatch, {4} given up.
local ME, LENGTH, VALID = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local KIND, PERMITS = parts(ME)
PERMITS = tonumber(PERMITS)

-- That of those who hold it already.
local function join()
  local fence = redis.call('GET', FENCE)
  if not tonumber(fence) then return draw(LENGTH) end
  if LENGTH == 0 then
    redis.call('SET', FENCE, string.sub(fence, 1, 1) == '0' and fence or '0' .. fence)
  else
    lasts_at_least(FENCE, math.max(LENGTH, REMEMBERED))
  end
  return fence
end

local function take()
  if KIND == 'w' and LENGTH == 0 then return redis.call('SET', LOCK, ME) end
  if KIND == 'w' then return redis.call('SET', LOCK, ME, 'PX', LENGTH) end
  redis.call('ZADD', LOCK, LENGTH > 0 and digits(NOW + LENGTH) or '+inf', ME)
  keep()
end

local function is_mine(held)
  if held ~= KIND then return false end
  if KIND == 'w' then return redis.call('TYPE', LOCK).ok == 'string' and redis.call('GET', LOCK) == ME end
  return redis.call('ZSCORE', LOCK, ME)
end

-- How many permits those agree on who hold or want one.
local function agreed(held, permits)
  if held == 'p' then return permits end
  for _, entry in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
    local kind, wanted = parts(entry)
    if kind == 'p' and entry ~= ME then return tonumber(wanted) end
  end
end

-- In how many milliseconds something may change by itself, or 0.
local function pause()
  local first
  local type = redis.call('TYPE', LOCK).ok
  if type == 'none' then
    first = redis.call('ZRANGE', ALIVE, 0, 0, 'WITHSCORES')[2]
  elseif type == 'zset' then
    first = redis.call('ZRANGE', LOCK, 0, 0, 'WITHSCORES')[2]
  else
    return math.max(redis.call('PTTL', LOCK), 0)
  end
  first = tonumber(first)
  if not first or first == math.huge then return 0 end
  return math.max(math.ceil(first - NOW), 1)
end

local function queue()
  if not redis.call('ZSCORE', QUEUE, ME) then
    local last = tonumber(redis.call('ZREVRANGE', QUEUE, 0, 0, 'WITHSCORES')[2] or 0)
    redis.call('ZADD', QUEUE, digits(math.max(MICROS, last + 1)), ME)
  end
  redis.call('ZADD', ALIVE, digits(NOW + VALID), ME)
  for _, key in ipairs({ QUEUE, ALIVE }) do
    if redis.call('PTTL', key) < VALID then redis.call('PEXPIRE', key, VALID) end
  end
  return redis.call('ZRANK', QUEUE, ME), place_of(ME)
end

clock()
prune()
local held, number, permits = holders()
if is_mine(held) then
  take()
  return join()
end
if KIND == 'p' then
  local other = agreed(held, permits)
  if other and other ~= PERMITS then
    dequeue(ME)
    return { 3, other }
  end
end
local before_me_fit, then_held, then_number = walk(held, number, ME)
if before_me_fit and fits(then_held, then_number, KIND, PERMITS) then
  take()
  dequeue(ME)
  local fence = number > 0 and join() or draw(LENGTH)
  -- Those behind may share it.
  if KIND ~= 'w' then walk(KIND, number + 1) end
  return fence
end
if not VALID then return { 0 } end
local rank, place = queue()
return { 2, rank, pause(), place }
