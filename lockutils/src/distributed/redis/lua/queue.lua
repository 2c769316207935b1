-- The common part of all scripts, behind `head.lua` and `draw.lua`.
local MICROS, NOW

local function digits(number)
  return string.format('%.0f', number)
end

local function clock()
  local time = redis.call('TIME')
  MICROS = time[1] * 1000000 + time[2]
  NOW = math.floor(MICROS / 1000)
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

-- The number of a place in the queue. Who has lost one and stands there again has another.
local function place_of(entry)
  return tonumber(redis.call('ZSCORE', QUEUE, entry))
end

-- What one is told: the lock, what was given to it, and which entry is meant. Says how many listen; an error means that this
-- user may not publish.
local function tell(client, entry, given)
  return redis.pcall('PUBLISH', 'lockutils:wake:' .. client, LOCK .. '\n' .. given .. '\n' .. entry)
end

-- Tells one that it may come. It is out if nobody listens, and if it has not come in time. Half a millisecond marks those
-- who were called and have not come yet.
local function call(entry, client)
  local valid = tonumber(redis.call('ZSCORE', ALIVE, entry) or NOW + GRACE)
  if valid % 1 ~= 0 then return true end
  -- Who cannot be told comes when it looks again.
  if tell(client, entry, '') == 0 then
    dequeue(entry)
    return false
  end
  redis.call('ZADD', ALIVE, digits(math.min(valid, NOW + GRACE)) .. '.5', entry)
  return true
end

-- Gives the lock, which nobody has, to one who waits for all of it. It has the lock for as long as its place would have
-- counted, which is what it knows of. It is told the fence, and which place it had: it may have lost that by the time it hears of
-- it. Says whether that was done: not for one who was called before, or cannot be told.
local function give(entry, client)
  local valid = tonumber(redis.call('ZSCORE', ALIVE, entry) or 0)
  if valid % 1 ~= 0 then return false end
  local length = math.max(valid - NOW, GRACE)
  local heard = tell(client, entry, draw(length) .. ' ' .. digits(place_of(entry)))
  if type(heard) == 'table' or heard == 0 then return false end
  redis.call('SET', LOCK, entry, 'PX', digits(length))
  return dequeue(entry)
end

-- Calls those in the queue who fit beside the holders, up to `me`; a writer is given the lock. Says whether all before `me` do,
-- and who holds it when they have come.
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
      elseif kind == 'w' and give(entry, client) then
        return false, 'w', 1
      elseif call(entry, client) then
        held, number, at = kind, number + 1, at + 1
      end
    end
  end
end
