#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs released client libraries against three real nodes; see README.md beside this file.

    run.py --server build/release/bin/kvorum-server [client ...]

Without names, all of them. Builds happen in copies of the folders, so that the tree stays clean.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from kvorum_cluster import Cluster  # noqa: E402

DEADLINE_S = 60


def build(command, folder):
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def node(name):
    def prepare(folder):
        build(["npm", "install", "--no-audit", "--no-fund", "--silent"], folder)
        return ["node", os.path.join(folder, "client.js")]
    return name, prepare


def go_redis(folder):
    build(["go", "mod", "tidy"], folder)
    build(["go", "build", "-o", "client", "."], folder)
    return [os.path.join(folder, "client")]


def jedis(folder):
    build(["mvn", "-q", "compile", "dependency:copy-dependencies"], folder)
    return ["java", "-cp", f"{folder}/target/classes:{folder}/target/dependency/*", "Client"]


def redis_rs(folder):
    build(["cargo", "build", "--release", "--quiet"], folder)
    return [os.path.join(folder, "target/release/kvorum-compat-redis-rs")]


CLIENTS = {
    "redis-py": ("", lambda _: ["/usr/bin/python3", os.path.join(HERE, "redis_py.py")]),
    "ioredis": node("ioredis"),
    "node-redis": node("node-redis"),
    "go-redis": ("go-redis", go_redis),
    "jedis": ("jedis", jedis),
    "redis-rs": ("redis-rs", redis_rs),
}


def prepare(name, scratch):
    source, make = CLIENTS[name]
    if not source:
        return make(None)
    folder = os.path.join(scratch, source)
    shutil.copytree(os.path.join(HERE, source), folder)
    return make(folder)


def run_client(command, mode, server):
    """One client against a fresh cluster; the leader is killed a second after READY."""
    with Cluster(server, nodes=3) as cluster:
        leader = cluster.wait_for_leader()
        follower = next(n for n in cluster.nodes if n != leader)
        port = cluster.nodes[follower].port if mode == "cluster" else cluster.nodes[follower].proxy_port
        process = subprocess.Popen(command + [mode, str(port)], stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(DEADLINE_S, process.kill)
        watchdog.start()
        last = ""
        for line in process.stdout:
            last = line.strip() or last
            if last == "READY":
                time.sleep(1)
                cluster.kill(leader)
        code = process.wait()
        watchdog.cancel()
        good = code == 0 and last.startswith("DONE") and int(last.split("sets=")[1].split()[0]) > 100
        return good, last or f"exit code {code}"


def run_redis_benchmark(server):
    """Through a proxy port only: its --cluster mode refuses every cluster that has a single master."""
    with Cluster(server, nodes=3) as cluster:
        port = cluster.nodes[cluster.wait_for_follower()].proxy_port
        result = subprocess.run(["redis-benchmark", "-p", str(port), "-t", "set,get,incr", "-n", "20000", "-P", "4",
                                 "-q"], capture_output=True, text=True, timeout=DEADLINE_S)
        text = (result.stdout + result.stderr).replace("\r", "\n")
        good = result.returncode == 0 and "rror" not in text
        return good, "set, get, incr" if good else text[-300:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("clients", nargs="*", default=[])
    arguments = parser.parse_args()
    names = arguments.clients or list(CLIENTS) + ["redis-benchmark"]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="kvorum-compat-") as scratch:
        for name in names:
            benchmark = name == "redis-benchmark"
            command = None if benchmark else prepare(name, scratch)
            for mode in ["plain"] if benchmark else ["cluster", "plain"]:
                good, what = (run_redis_benchmark(arguments.server) if benchmark
                              else run_client(command, mode, arguments.server))
                failed += not good
                print(f"{'ok' if good else 'FAILED':7} {name:16} {mode:8} {what}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
