#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What shows only with many keys or many connections, beside one durable Redis.

One system after the other: start to first reply, idle CPU, then `--keys` keys of 16 bytes with values of
64: memory, writing all of it down while clients write (RAFT SNAPSHOT, BGREWRITEAOF), a kill and the time
until the keys are served again, idle connections, a new follower under load. Prints a Markdown table.
"""
import argparse
import os
import resource
import socket
import statistics
import sys
import threading
import time

from measure import Measure, VALUE_BYTES, sampled_keys
from peers import ALWAYS, ask, free_port, join, kvorum, redis, votes, wait_until
from side_by_side import ROOT, commit

PATIENCE_S = 600.0
STARTS = 5
SAMPLED_KEYS = 1000
CLIENTS = ("--clients", 50)
CLIENT_LIMIT = ("--maxclients", "15000")
NEW_ID = 9
LOOK_S = 0.1  # seldom enough not to be a load itself


class Kvorum:
    """`write_down`: the command that starts to write the whole state."""
    write_down = ("RAFT", "SNAPSHOT")

    def __init__(self, binary, nodes):
        self.title = f"Kvorum, {nodes} node{'s' if nodes > 1 else ''}"
        self.binary = binary
        self.start = kvorum(binary, nodes, *CLIENT_LIMIT)

    def add_follower(self, system):
        join(system, self.binary, NEW_ID)

    def follows(self, system):
        return votes(system.port, NEW_ID)


class Redis:
    write_down = ("BGREWRITEAOF",)

    def __init__(self):
        self.title = "Redis 7, always"
        self.start = redis(["redis-server"], *ALWAYS, *CLIENT_LIMIT)
        self.follower = None

    def add_follower(self, system):
        self.follower = free_port()
        system.start(["redis-server", "--port", self.follower, "--replicaof", f"127.0.0.1 {system.port}",
                      "--save", "", "--dir", "."])

    def follows(self, _):
        return b"master_link_status:up" in (ask(self.follower, "INFO", "replication") or b"")


def writes_down(port):
    fields = ask(port, "INFO", "persistence") or b""
    return b"aof_rewrite_in_progress:1" in fields or b"rdb_bgsave_in_progress:1" in fields


class Rows:
    def __init__(self):
        self.rows = {}

    def add(self, what, title, text):
        print(f"  {what}: {text}", file=sys.stderr, flush=True)
        self.rows.setdefault(what, {})[title] = text

    def table(self):
        titles = list(dict.fromkeys(title for by in self.rows.values() for title in by))
        lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]
        lines += [f"| {what} | " + " | ".join(by.get(title, "") for title in titles) + " |"
                  for what, by in self.rows.items()]
        return "\n".join(lines)


class Session:
    """One system, from its first start to its end."""

    def __init__(self, kind, system, measure, rows):
        self.kind = kind
        self.system = system
        self.measure = measure
        self.rows = rows

    def add(self, what, text):
        self.rows.add(what, self.kind.title, text)

    def load(self, seconds, *argv):
        result = self.measure.run_bench(self.system, "--duration", seconds, *CLIENTS, *argv)
        if result["errors"] or result["unanswered"]:
            raise RuntimeError(f"{self.kind.title}: {result['errors']}, {result['unanswered']} not answered")
        return result["writes"]

    def run(self, connections):
        self.idle()
        self.fill()
        self.writing_down()
        self.restart()
        self.idle_connections(connections)
        self.new_follower()

    def idle(self):
        time.sleep(1.0)
        before, began = self.system.cpu_seconds(), time.monotonic()
        time.sleep(3 * self.measure.duration_s)
        share = (self.system.cpu_seconds() - before) / (time.monotonic() - began) / len(self.system.processes)
        self.add("idle, % of a core each", f"{share * 100:.2f}")

    def idle_connections(self, count):
        alone = self.load(self.measure.duration_s)
        before = self.system.rss_mib()
        sockets = []
        try:
            for _ in range(count):
                sockets.append(socket.create_connection(("127.0.0.1", self.system.port)))
                sockets[-1].sendall(b"*1\r\n$4\r\nPING\r\n")
                sockets[-1].recv(16)
            grown = sum(self.system.rss_mib()) - sum(before)
            beside = self.load(self.measure.duration_s)
        finally:
            for one in sockets:
                one.close()
        self.add(f"{count:,} idle connections, KiB each", f"{grown * 1024 / count:.2f}")
        self.add("... p99 of SET, times that without them", f"{beside['p99_us'] / alone['p99_us']:.2f}")

    def fill(self):
        before, began = self.system.rss_mib(), time.monotonic()
        self.measure.fill(self.system)
        self.add("filling, thousand keys a second", f"{self.measure.keys / (time.monotonic() - began) / 1e3:.0f}")
        # What filling itself needed is given back first: the log behind a snapshot, the allocator's spare pages.
        self.write_down()
        time.sleep(3 * self.measure.duration_s)
        self.load(self.measure.duration_s)
        grown = [full - empty for full, empty in zip(self.system.rss_mib(), before)]
        self.add("memory, bytes a key in each process (16 + 64 are payload)",
                 " ".join(f"{mib * 2**20 / self.measure.keys:.0f}" for mib in grown))

    def write_down(self):
        """How long the leader took. One that it has begun of its own accord is waited for first."""
        self.wait_for_disk()
        began = time.monotonic()
        ask(self.system.port, *self.kind.write_down)
        time.sleep(LOOK_S)
        self.wait_for_disk()
        return time.monotonic() - began

    def wait_for_disk(self):
        wait_until(lambda: not writes_down(self.system.port), "the state on the disk", PATIENCE_S, LOOK_S)

    def writing_down(self):
        """Without load, then again and again under load, so that nearly always one is under way."""
        quiet = self.write_down()
        self.add("all of it written down, no load, s", f"{quiet:.1f}")
        seconds = max(self.measure.duration_s, 2 * quiet)
        alone = self.load(seconds)
        over, took = threading.Event(), []

        def again_and_again():
            while not over.is_set():
                took.append(self.write_down())
        writer = threading.Thread(target=again_and_again)
        writer.start()
        try:
            beside = self.load(seconds)
        finally:
            over.set()
            writer.join()
        self.add("... under load, s", f"{statistics.median(took):.1f}")
        self.add("... SETs a second, times that without", f"{beside['per_s'] / alone['per_s']:.2f}")
        self.add("... p99, times that without", f"{beside['p99_us'] / alone['p99_us']:.2f}")
        self.add("... longest wait, ms (without)", f"{beside['max_us'] / 1e3:.1f} ({alone['max_us'] / 1e3:.1f})")

    def restart(self):
        self.write_down()
        sample = sampled_keys(self.measure.keys, SAMPLED_KEYS)
        began = time.monotonic()
        self.system.kill_and_start()
        self.add("kill -9 of all, until served again, s", f"{time.monotonic() - began:.2f}")
        if missing := self.system.missing(sample, (VALUE_BYTES,)):
            raise RuntimeError(f"{self.kind.title}: {missing} of {len(sample)} keys are missing")

    def new_follower(self):
        """The load is a third of what can be reached, in an open loop: a leader that is asked for all
        it has says nothing about what a follower costs it."""
        rate = ("--rate", int(self.load(self.measure.duration_s)["per_s"] / 3))
        alone = self.load(self.measure.duration_s, *rate)
        began = time.monotonic()
        self.kind.add_follower(self.system)
        pieces = []
        while not pieces or not self.kind.follows(self.system):
            pieces.append(self.load(self.measure.duration_s, *rate)["p99_us"])
            if time.monotonic() - began > PATIENCE_S:
                raise TimeoutError(f"{self.kind.title}: the follower is not in step")
        self.add(f"new follower in step, s (looked at every {self.measure.duration_s:g})", f"{time.monotonic() - began:.1f}")
        self.add("... p99 of SET meanwhile, times that before", f"{statistics.median(pieces) / alone['p99_us']:.2f}")


def first_replies(kind, folder, rows):
    took = []
    for _ in range(STARTS):
        began = time.monotonic()
        system = kind.start(folder)
        took.append(time.monotonic() - began)
        system.close()
    rows.add("start to first reply, empty, ms", kind.title, f"{statistics.median(took) * 1e3:.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="folder of the programs")
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    parser.add_argument("--only", default="1,3,redis", help="Kvorum with so many nodes, or redis")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build/bench"), help="where data goes")
    arguments = parser.parse_args()
    wanted = arguments.connections + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(f"large: {wanted} files are needed, the limit is {hard}: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    os.makedirs(arguments.folder, exist_ok=True)
    server = os.path.join(os.path.abspath(arguments.bin), "kvorum-server")
    measure = Measure(arguments.bin, arguments.keys, arguments.seconds, 0)
    rows = Rows()
    for name in arguments.only.split(","):
        kind = Redis() if name == "redis" else Kvorum(server, int(name))
        print(kind.title, file=sys.stderr, flush=True)
        first_replies(kind, arguments.folder, rows)
        system = kind.start(arguments.folder)
        try:
            Session(kind, system, measure, rows).run(arguments.connections)
        finally:
            system.close()
    print(f"Kvorum at commit {commit()}; {arguments.keys:,} keys, {os.cpu_count()} processors.\n\n{rows.table()}")


if __name__ == "__main__":
    main()
