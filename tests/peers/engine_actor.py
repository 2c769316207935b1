"""Takes a lock of a cluster as the clients of others do: `engine_actor.py KIND OPTIONS`, the options in JSON.

It says `ready` when it is connected. Then commands come on standard input, answers go to standard output:

    try             takes the lock if it is free       held, busy
    wait            waits for it                       held
    wait SECONDS    waits so long                      held, busy
    release         lets go                            released
    contenders      who has it and waits (kazoo)       a list of identifiers in JSON
    holders         who has a lease of the semaphore   a list of identifiers in JSON
    owned           whether the lock is its own        yes, no
    extend SECONDS  prolongs it (redis-py)             extended
    session         the session or lease               its number
    fence           what grows with every holder       its number (etcdctl)
    pid             who holds the lock                 the number of the process

What goes wrong is answered by `error` and the name of the error. At the end of its input it lets go and ends.
"""

import base64
import json
import logging
import os
import signal
import subprocess
import sys
import time


class RedisLock:
    """redis-py's Lock."""

    def __init__(self, url, name, timeout=None, sleep=0.1):
        import redis

        self.client = redis.from_url(url)
        self.client.ping()
        self.lock = self.client.lock(name, timeout=timeout, sleep=sleep)

    def take(self, seconds):
        if seconds == 0:
            return self.lock.acquire(blocking=False)
        return self.lock.acquire(blocking_timeout=seconds)

    def release(self):
        self.lock.release()

    def owned(self):
        return self.lock.owned()

    def extend(self, seconds):
        self.lock.extend(seconds)

    def session(self):
        return self.lock.local.token.decode()


class Kazoo:
    """kazoo's Lock, ReadLock, WriteLock and Semaphore."""

    def __init__(self, recipe, hosts, path, identifier, timeout=10.0, digest=None, **options):
        from kazoo.client import KazooClient
        from kazoo.exceptions import LockTimeout
        from kazoo.security import make_digest_acl

        more = {}
        if digest:
            user, password = digest.split(":", 1)
            more["auth_data"] = [("digest", digest)]
            more["default_acl"] = [make_digest_acl(user, password, all=True)]
        self.client = KazooClient(hosts=hosts, timeout=timeout, **more)
        self.client.start(timeout=20)
        self.lock = getattr(self.client, recipe)(path, identifier, **options)
        self.lock_timeout = LockTimeout

    def take(self, seconds):
        if seconds == 0:
            return self.lock.acquire(blocking=False)
        try:
            return self.lock.acquire(timeout=seconds)
        except self.lock_timeout:
            return False

    def release(self):
        self.lock.release()

    def owned(self):
        return self.lock.is_acquired

    def contenders(self):
        return list(self.lock.contenders())

    def holders(self):
        return list(self.lock.lease_holders())

    def session(self):
        return self.client.client_id[0]

    def close(self):
        self.client.stop()
        self.client.close()


class Etcdctl:
    """`etcdctl lock`, a process for each turn, which dies with this one."""

    # How long to look whether the lock is busy, when nothing tells.
    PATIENCE = 15

    def __init__(self, arguments, name, ttl=10):
        self.ctl = ["etcdctl", *arguments]
        self.name = name
        self.ttl = ttl
        self.process = None

    def take(self, seconds):
        before = self.keys() if seconds == 0 else []
        lock = [*self.ctl, "-w", "json", "lock", "--ttl", str(self.ttl), self.name]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *lock], **pipes)
        os.set_blocking(self.process.stdout.fileno(), False)
        if self.is_held(seconds, before):
            return True
        self.release()
        return False

    def is_held(self, seconds, before):
        """It has no way to try: when it is in the queue behind somebody who was there before, the lock is busy."""
        end = None if seconds is None else time.monotonic() + (seconds or self.PATIENCE)
        while end is None or time.monotonic() < end:
            said = self.process.stdout.read()
            if said:
                self.said = json.loads(said)
                return True
            if self.process.poll() is not None:
                raise RuntimeError(f"etcdctl has ended: {self.process.stderr.read().decode()}")
            if before:
                now = self.keys()
                if now and now[0] in before and any(key not in before for key in now):
                    return False
            time.sleep(0.005)
        return False

    def keys(self):
        get = ["get", "--prefix", "--keys-only", "--sort-by", "CREATE", "--order", "ASCEND", self.name + "/"]
        return subprocess.run([*self.ctl, *get], stdout=subprocess.PIPE, check=True).stdout.split()

    def release(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def owned(self):
        key = self.said["kvs"][0]["key"]
        return base64.b64decode(key) in self.keys()[:1]

    def session(self):
        return self.said["kvs"][0]["lease"]

    def fence(self):
        return self.said["kvs"][0]["create_revision"]

    def pid(self):
        return self.process.pid


KINDS = {"redis-py": RedisLock, "kazoo": Kazoo, "etcdctl": Etcdctl}

# What a question is answered with.
QUESTIONS = {
    "contenders": json.dumps,
    "holders": json.dumps,
    "owned": lambda owned: "yes" if owned else "no",
    "session": str,
    "fence": str,
    "pid": str,
}


class Actor:
    def __init__(self, lock):
        self.lock = lock
        self.held = False

    def answer(self, command, *arguments):
        if command in ("try", "wait"):
            seconds = float(arguments[0]) if arguments else None
            self.held = self.lock.take(0 if command == "try" else seconds)
            return "held" if self.held else "busy"
        if command == "release":
            self.held = False
            self.lock.release()
            return "released"
        if command == "extend":
            self.lock.extend(float(arguments[0]))
            return "extended"
        if command == "pid" and not hasattr(self.lock, "pid"):
            return str(os.getpid())
        return QUESTIONS[command](getattr(self.lock, command)())

    def close(self):
        if self.held:
            self.lock.release()
        if hasattr(self.lock, "close"):
            self.lock.close()


def say(line):
    print(line, flush=True)


def main():
    logging.disable(logging.CRITICAL)
    kind, options = sys.argv[1:]
    actor = Actor(KINDS[kind](**json.loads(options)))
    say("ready")
    for line in sys.stdin:
        try:
            say(actor.answer(*line.split()))
        except Exception as error:
            say(f"error {type(error).__name__}: {error}".replace("\n", " "))
    actor.close()


if __name__ == "__main__":
    main()
