# SPDX-License-Identifier: Apache-2.0
# See README.md for what every client does here. For Debian's python3-redis.
import sys
import time

import redis
from redis.cluster import ClusterNode, RedisCluster

mode, port = sys.argv[1], int(sys.argv[2])


def connect():
    if mode == "cluster":
        return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)])
    return redis.Redis(port=port)


client = connect()


def check(condition, what):
    if not condition:
        sys.exit("WRONG " + what)


check(client.set("compat:k", b"v\x00\r\n"), "set")
check(client.get("compat:k") == b"v\x00\r\n", "get")
client.delete("compat:n")
pipeline = client.pipeline(transaction=False) if mode != "cluster" else client.pipeline()
for _ in range(100):
    pipeline.incr("compat:n")
check(pipeline.execute()[99] == 100, "pipeline")
print("READY", flush=True)

sets = errors = acknowledged = 0
end = time.monotonic() + 6
i = 0
while time.monotonic() < end:
    i += 1
    try:
        client.set("compat:seq", i)
        acknowledged = i
        sets += 1
        read = int(client.get("compat:seq"))
        check(read >= acknowledged, f"read {read} after {acknowledged}")
    except redis.exceptions.RedisClusterException:
        # redis-py 4.3 cannot ask a node anew that it has lost once ("cannot pickle '_thread.lock'").
        errors += 1
        client = connect()
    except redis.RedisError:
        errors += 1
        time.sleep(0.02)
check(int(client.get("compat:seq")) >= acknowledged, "the last write")
print(f"DONE sets={sets} errors={errors}")
