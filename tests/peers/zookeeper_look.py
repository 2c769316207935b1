"""Looks into a ZooKeeper server for a test: `zookeeper_look.py HOSTS [CA]`; with the certificate of an
authority it speaks TLS.

Questions come as lines of JSON on standard input, answers go as lines of JSON to standard output: `["ls", PATH]`,
`["get", PATH]`, `["create", PATH, DATA]`, `["delete", PATH]`; `{"value": ...}` (null if there is no such znode), or
`{"error": ...}`. A server that is started again is found again.
"""

import json
import logging
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.retry import KazooRetry


def ls(client, path):
    return sorted(client.get_children(path))


def get(client, path):
    data, stat = client.get(path)
    return {
        "data": data.decode(errors="replace"),
        "owner": stat.ephemeralOwner,
        "created": stat.czxid,
        "children": stat.numChildren,
    }


def create(client, path, data):
    return client.create(path, data.encode(), makepath=True)


def delete(client, path):
    if not client.exists(path):
        return False
    client.delete(path, recursive=True)
    return True


QUESTIONS = {"ls": ls, "get": get, "create": create, "delete": delete}


def answer(client, question, *arguments):
    retry = KazooRetry(max_tries=-1, delay=0.01, max_delay=0.1, deadline=20, ignore_expire=True)
    try:
        return {"value": retry(QUESTIONS[question], client, *arguments)}
    except NoNodeError:
        return {"value": None}
    except KazooException as error:
        return {"error": repr(error)}


def main():
    logging.disable(logging.CRITICAL)
    reconnect = {"max_tries": -1, "delay": 0.01, "max_delay": 0.1}
    hosts, *authority = sys.argv[1:]
    tls = {"use_ssl": True, "ca": authority[0], "verify_certs": True} if authority else {}
    client = KazooClient(hosts=hosts, timeout=4, connection_retry=reconnect, **tls)
    client.start(timeout=20)
    for line in sys.stdin:
        print(json.dumps(answer(client, *json.loads(line))), flush=True)
    client.stop()


if __name__ == "__main__":
    main()
