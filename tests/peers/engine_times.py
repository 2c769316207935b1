"""How long the clients of others take: `engine_times.py redis-py|kazoo URL`.

It says `ready` when it is connected. Then commands come on standard input, answers go to standard output:

    cycle N    takes and lets go N times a lock that nobody else wants    N times in microseconds
    wait       says `waiting`, and waits for a lock that others have      when it had it, by CLOCK_MONOTONIC, in ns
"""

import sys
import time


def redis_py(url):
    import redis

    client = redis.from_url(url)
    client.ping()
    return lambda name: client.lock(name, timeout=10)


def kazoo(url):
    from kazoo.client import KazooClient

    client = KazooClient(hosts=url.removeprefix("zookeeper://"), timeout=10)
    client.start(timeout=20)
    return lambda name: client.Lock("/" + name)


KINDS = {"redis-py": redis_py, "kazoo": kazoo}


def cycle(lock):
    start = time.perf_counter()
    lock.acquire()
    lock.release()
    return (time.perf_counter() - start) * 1e6


def main(kind, url):
    lock = KINDS[kind](url)
    free, contended = lock("bench-" + kind), lock("bench-hand-off")
    print("ready", flush=True)
    for line in sys.stdin:
        command, *times = line.split()
        if command == "cycle":
            print(*(f"{cycle(free):.2f}" for _ in range(int(times[0]))), flush=True)
            continue
        print("waiting", flush=True)
        contended.acquire()
        got = time.monotonic_ns()
        contended.release()
        print(got, flush=True)


main(*sys.argv[1:])
