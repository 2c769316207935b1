-- Those who hold the lock, and those who wait for it. Answers: the fence, the type of the lock's key, the holders, the queue.
clock()
local type, held, queue = redis.call('TYPE', LOCK).ok, {}, {}
if type == 'string' then
  held = { redis.call('GET', LOCK) }
elseif type == 'zset' then
  local first = redis.call('ZRANGE', LOCK, 0, 0)
  held = parts(first[1]) and redis.call('ZRANGEBYSCORE', LOCK, '(' .. digits(NOW), '+inf') or first
end
for _, entry in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
  if tonumber(redis.call('ZSCORE', ALIVE, entry) or NOW + 1) > NOW then queue[#queue + 1] = entry end
end
return { redis.call('GET', FENCE) or '0', type, held, queue }
