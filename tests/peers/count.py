"""Adds to a counter file under a lock file: `count.py KIND FILE COUNTER TIMES`.

Says `ready`, waits for a line, adds 1 so many times, and says `done`. KIND is one of `actor.py`.
"""

import os
import sys

from actor import KINDS, say


def increment(counter):
    """The three steps between which others come if the lock does not keep them out."""
    descriptor = os.open(counter, os.O_RDWR)
    digits = os.pread(descriptor, 12, 0)
    os.sched_yield()
    os.pwrite(descriptor, b"%012d" % (int(digits) + 1), 0)
    os.close(descriptor)


def main():
    kind, path, counter, times = sys.argv[1:]
    actor = KINDS[kind](path, False)
    say("ready")
    sys.stdin.readline()
    for _ in range(int(times)):
        actor.take(blocking=True)
        increment(counter)
        actor.release()
    say("done")


if __name__ == "__main__":
    main()
