"""Takes a lock file as a Python library does and visits the ledger of the torture, until it is killed:
`torture.py KIND FILE PARENT LEDGER LAYOUT TORTURE`.

KIND is one of `actor.py`. LAYOUT says, in JSON, at which bytes of the ledger the words are. TORTURE is the program that
is called to note what must not be; what is looked for stands in its `oracle.rs`, and `death.rs`.

A word is read and written in one step each, since it is aligned and CPython copies it as a whole. Nothing here needs
more: whoever has the lock alone is the only one who writes these words, and who finds that not to be so has found what
is looked for.
"""

import ctypes
import json
import mmap
import os
import random
import signal
import subprocess
import sys
import time

from actor import KINDS

PR_SET_PDEATHSIG = 1
PF_EXITING = 0x4
INSIDE = 80e-6
ELSEWHERE = 4e-3


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Ledger:
    def __init__(self, path, layout, torture):
        with open(path, "r+b") as file:
            self.words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
        self.path, self.layout, self.torture = path, layout, torture
        self.me = layout["me"]

    def room(self, word):
        """Where a word of the room is."""
        return self.layout["room"][word] // 8

    def life(self, incarnation, word):
        """Where a word of a life is."""
        return (self.layout["lives"] + incarnation * self.layout["size"] + self.layout["life"][word]) // 8

    def begins(self, doing):
        self.words[self.life(self.me, "moment")] = now() << 3 | self.layout["doing"][doing]

    def accuse(self, wrong, met):
        subprocess.run([self.torture, "accuse", self.path, wrong, str(self.me), str(met)], check=True)

    def is_dead(self, incarnation):
        ended = self.life(incarnation, "ended")
        if self.words[ended]:
            return True
        exiting = is_exiting(self.words[self.life(incarnation, "pid")])
        return bool(self.words[ended]) or exiting

    def enter(self):
        """Says whether the last one was killed inside."""
        other, arrived = self.words[self.room("holder")], now()
        dead = other != 0 and self.is_dead(other)
        if dead and not self.words[self.life(other, "followed")]:
            self.words[self.life(other, "followed")] = arrived
        self.words[self.room("holder")] = self.me
        if other and not dead:
            self.accuse("Overlap", other)
        return dead

    def visit(self):
        words, holder, first, second = self.words, self.room("holder"), self.room("first"), self.room("second")
        after_death = self.enter()
        self.begins("Inside")
        if words[first] != words[second] and not after_death:
            self.accuse("Torn", abs(words[first] - words[second]))
        number = max(words[first], words[second]) + 1
        words[first] = number
        self.linger(holder)
        words[second] = number
        if words[first] != number or words[second] != number:
            self.accuse("Torn", number)
        if words[holder] == self.me:
            words[holder] = 0
        else:
            self.accuse("Overlap", words[holder])

    def linger(self, holder):
        end = now() + int(INSIDE * random.random() * 1e9)
        while now() < end:
            other = self.words[holder]
            if other != self.me:
                self.accuse("Overlap", other)
                return


def is_exiting(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        # Its end was noted before it went from here: see who calls.
        return False
    return bool(int(stat.rpartition(") ")[2].split()[9 - 3]) & PF_EXITING)


def is_astray(path):
    """Whether the path leads to another file than the one that is open."""
    for number in os.listdir("/proc/self/fd"):
        try:
            to, held = os.readlink(f"/proc/self/fd/{number}"), os.stat(f"/proc/self/fd/{number}").st_ino
        except FileNotFoundError:
            continue
        if os.path.dirname(to) == os.path.dirname(path):
            try:
                return os.stat(path).st_ino != held
            except FileNotFoundError:
                return True
    sys.exit("no lock file is open")


def main():
    kind, path, parent, ledger, layout, torture = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the killer has ended")
    ledger = Ledger(ledger, json.loads(layout), torture)
    ledger.words[ledger.life(ledger.me, "pid")] = os.getpid()
    actor = KINDS[kind](path, False)
    astray, times = ledger.life(ledger.me, "way"), ledger.life(ledger.me, "times")
    while True:
        ledger.begins("Taking")
        actor.take(blocking=True)
        if is_astray(path):
            ledger.words[astray] = ledger.layout["astray"]
            ledger.accuse("Astray", 0)
        else:
            ledger.words[astray] = 0
        ledger.visit()
        ledger.words[times] += 1
        ledger.begins("Leaving")
        actor.release()
        ledger.begins("Outside")
        time.sleep(ELSEWHERE * random.random())


main()
