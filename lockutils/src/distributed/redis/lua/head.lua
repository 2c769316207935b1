-- The first part of all scripts. KEYS: the lock, its fence, its queue, until when those in the queue count, and, if it may be
-- there, what says that the entry was given up.
local LOCK, FENCE, QUEUE, ALIVE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- How long one who was called may take to come, and how long a fence is remembered, in milliseconds: an hour after it was
-- drawn, and up to 1000 s more, since not each that is drawn makes it last longer.
local GRACE, REMEMBERED = 2000, 4600000
