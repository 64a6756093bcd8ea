#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kvorum beside its peers, on one machine, in one run.

Each round starts every system in turn on a fresh folder of the same disk, drives it with
redis-benchmark, and stops it; rounds are interleaved and medians are reported, as ratios. etcd is
driven by its own `etcdctl check perf`. Absolute figures belong to the machine; ratios travel.

At the end of each Kvorum run the number of keys that must be there is checked.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SHAPES = [  # name, redis-benchmark arguments, requests
    ("1 client", ["-c", "1"], 4000),
    ("50 clients", ["-c", "50"], 100000),
    ("50 clients, pipeline 16", ["-c", "50", "-P", "16"], 400000),
]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    sys.exit(f"benchmark: {what} did not happen in time")


def ask(port, *argv):
    result = subprocess.run(["redis-cli", "-p", str(port), *argv], capture_output=True, text=True)
    return result.stdout.strip()


class System:
    """Processes in a folder; ended and removed by close()."""

    def __init__(self, name):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="kvorum-bench-", dir=ARGUMENTS.folder)
        self.processes = []

    def start(self, argv, log):
        out = open(os.path.join(self.folder, log), "wb")
        self.processes.append(subprocess.Popen(argv, stdout=out, stderr=out, cwd=self.folder))

    def cpu_seconds(self):
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0
        for process in self.processes:
            with open(f"/proc/{process.pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / ticks

    def close(self):
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def kvorum(nodes, *extra):
    system = System("kvorum")
    ports = free_ports(2 * nodes)
    members = " ".join(f"{i + 1}=127.0.0.1:{ports[2 * i]}@{ports[2 * i + 1]}" for i in range(nodes))
    binary = os.path.join(os.path.abspath(ARGUMENTS.bin), "kvorum-server")
    for i in range(nodes):
        system.start([binary, "--node-id", str(i + 1), "--cluster-nodes", members,
                      "--dir", os.path.join(system.folder, f"node-{i + 1}"), *extra], f"{i}.log")

    def leader():
        for i in range(nodes):
            if ask(ports[2 * i], "ROLE").startswith("master"):
                system.port = ports[2 * i]
                return True
        return False

    wait_until(leader, "an election")
    return system


def redis(*extra):
    system = System("redis")
    system.port = free_ports(1)[0]
    system.start(["redis-server", "--port", str(system.port), "--dir", system.folder, "--save", "",
                  *extra], "redis.log")
    wait_until(lambda: ask(system.port, "PING") == "PONG", "redis-server's start")
    return system


SYSTEMS = {
    "Kvorum, 3 nodes": lambda: kvorum(3),
    "Kvorum, 3 nodes, quorum reads": lambda: kvorum(3, "--read-mode", "quorum"),
    "Kvorum, 1 node": lambda: kvorum(1),
    "Redis, appendfsync always": lambda: redis("--appendonly", "yes", "--appendfsync", "always"),
    "Redis, no persistence": lambda: redis(),
}


def measure(system, command, shape, requests):
    cpu = system.cpu_seconds()
    output = subprocess.run(
        ["redis-benchmark", "-p", str(system.port), "-t", command, "-d", "64", "-r", "100000",
         "-n", str(requests), "--csv", *shape],
        capture_output=True, text=True, check=True).stdout
    fields = [f.strip('"') for f in output.strip().splitlines()[-1].split(",")]
    # test, rps, avg, min, p50, p95, p99, max
    return {"rps": float(fields[1]), "p50": float(fields[4]), "p99": float(fields[6]),
            "cpu": (system.cpu_seconds() - cpu) / requests * 1e6}


def one_round(figures, scale):
    for name, make in SYSTEMS.items():
        system = make()
        try:
            for shape_name, shape, requests in SHAPES:
                for command in ("set", "get"):
                    count = max(500, int(requests * scale))
                    figure = measure(system, command, shape, count)
                    figures.setdefault((name, command, shape_name), []).append(figure)
            if name.startswith("Kvorum") and int(ask(system.port, "DBSIZE")) == 0:
                sys.exit("benchmark: acknowledged keys are gone")
        finally:
            system.close()


def etcd_writes():
    """Three nodes, driven by etcd's own load generator (a minute; 64 clients and up)."""
    system = System("etcd")
    ports = free_ports(6)
    members = ",".join(f"n{i}=http://127.0.0.1:{ports[2 * i + 1]}" for i in range(3))
    endpoints = ",".join(f"http://127.0.0.1:{ports[2 * i]}" for i in range(3))
    try:
        for i in range(3):
            client, peer = f"http://127.0.0.1:{ports[2 * i]}", f"http://127.0.0.1:{ports[2 * i + 1]}"
            system.start(["etcd", "--name", f"n{i}", "--data-dir", os.path.join(system.folder, str(i)),
                          "--listen-client-urls", client, "--advertise-client-urls", client,
                          "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                          "--initial-cluster", members], f"{i}.log")
        env = dict(os.environ, ETCDCTL_API="3")
        healthy = lambda: subprocess.run(["etcdctl", "--endpoints", endpoints, "endpoint", "health"],
                                         env=env, capture_output=True).returncode == 0
        wait_until(healthy, "etcd's start", 40)
        output = subprocess.run(["etcdctl", "--endpoints", endpoints, "check", "perf", "--load", "xl"],
                                env=env, capture_output=True, text=True)
        match = re.search(r"(\d+) writes/s", output.stdout + output.stderr)
        return float(match.group(1)) if match else None
    finally:
        system.close()


def median(figures, key, what):
    return statistics.median(f[what] for f in figures[key])


def report(figures, etcd, rounds):
    lines = [f"{os.cpu_count()} cores, {rounds} interleaved rounds, medians. 64-byte values, 100,000 keys.", ""]
    base = {"set": "Redis, appendfsync always", "get": "Redis, no persistence"}
    for command in ("set", "get"):
        lines += [f"**{command.upper()}**, throughput relative to *{base[command]}* (p99 relative in brackets)", "",
                  "| | " + " | ".join(s[0] for s in SHAPES) + " | server CPU us per operation, 50 clients |",
                  "|---" * (len(SHAPES) + 2) + "|"]
        for name in SYSTEMS:
            row = [name]
            for shape, _, _ in SHAPES:
                key, against = (name, command, shape), (base[command], command, shape)
                rps = median(figures, key, "rps") / median(figures, against, "rps")
                p99 = median(figures, key, "p99") / max(median(figures, against, "p99"), 0.001)
                row.append(f"{rps:.2f} ({p99:.2f})")
            row.append(f"{median(figures, (name, command, '50 clients'), 'cpu'):.1f}")
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    if etcd:
        ours = median(figures, ("Kvorum, 3 nodes", "set", "50 clients"), "rps")
        lines += [f"Three-node etcd, writes by `etcdctl check perf --load xl`: Kvorum's SET with 50 clients is "
                  f"{ours / etcd:.1f} x that.", ""]
    spread = max(max(f["rps"] for f in fs) / min(f["rps"] for f in fs) for fs in figures.values())
    lines.append(f"Largest spread between rounds of one figure: {spread:.2f} x"
                 + (" (a noisy machine)." if spread > 1.5 else "."))
    return "\n".join(lines) + "\n"


def main():
    global ARGUMENTS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of kvorum-server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the numbers of requests")
    parser.add_argument("--folder", help="where data goes (default: the temporary folder)")
    parser.add_argument("--no-etcd", action="store_true")
    parser.add_argument("--output", help="write the report here as well")
    ARGUMENTS = parser.parse_args()
    for tool in ["redis-server", "redis-benchmark", "redis-cli"] + ([] if ARGUMENTS.no_etcd else ["etcd", "etcdctl"]):
        if shutil.which(tool) is None:
            sys.exit(f"benchmark: {tool} is missing")
    figures = {}
    for number in range(ARGUMENTS.rounds):
        print(f"round {number + 1} of {ARGUMENTS.rounds}", file=sys.stderr)
        one_round(figures, ARGUMENTS.scale)
    etcd = None if ARGUMENTS.no_etcd else etcd_writes()
    text = report(figures, etcd, ARGUMENTS.rounds)
    print(text)
    absolute = {" / ".join(key): [round(f["rps"]) for f in values] for key, values in figures.items()}
    print(json.dumps(absolute, indent=1), file=sys.stderr)
    if ARGUMENTS.output:
        with open(ARGUMENTS.output, "w") as out:
            out.write(text)


if __name__ == "__main__":
    main()
