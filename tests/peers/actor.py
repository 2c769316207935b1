"""Takes a lock file as a Python library does: `actor.py KIND FILE alone|shared`.

Commands come on standard input, answers go to standard output: `try` (held, busy), `wait` (held), `release`
(released). At the end of its input it lets go and ends.
"""

import fcntl
import os
import struct
import sys


class Oslo:
    """oslo.concurrency's external lock."""

    def __init__(self, path, shared):
        from oslo_concurrency import lockutils

        self.lockutils = lockutils
        self.directory, self.name = os.path.split(path)

    def take(self, blocking):
        lock = self.lockutils.lock(self.name, external=True, lock_path=self.directory, blocking=blocking)
        try:
            lock.__enter__()
        except self.lockutils.AcquireLockFailedException:
            return False
        self.lock = lock
        return True

    def release(self):
        self.lock.__exit__(None, None, None)


class Fasteners:
    """fasteners' exclusive lock."""

    def __init__(self, path, shared):
        import fasteners

        self.lock = fasteners.InterProcessLock(path)

    def take(self, blocking):
        return self.lock.acquire(blocking=blocking)

    def release(self):
        self.lock.release()


class FastenersReaderWriter:
    """fasteners' read and write lock."""

    def __init__(self, path, shared):
        import fasteners

        lock = fasteners.InterProcessReaderWriterLock(path)
        self.acquire = lock.acquire_read_lock if shared else lock.acquire_write_lock
        self.release = lock.release_read_lock if shared else lock.release_write_lock

    def take(self, blocking):
        return self.acquire(blocking=blocking)


class FileLock:
    """filelock's default lock."""

    def __init__(self, path, shared):
        import filelock

        self.lock = filelock.FileLock(path)
        self.timeout = filelock.Timeout

    def take(self, blocking):
        try:
            self.lock.acquire(blocking=blocking)
        except self.timeout:
            return False
        return True

    def release(self):
        self.lock.release()


class System:
    """A call of the module `fcntl`, without a library."""

    def __init__(self, path, shared):
        self.path = path
        self.kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX

    def take(self, blocking):
        file = open(self.path, "a+")
        try:
            self.call(file, self.kind if blocking else self.kind | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self.file = file
        return True

    def release(self):
        self.file.close()


class Lockf(System):
    """A record lock (POSIX)."""

    call = staticmethod(fcntl.lockf)


class Flock(System):
    """flock(2)."""

    call = staticmethod(fcntl.flock)


class Ofd(System):
    """A lock of the open file description, as systemd takes it."""

    @staticmethod
    def call(file, kind):
        command = fcntl.F_OFD_SETLK if kind & fcntl.LOCK_NB else fcntl.F_OFD_SETLKW
        lock = fcntl.F_WRLCK if kind & fcntl.LOCK_EX else fcntl.F_RDLCK
        # struct flock of fcntl(2): type, whence, start, length, pid.
        fcntl.fcntl(file, command, struct.pack("hh4xqqi4x", lock, os.SEEK_SET, 0, 0, 0))


class Open:
    """Has the file open, and no lock."""

    def __init__(self, path, shared):
        self.path = path

    def take(self, blocking):
        self.file = open(self.path, "a+")
        return True

    def release(self):
        self.file.close()


KINDS = {
    "oslo": Oslo,
    "fasteners": Fasteners,
    "fasteners-rw": FastenersReaderWriter,
    "filelock": FileLock,
    "lockf": Lockf,
    "flock": Flock,
    "ofd": Ofd,
    "open": Open,
}


def say(line):
    print(line, flush=True)


def main():
    kind, path, sharing = sys.argv[1:]
    actor = KINDS[kind](path, sharing == "shared")
    held = False
    for line in sys.stdin:
        command = line.strip()
        if command == "release":
            actor.release()
            held = False
            say("released")
        elif actor.take(blocking=command == "wait"):
            held = True
            say("held")
        else:
            say("busy")
    if held:
        actor.release()


if __name__ == "__main__":
    main()
