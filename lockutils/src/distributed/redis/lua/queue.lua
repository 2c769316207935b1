-- The common part of all scripts. KEYS: the lock, its fence, its queue, and until when those in the queue count.
local LOCK, FENCE, QUEUE, ALIVE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- How long one who was called may take to come, and how long a fence is remembered, in milliseconds.
local GRACE, REMEMBERED = 2000, 3600000
local MICROS, NOW

local function clock()
  local time = redis.call('TIME')
  MICROS = time[1] * 1000000 + time[2]
  NOW = math.floor(MICROS / 1000)
end

local function digits(number)
  return string.format('%.0f', number)
end

-- The kind of an entry, its permits, and its client; nothing if it is not ours.
local function parts(entry)
  return string.match(entry, '^([wrp])(%d*) %x+ (%x+)')
end

local function lasts_at_least(key, length)
  local left = redis.call('PTTL', key)
  if left >= 0 and left < length then redis.call('PEXPIRE', key, length) end
end

-- The key of a group lasts as long as the last of it.
local function keep()
  local last = redis.call('ZREVRANGE', LOCK, 0, 0, 'WITHSCORES')[2]
  if last == 'inf' then
    redis.call('PERSIST', LOCK)
  elseif last then
    redis.call('PEXPIREAT', LOCK, last)
  end
end

-- What kind holds the lock, how many of it, and how many permits there are. What is not ours holds it alone.
local function holders()
  local type = redis.call('TYPE', LOCK).ok
  if type == 'none' then return '', 0 end
  if type ~= 'zset' then return 'w', 1 end
  local first = redis.call('ZRANGE', LOCK, 0, 0)[1]
  if not parts(first) then return 'w', 1 end
  redis.call('ZREMRANGEBYSCORE', LOCK, '-inf', NOW)
  first = redis.call('ZRANGE', LOCK, 0, 0)[1]
  if not first then return '', 0 end
  local kind, permits = parts(first)
  return kind, redis.call('ZCARD', LOCK), tonumber(permits)
end

local function fits(held, number, kind, permits)
  return number == 0 or (held == kind and (kind == 'r' or (kind == 'p' and number < permits)))
end

local function dequeue(entry)
  redis.call('ZREM', ALIVE, entry)
  return redis.call('ZREM', QUEUE, entry) == 1
end

-- Those who have not been heard of for too long have no place any more.
local function prune()
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', ALIVE, '-inf', NOW)) do dequeue(entry) end
end

-- Tells one that it may come. It is out if nobody listens, and if it has not come in time. Half a millisecond marks those
-- who were called and have not come yet.
local function call(entry, client)
  local valid = tonumber(redis.call('ZSCORE', ALIVE, entry) or NOW + GRACE)
  if valid % 1 ~= 0 then return true end
  -- An error means that this user may not publish: then it comes when it looks again.
  if redis.pcall('PUBLISH', 'lockutils:wake:' .. client, LOCK .. '\n' .. entry) == 0 then
    dequeue(entry)
    return false
  end
  redis.call('ZADD', ALIVE, digits(math.min(valid, NOW + GRACE)) .. '.5', entry)
  return true
end

-- Calls those in the queue who fit beside the holders, up to `me`. Says whether all before `me` do, and who holds it when
-- they have come.
local function walk(held, number, me)
  local at = 0
  while true do
    local some = redis.call('ZRANGE', QUEUE, at, at + 31)
    if #some == 0 then return true, held, number end
    for _, entry in ipairs(some) do
      if entry == me then return true, held, number end
      local kind, permits, client = parts(entry)
      if not kind then
        dequeue(entry)
      elseif not fits(held, number, kind, tonumber(permits)) then
        return false, held, number
      elseif call(entry, client) then
        held, number, at = kind, number + 1, at + 1
      end
    end
  end
end
