-- Takes the lock if nobody is in the way, and queues otherwise, if it may; asked once more it has the same effect.
-- KEYS: also, what says that this was given up. ARGV: entry, kind, permits, time to live or 0, whether it waits, until when it
-- counts then, whether it may have been given up.
-- Answers: {0} busy, {1, fence} held, {2, rank, pause} queued, {3, permits} mismatch, {4} given up.
local ME, KIND, PERMITS, LENGTH = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local WAITS, VALID = ARGV[5] == '1', tonumber(ARGV[6])

-- A larger fence than all before, or than the clock.
local function draw()
  local time = redis.call('TIME')
  local fence = math.max(time[1] * 1000000 + time[2], (tonumber(redis.call('GET', FENCE) or 0) or 0) + 1)
  if LENGTH == 0 then
    redis.call('SET', FENCE, digits(fence))
  else
    redis.call('SET', FENCE, digits(fence), 'PX', math.max(LENGTH, REMEMBERED))
  end
  return fence
end

-- That of those who hold it already.
local function join()
  local fence = tonumber(redis.call('GET', FENCE) or nil)
  if not fence then return draw() end
  if LENGTH == 0 then
    redis.call('PERSIST', FENCE)
  else
    lasts_at_least(FENCE, math.max(LENGTH, REMEMBERED))
  end
  return fence
end

local function set(condition)
  local words = { 'SET', LOCK, ME }
  if condition then words[#words + 1] = condition end
  if LENGTH > 0 then words[#words + 1] = 'PX'; words[#words + 1] = LENGTH end
  return redis.call(unpack(words))
end

local function take()
  if KIND == 'w' then return set() end
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
local function pause(number)
  local first
  if number == 0 then
    first = redis.call('ZRANGE', ALIVE, 0, 0, 'WITHSCORES')[2]
  elseif redis.call('TYPE', LOCK).ok == 'zset' then
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
  return redis.call('ZRANK', QUEUE, ME)
end

if ARGV[7] == '1' and redis.call('EXISTS', KEYS[5]) == 1 then return { 4 } end
-- The short way, if nobody is here.
if KIND == 'w' and redis.call('EXISTS', QUEUE) == 0 and set('NX') then return { 1, draw() } end

clock()
prune()
local held, number, permits = holders()
if is_mine(held) then
  take()
  return { 1, join() }
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
  local fence = number > 0 and join() or draw()
  -- Those behind may share it.
  if KIND ~= 'w' then walk(KIND, number + 1) end
  return { 1, fence }
end
if not WAITS then return { 0 } end
local rank = queue()
return { 2, rank, pause(number) }
