# SPDX-License-Identifier: Apache-2.0
"""The systems that are measured: how each is started, asked and ended.

A peer is a row of PEERS: what it is called, what an answered write of it means, and how to start it.
Processes run in a folder of their own on the disk that is measured, and end with this process.
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from kvorum_cluster import Client, ReplyError, die_with_parent, free_port, wait_until  # noqa: E402

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SERVE_S = 600.0  # a start with much to load


def ask(port, *argv):
    """The reply, or None when there is none to be had."""
    try:
        with Client(port, timeout=2.0) as client:
            return client(*argv)
    except (OSError, ReplyError):
        return None


class System:
    """Processes in a folder, and the port that is to be asked. `serving`: finds that port, None until
    somebody serves. `after`: a command that has to follow a write before it counts as answered."""

    def __init__(self, parent_folder):
        self.folder = tempfile.mkdtemp(prefix="kvorum-bench-", dir=parent_folder)
        self.commands = []
        self.processes = []
        self.port = None
        self.serving = None
        self.after = None

    def start(self, argv):
        self.commands.append([str(word) for word in argv])
        self.processes.append(self.spawn(len(self.processes)))

    def spawn(self, number):
        folder = os.path.join(self.folder, str(number))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(self.folder, f"{number}.log"), "ab") as log:
            return subprocess.Popen(self.commands[number], stdout=log, stderr=log, cwd=folder,
                                    preexec_fn=die_with_parent)

    def serve(self, serving, pause=0.02):
        self.serving = serving
        self.port = wait_until(serving, "a server that serves", SERVE_S, pause)

    def kill_and_start(self):
        """kill -9 of all; returns when what they had is served again."""
        self.kill()
        self.processes = [self.spawn(number) for number in range(len(self.commands))]
        self.serve(self.serving, 0.002)

    def pids(self):
        """Those that were started, and their children."""
        found = []
        for process in self.processes:
            found.append(process.pid)
            with open(f"/proc/{process.pid}/task/{process.pid}/children") as children:
                found += map(int, children.read().split())
        return found

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_S

    def rss_mib(self):
        """Of each process."""
        each = []
        for pid in self.pids():
            with open(f"/proc/{pid}/statm") as statm:
                each.append(int(statm.read().split()[1]) * PAGE_BYTES / 2**20)
        return each

    def missing(self, keys, sizes):
        """How many of the keys are not there, or not as long as they were ever written."""
        with Client(self.port, timeout=30.0) as client:
            values = client.pipeline([("GET", key) for key in keys])
        return sum(1 for value in values if not isinstance(value, bytes) or len(value) not in sizes)

    def kill(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def started(make):
    """make(system), and the system; nothing is left behind when that fails."""
    def start(parent_folder):
        system = System(parent_folder)
        try:
            make(system)
            return system
        except BaseException:
            system.close()
            raise
    return start


def kvorum(binary, nodes, *extra):
    def make(system):
        ports = {i: (free_port(), free_port()) for i in range(1, nodes + 1)}
        members = " ".join(f"{i}=127.0.0.1:{port}@{peer}" for i, (port, peer) in ports.items())
        for i in ports:
            system.start([binary, "--node-id", i, "--cluster-nodes", members, "--dir", "data", *extra])

        def leader():
            for port, _ in ports.values():
                role = ask(port, "ROLE")
                # A leader that serves: followers are there, and it has a term of its own.
                if role and role[0] == b"master" and ask(port, "EXISTS", "kvorum-bench") is not None:
                    return port
            return None
        system.serve(leader)
    return started(make)


def join(system, binary, number):
    """A new node that joins the cluster of `system`, which it adds itself to."""
    system.start([binary, "--node-id", number, "--join", f"127.0.0.1:{system.port}", "--port", free_port(),
                  "--raft-port", free_port(), "--dir", "data"])


def raft_nodes(port):
    """What RAFT NODES says there: fields by id. The leader knows most."""
    nodes = [dict(zip(node[::2], node[1::2])) for node in ask(port, "RAFT", "NODES") or []]
    return {node[b"id"]: node for node in nodes}


def votes(port, number):
    return raft_nodes(port).get(number, {}).get(b"membership") == b"voter"


def roofline(binary):
    def make(system):
        port = free_port()
        system.start([binary, "--port", port, "--dir", "."])
        system.serve(lambda: port if ask(port, "PING") == "PONG" else None)
    return started(make)


def redis(command, *extra, replicas=0, after=None):
    """redis-server or valkey-server, alone or with replicas that are in step."""
    def make(system):
        port = free_port()
        system.after = after
        common = ["--save", "", "--dir", ".", "--repl-diskless-sync-delay", "0", *extra]
        system.start([*command, "--port", port, *common])
        system.serve(lambda: port if ask(port, "PING") == "PONG" else None)
        for _ in range(replicas):
            system.start([*command, "--port", free_port(), "--replicaof", f"127.0.0.1 {port}", *common])

        def in_step():
            info = ask(port, "INFO", "replication") or b""
            return info.count(b"state=online") == replicas
        if replicas:
            wait_until(in_step, "replicas")
            # WAITAOF waits for replicas whose first file is still being rewritten.
            if after:
                wait_until(lambda: ask(port, "SET", "kvorum-bench", "1") and
                           ask(port, *after.split()) is not None, after)
    return started(make)


class Peer:
    """`promise`: what is certain when a write is answered. `quick`: part of --quick."""

    def __init__(self, name, title, promise, start, quick=True):
        self.name = name
        self.title = title
        self.promise = promise
        self.start = start
        self.quick = quick


ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")


def peers(bin_folder, newer):
    """All there are. `newer`: commands of newer servers by name, see newer_servers.py."""
    server = os.path.join(os.path.abspath(bin_folder), "kvorum-server")
    redis7 = ["redis-server"]
    rows = [
        Peer("kvorum-3", "Kvorum, 3 nodes", "on 2 of 3 disks", kvorum(server, 3)),
        Peer("kvorum-3-quorum", "Kvorum, 3 nodes, quorum reads", "on 2 of 3 disks",
             kvorum(server, 3, "--read-mode", "quorum"), quick=False),
        Peer("kvorum-1", "Kvorum, 1 node", "on the disk", kvorum(server, 1)),
        Peer("roofline", "Roofline, 3 nodes", "on 2 of 3 disks",
             roofline(os.path.join(os.path.abspath(bin_folder), "kvorum-roofline"))),
        Peer("redis7-none", "Redis 7, no persistence", "in memory", redis(redis7)),
        Peer("redis7-everysec", "Redis 7, everysec", "on the disk within a second or two",
             redis(redis7, *EVERYSEC)),
        Peer("redis7-always", "Redis 7, always", "on the disk", redis(redis7, *ALWAYS)),
        Peer("redis7-wait", "Redis 7, 3 nodes, WAIT 1", "in the memory of 2",
             redis(redis7, replicas=2, after="WAIT 1 0")),
    ]
    for name, title in (("redis8", "Redis 8"), ("valkey", "Valkey 8")):
        if name not in newer:
            continue
        command = newer[name]
        rows += [
            Peer(f"{name}-none", f"{title}, no persistence", "in memory", redis(command), quick=False),
            Peer(f"{name}-always", f"{title}, always", "on the disk", redis(command, *ALWAYS)),
            Peer(f"{name}-waitaof", f"{title}, 3 nodes, WAITAOF 1 1", "on the disks of 2",
                 redis(command, *ALWAYS, replicas=2, after="WAITAOF 1 1 0"), quick=name == "valkey"),
        ]
    return rows
