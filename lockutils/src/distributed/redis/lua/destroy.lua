-- Removes all that there is of the lock, and wakes those who wait for it.
local queue = redis.pcall('ZRANGE', QUEUE, 0, -1)
redis.call('DEL', LOCK, FENCE, QUEUE, ALIVE)
for _, entry in ipairs(queue) do
  local _, _, client = parts(entry)
  if client then tell(client, entry, '') end
end
return 1
