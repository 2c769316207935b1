-- The short way of `leave.lua`, if the first in the queue waits for all of the lock, and nothing else is asked for: what `give`
-- does, in half as many commands. Where anything is not as usual the long way sees to it.
local first = not ARGV[2] and string.sub(ARGV[1], 1, 1) == 'w' and redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')
local client = first and first[1] and string.match(first[1], '^w %x+ (%x+)')
local valid = client and tonumber(redis.call('ZSCORE', ALIVE, first[1]) or 0)
if valid and valid % 1 == 0 and first[1] ~= ARGV[1] and redis.pcall('GET', LOCK) == ARGV[1] then
  local time = redis.call('TIME')
  local left = valid - math.floor(time[1] * 1000 + time[2] / 1000)
  if left > 0 then
    local length = math.max(left, GRACE)
    local given = LOCK .. '\n' .. draw(length, time) .. ' ' .. first[2] .. '\n' .. first[1]
    local heard = redis.pcall('PUBLISH', 'lockutils:wake:' .. client, given)
    if type(heard) == 'number' and heard > 0 then
      redis.call('SET', LOCK, first[1], 'PX', string.format('%.0f', length))
      redis.call('ZREM', QUEUE, first[1])
      redis.call('ZREM', ALIVE, first[1])
      return 1
    end
  end
end
