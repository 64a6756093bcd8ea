#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kvorum beside its peers, on one machine, in one run.

Each round starts every system in turn on a fresh folder of the same disk, fills it, drives it with
kvorum-bench and redis-benchmark, reads sampled keys back and ends it: rounds are interleaved, A B A B,
so that what the machine does meanwhile hits all alike. Medians are reported, as ratios. Writes
benchmark/report.md and build/bench/chart.svg.
"""
import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time

import chart
import etcd_writes
import newer_servers
import report
from measure import LARGE_VALUE_BYTES, Measure, sampled_keys, shapes, VALUE_BYTES
from peers import peers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAMPLED_KEYS = 500


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bin"), help="folder of the programs")
    parser.add_argument("--quick", action="store_true", help="short rounds of the most telling systems: about two minutes")
    parser.add_argument("--rounds", type=int, help="default: 5, quick 3")
    parser.add_argument("--only", default="", help="names of systems, separated by commas; see --list")
    parser.add_argument("--list", action="store_true", help="the names there are")
    parser.add_argument("--rate", type=int, default=2000, help="of the open loop, commands a second")
    parser.add_argument("--duration", type=float, help="seconds of each load; default: 3, quick 0.5")
    parser.add_argument("--keys", type=int, help="default: 100000, quick 20000")
    parser.add_argument("--no-newer", action="store_true", help="leave Redis 8 and Valkey 8 out")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build/bench"), help="where data and the chart go")
    parser.add_argument("--output", default=os.path.join(ROOT, "benchmark/report.md"), help="where the report goes")
    arguments = parser.parse_args(argv)
    for name, usual, quick in (("rounds", 5, 3), ("duration", 3.0, 0.5), ("keys", 100000, 20000)):
        if getattr(arguments, name) is None:
            setattr(arguments, name, quick if arguments.quick else usual)
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name}: must be above 0")
    return arguments


def choose(rows, arguments):
    names = [name for name in arguments.only.split(",") if name]
    unknown = set(names) - {peer.name for peer in rows} - {"etcd"}
    if unknown:
        sys.exit(f"side_by_side: no such system: {', '.join(sorted(unknown))}; see --list")
    if names:
        return [peer for peer in rows if peer.name in names]
    return [peer for peer in rows if peer.quick or not arguments.quick]


def one_run(peer, figures, measure, loads, folder):
    system = peer.start(folder)
    try:
        measure.fill(system)
        for shape in loads:
            figure = measure.figure(system, shape)
            if figure is not None:
                figures.add(peer.name, shape.name, figure)
        figures.rss_mib.setdefault(peer.name, []).append(sum(system.rss_mib()))
        sample = sampled_keys(measure.keys, SAMPLED_KEYS)
        missing = system.missing(sample, (VALUE_BYTES, LARGE_VALUE_BYTES))
        figures.missing[peer.name] = figures.missing.get(peer.name, 0) + missing
        figures.sampled[peer.name] = figures.sampled.get(peer.name, 0) + len(sample)
    finally:
        system.close()


def commit():
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def about(arguments, newer):
    versions = [f"redis-server {newer_servers.version(['redis-server'])}"]
    versions += [f"{name} {newer_servers.version(command)}" for name, command in newer.items()]
    options = f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""
    return [f"Kvorum at commit {commit()}; {', '.join(versions)}. {report.machine()}; generators and servers share them.",
            f"{arguments.rounds} interleaved rounds, medians; {arguments.duration:g} s a load; {VALUE_BYTES}-byte values, "
            f"{arguments.keys:,} keys. Repeat it: `make bench{options}`.",
            "Closed loops report service time: a server that stalls is asked less, which flatters its tail. "
            "The open loop does not have that fault."]


def etcd_notes(arguments, figures):
    if arguments.only and "etcd" not in arguments.only.split(","):
        return []
    if arguments.quick and not arguments.only:
        return ["etcd is left out of --quick: its load generator runs for a minute."]
    print("etcd, by its own load generator", file=sys.stderr)
    writes = etcd_writes.writes_per_second(arguments.folder)
    if writes is None:
        return ["etcd is left out: it is not here, or its load generator said nothing."]
    ours = figures.median("kvorum-3", "set-50", "per_s")
    beside = f"; Kvorum's SET with 50 clients is {ours / writes:.1f} x that" if ours else ""
    return [f"Three-node etcd writes {writes:,.0f} a second by `etcdctl check perf --load xl`{beside}."]


def main():
    arguments = parse(sys.argv[1:])
    for tool in ("redis-server", "redis-benchmark"):
        if shutil.which(tool) is None:
            sys.exit(f"side_by_side: {tool} is missing")
    os.makedirs(arguments.folder, exist_ok=True)
    newer, why_not = {}, ""
    if not arguments.no_newer:
        newer, why_not = newer_servers.prepare(os.path.join(arguments.folder, newer_servers.SUITE))
    every = peers(arguments.bin, newer)
    if arguments.list:
        print("\n".join(f"{peer.name:18} {peer.title}: {peer.promise}" for peer in every) + "\netcd")
        return 0
    chosen, loads = choose(every, arguments), shapes(arguments.rate)
    said = about(arguments, newer)
    busy = "" if report.load_average() < os.cpu_count() / 2 else \
        "The machine did other things meanwhile: all ratios are rough."
    measure = Measure(arguments.bin, arguments.keys, arguments.duration, 8000 if arguments.quick else 100000)
    figures = report.Figures()
    began = time.monotonic()
    for number in range(arguments.rounds):
        for peer in chosen:
            one_began = time.monotonic()
            one_run(peer, figures, measure, loads, arguments.folder)
            print(f"round {number + 1} of {arguments.rounds}: {peer.title}, {time.monotonic() - one_began:.1f} s",
                  file=sys.stderr, flush=True)
    extra = [note for note in (busy, why_not) if note] + etcd_notes(arguments, figures)
    text = report.write(figures, chosen, loads, said, extra)
    with open(arguments.output, "w") as out:
        out.write(text)
    picture = os.path.join(arguments.folder, "chart.svg")
    with open(picture, "w") as out:
        out.write(chart.of_figures(figures, chosen, loads, f"Kvorum at {commit()}, {arguments.rounds} rounds, medians"))
    print(text)
    print(f"{time.monotonic() - began:.0f} s; {os.path.relpath(arguments.output)}, {os.path.relpath(picture)}",
          file=sys.stderr)
    if any(figures.missing.values()):
        print("side_by_side: keys are missing, see the notes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
