#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has Kvorum become slower? A short paired comparison that can say no.

This build and a neighbour (redis-server with appendfsync always, or with --baseline another
kvorum-server) are started in turn, A B A B, on the same disk, and get the same load. Each pair gives
a ratio; the median of the pairs is held against benchmark/expected.json. Only ratios are judged, so
the verdict does not depend on the machine. When a ratio is out of bounds, as many pairs again are
measured and all are judged together: a disturbance must last to be called a loss. Exit code 1 then.
"""
import argparse
import json
import os
import statistics
import sys

from measure import Measure, shapes
from peers import kvorum, peers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEYS = 20000


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"))
    parser.add_argument("--baseline", default="", help="a kvorum-server to compare with")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--duration", type=float, default=1.5, help="seconds of each load")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build/bench"))
    parser.add_argument("--expected", default=os.path.join(ROOT, "benchmark/expected.json"))
    arguments = parser.parse_args(argv)
    if arguments.baseline and not os.access(arguments.baseline, os.X_OK):
        parser.error(f"--baseline: {arguments.baseline} is no program")
    if arguments.pairs < 1:
        parser.error("--pairs: at least 1")
    return arguments


def one(start, measure, loads, folder):
    """Shape -> figure."""
    system = start(folder)
    try:
        measure.fill(system)
        return {shape.name: measure.figure(system, shape) for shape in loads}
    finally:
        system.close()


def ratios(pairs, shape):
    """(throughput, p99), each the median over the pairs. A figure with errors is no figure."""
    def of(what):
        return statistics.median(ours[shape][what] / max(theirs[shape][what], 1e-9) for ours, theirs in pairs)
    return of("per_s"), of("p99")


def judge(pairs, bounds):
    """[(shape, throughput ratio, p99 ratio, what is wrong or '')]"""
    verdicts = []
    for shape, bound in bounds.items():
        rate, p99 = ratios(pairs, shape)
        failed = {word: count for ours, _ in pairs for word, count in ours[shape]["failed"].items()}
        wrong = []
        if rate < bound["least"]:
            wrong.append(f"throughput below {bound['least']:g}")
        if p99 > bound["p99_most"]:
            wrong.append(f"p99 above {bound['p99_most']:g}")
        if failed:
            wrong.append("errors " + ", ".join(f"{word} x {count}" for word, count in failed.items()))
        verdicts.append((shape, rate, p99, "; ".join(wrong)))
    return verdicts


def main():
    arguments = parse(sys.argv[1:])
    with open(arguments.expected) as file:
        expected = json.load(file)
    by_name = {peer.name: peer for peer in peers(arguments.bin, {})}
    ours = by_name["kvorum-3"].start
    if arguments.baseline:
        name, title = "baseline", arguments.baseline
        theirs = kvorum(os.path.abspath(arguments.baseline), 3)
    else:
        name = "redis7-always"
        title, theirs = by_name[name].title, by_name[name].start
    bounds = expected[name]
    loads = [shape for shape in shapes(1) if shape.name in bounds]
    measure = Measure(arguments.bin, KEYS, arguments.duration, 1)
    os.makedirs(arguments.folder, exist_ok=True)
    pairs = []
    for attempt in (1, 2):
        for _ in range(arguments.pairs):
            print(f"pair {len(pairs) + 1}", file=sys.stderr)
            pairs.append((one(ours, measure, loads, arguments.folder), one(theirs, measure, loads, arguments.folder)))
        verdicts = judge(pairs, bounds)
        if not any(wrong for *_, wrong in verdicts):
            break
        if attempt == 1:
            print("out of bounds: measuring as many pairs again", file=sys.stderr)
    print(f"Kvorum, 3 nodes, relative to {title}; medians of {len(pairs)} pairs:")
    for shape, rate, p99, wrong in verdicts:
        print(f"  {shape:12} throughput {rate:5.2f}  p99 {p99:5.2f}  {'LOSS: ' + wrong if wrong else 'as expected'}")
    lost = any(wrong for *_, wrong in verdicts)
    print("bench-check: a clear loss" if lost else "bench-check: no loss")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
