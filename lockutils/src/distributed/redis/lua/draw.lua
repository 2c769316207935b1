-- A larger fence than all before, or than the clock, for a lock that is taken for so long; 0: for ever. It is written over one
-- of the same 1000 s, which has the same first seven digits: that is cheap, and leaves it its time to live. What is to stay for
-- ever has a 0 before it: nothing is written over that.
local function draw(length, time)
  local last = redis.call('GET', FENCE)
  time = time or redis.call('TIME')
  local micros = time[2]
  local fence = time[1] .. (#micros == 6 and micros or string.sub('00000' .. micros, -6))
  if last and #last == #fence and last < fence and string.sub(last, 1, 7) == string.sub(fence, 1, 7)
    and length > 0 and length <= 3600000 then
    redis.call('SETRANGE', FENCE, '0', fence)
    return fence
  end
  fence = string.format('%.0f', math.max(tonumber(fence), (tonumber(last) or 0) + 1))
  if length == 0 then
    redis.call('SET', FENCE, '0' .. fence)
  else
    redis.call('SET', FENCE, fence, 'PX', math.max(length, REMEMBERED))
  end
  return fence
end
