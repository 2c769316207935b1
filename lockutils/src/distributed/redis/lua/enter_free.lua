-- The short way of `enter.lua`, if nobody is here.
if KEYS[5] and redis.call('EXISTS', KEYS[5]) == 1 then return { 4 } end
if string.sub(ARGV[1], 1, 1) == 'w' and redis.call('EXISTS', QUEUE) == 0 then
  local is_set
  if ARGV[2] == '0' then
    is_set = redis.call('SET', LOCK, ARGV[1], 'NX')
  else
    is_set = redis.call('SET', LOCK, ARGV[1], 'NX', 'PX', ARGV[2])
  end
  if is_set then return draw(tonumber(ARGV[2])) end
end
