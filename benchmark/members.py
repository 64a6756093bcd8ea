#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Members that come and go under load: from one node to three and to five, and a dead one replaced.

Clients write at a fixed rate, an open loop, all the time: what a change costs them is their p99 while it
goes on, beside the p99 just before it, and their errors. The time is from the start of the first new
process until all new nodes vote. In the end every key that was there before is read. Prints a Markdown table.
"""
import argparse
import os
import sys
import tempfile
import threading
import time

from measure import Measure, VALUE_BYTES, sampled_keys
from peers import ask, join, kvorum, raft_nodes, votes, wait_until
from side_by_side import ROOT, commit

PATIENCE_S = 120.0
CLIENTS = 20
SAMPLED_KEYS = 1000


class Load:
    """Writes, piece after piece, until it is told to end."""

    def __init__(self, measure, system, rate):
        self.measure = measure
        self.system = system
        self.rate = rate

    def piece(self):
        return self.measure.run_bench(self.system, "--cluster", "--clients", CLIENTS, "--rate", self.rate, "--duration",
                                      self.measure.duration_s)

    def beside(self, work):
        """(seconds that work() took, the pieces that ran meanwhile)"""
        pieces, over = [], threading.Event()

        def run():
            while not over.is_set():
                pieces.append(self.piece())
        thread = threading.Thread(target=run)
        thread.start()
        try:
            began = time.monotonic()
            work()
            took = time.monotonic() - began
        finally:
            over.set()
            thread.join()
        return took, pieces


class Cluster:
    """Node i is process i - 1. The first one leads from the beginning to the end."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.system = kvorum(binary, 1)(folder)

    def add(self, count):
        first = len(self.system.processes) + 1
        ids = range(first, first + count)
        for number in ids:
            join(self.system, self.binary, number)
        wait_until(lambda: all(votes(self.system.port, number) for number in ids), "the new nodes vote", PATIENCE_S)

    def replace(self, dead):
        self.system.processes[dead - 1].kill()
        port = self.system.port
        wait_until(lambda: ask(port, "RAFT", "REMOVE", dead) == "OK" or dead not in raft_nodes(port),
                   "the dead node is removed", PATIENCE_S)
        self.add(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="folder of the programs")
    parser.add_argument("--keys", type=int, default=1_000_000, help="there before, 16 bytes each, values of 64")
    parser.add_argument("--rate", type=int, default=2000, help="writes a second")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each piece of load")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where data goes")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    measure = Measure(arguments.bin, arguments.keys, arguments.seconds, 0)
    cluster = Cluster(os.path.join(os.path.abspath(arguments.bin), "kvorum-server"), arguments.folder)
    load = Load(measure, cluster.system, arguments.rate)
    steps = [("from one node to three", lambda: cluster.add(2)),
             ("from three to five", lambda: cluster.add(2)),
             ("a follower killed, removed, and a new node in its place", lambda: cluster.replace(3))]
    rows = []
    try:
        measure.fill(cluster.system)
        for title, step in steps:
            alone = load.piece()["writes"]["p99_us"] / 1e3
            took, pieces = load.beside(step)
            errors = sum(sum(piece["errors"].values()) + piece["unanswered"] for piece in pieces)
            written = sum(piece["completed"] for piece in pieces)
            worst = max(piece["writes"]["p99_us"] for piece in pieces) / 1e3
            rows.append(f"| {title} | {took:.1f} | {alone:.1f} | {worst:.1f} | {written:,} | {errors} |")
            print(rows[-1], file=sys.stderr, flush=True)
        sample = sampled_keys(arguments.keys, SAMPLED_KEYS)
        missing = cluster.system.missing(sample, (VALUE_BYTES,))
    finally:
        cluster.system.close()
    print(f"Kvorum at commit {commit()}; {arguments.keys:,} keys, {arguments.rate:,} writes a second, {os.cpu_count()} processors. "
          f"{len(sample)} keys looked for afterwards, {missing} missing.\n")
    print(f"| | s | p99 of SET before, ms | worst p99 of {arguments.seconds:g} s meanwhile, ms | writes meanwhile | errors |\n|---|---|---|---|---|---|")
    print("\n".join(rows))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
