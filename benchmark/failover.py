#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long nobody is served when the leader dies, beside etcd, Sentinel and Cluster.

Three nodes (Cluster: three masters with a replica each) on this machine, and a few clients, each
writing one new key after the other, as fast as it is answered. Then the leader is killed (or stopped, or
asked to end), and the time is taken until the first write is acknowledged that was sent after that moment.
A client that is not answered within CLIENT_TIMEOUT_S, or is answered an error, asks another node at once:
no peer is charged for what a client library does on top. When the trial is over, all keys are read: one
that was acknowledged and is not there is a lost write.

Prints a Markdown table. `--trials 20` takes about half an hour.
"""
import argparse
import base64
import http.client
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import newer_servers
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from kvorum_cluster import Client, ReplyError, die_with_parent, free_port, wait_until  # noqa: E402

CLIENTS = 4
CLIENT_TIMEOUT_S = 0.1
PAUSE_S = 0.001  # after an error, before another node is asked
PATIENCE_S = 180.0  # for what comes after a trial: Sentinel waits long before it tries again
MOST_S = 30.0    # a trial in which nothing is acknowledged for so long is given up


# ---- clients -------------------------------------------------------------------------------------

class RespWriter:
    """Goes where MOVED says; after any other failure, to the next node."""

    def __init__(self, ports, number):
        self.ports = ports
        self.at = ports[number % len(ports)]
        self.connection = None

    def set(self, key, value):
        """None if it was acknowledged, else what happened."""
        try:
            if self.connection is None:
                self.connection = Client(self.at, timeout=CLIENT_TIMEOUT_S)
            self.connection("SET", key, value)
            return None
        except ReplyError as error:
            if error.word == "MOVED":
                self.go_to(int(str(error).rsplit(":", 1)[1]))
                return "MOVED"
            if len(self.ports) > 1:
                self.go_to(self.other())
            return error.word
        except OSError as error:
            self.go_to(self.other())
            return type(error).__name__

    def other(self):
        at = self.ports.index(self.at) if self.at in self.ports else 0
        return self.ports[(at + 1) % len(self.ports)]

    def go_to(self, port):
        self.close()
        self.at = port

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class EtcdWriter(RespWriter):
    """The JSON gateway that every etcd node has."""

    def set(self, key, value):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.at, timeout=CLIENT_TIMEOUT_S)
            body = json.dumps({"key": base64.b64encode(key.encode()).decode(),
                               "value": base64.b64encode(str(value).encode()).decode()})
            self.connection.request("POST", "/v3/kv/put", body)
            reply = self.connection.getresponse()
            reply.read()
            if reply.status == 200:
                return None
            what = f"status {reply.status}"
        except (OSError, http.client.HTTPException) as error:
            what = type(error).__name__
        self.go_to(self.other())
        return what


def write(writer, prefix, stop, newest, queue):
    """A client process: `newest` is when the newest acknowledged write was sent."""
    acknowledged = []  # (sent, answered, key)
    failures = []      # (answered, what)
    count = 0
    while not stop.is_set():
        count += 1
        key = f"{prefix}:{count}"
        sent = time.monotonic_ns()
        failure = writer.set(key, count)
        answered = time.monotonic_ns()
        if failure is None:
            acknowledged.append((sent, answered, key))
            newest.value = max(newest.value, sent)
        else:
            failures.append((answered, failure))
            if failure != "MOVED":
                time.sleep(PAUSE_S)
    writer.close()
    queue.put((acknowledged, failures))


# ---- systems -------------------------------------------------------------------------------------

class System:
    """Processes in a folder, by name."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kvorum-failover-", dir=ARGUMENTS.folder)
        self.commands = {}
        self.processes = {}

    def add(self, name, argv):
        os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        self.commands[name] = argv
        self.start(name)

    def start(self, name):
        with open(os.path.join(self.folder, name + ".log"), "ab") as log:
            self.processes[name] = subprocess.Popen(self.commands[name], stdout=log, stderr=log,
                                                    cwd=os.path.join(self.folder, name),
                                                    preexec_fn=die_with_parent)

    def signal(self, name, number):
        self.processes[name].send_signal(number)

    def restart(self, name):
        self.processes[name].wait()
        self.start(name)

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client_ports(self):
        return list(self.ports.values())

    def writer(self, number):
        return RespWriter(self.client_ports(), number)

    def missing(self, _prefix, keys):
        """How many of them are not there."""
        def count():
            values = ask(self.ports[self.leader() or "node1"], "MGET", *keys)
            return None if values is None else (values.count(None),)
        return wait_until(count, "a reply")[0]


def ask(port, *argv, timeout=1.0):
    """The reply, or None when there is none to be had."""
    try:
        with Client(port, timeout=timeout) as client:
            return client(*argv)
    except (OSError, ReplyError):
        return None


class Kvorum(System):
    def __init__(self, proxy=False):
        super().__init__()
        self.proxy = proxy
        self.ports = {f"node{i}": free_port() for i in (1, 2, 3)}
        self.proxies = {name: free_port() for name in self.ports}
        peers = {name: free_port() for name in self.ports}
        members = " ".join(f"{name[-1]}=127.0.0.1:{self.ports[name]}@{peers[name]}" for name in self.ports)
        for name in self.ports:
            self.add(name, [os.path.join(os.path.abspath(ARGUMENTS.bin), "kvorum-server"), "--node-id",
                            name[-1], "--cluster-nodes", members, "--dir", ".",
                            "--proxy-port", str(self.proxies[name])])

    def leader(self):
        for name, port in self.ports.items():
            role = ask(port, "ROLE")
            if role and role[0] == b"master":
                return name
        return None

    def healthy(self):
        roles = [ask(port, "ROLE") for port in self.ports.values()]
        if not all(roles) or [role[0] for role in roles].count(b"master") != 1:
            return False
        infos = [ask(port, "RAFT", "INFO") for port in self.ports.values()]
        applied = [dict(zip(info[::2], info[1::2]))[b"applied_index"] for info in infos if info]
        return len(applied) == 3 and max(applied) - min(applied) < 100

    def client_ports(self):
        if not self.proxy:
            return list(self.ports.values())
        leader = self.leader()
        return [port for name, port in self.proxies.items() if name != leader]


class Etcd(System):
    def __init__(self, *extra):
        super().__init__()
        self.ports = {f"node{i}": free_port() for i in (1, 2, 3)}
        peers = {name: free_port() for name in self.ports}
        cluster = ",".join(f"{name}=http://127.0.0.1:{peers[name]}" for name in self.ports)
        for name, port in self.ports.items():
            url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers[name]}"
            self.add(name, ["etcd", "--name", name, "--data-dir", "data", "--listen-client-urls", url,
                            "--advertise-client-urls", url, "--listen-peer-urls", peer,
                            "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
                            "--log-level", "error", *extra])

    def post(self, port, path, body):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
            connection.request("POST", path, json.dumps(body))
            reply = connection.getresponse()
            return json.loads(reply.read()) if reply.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def states(self):
        return {name: self.post(port, "/v3/maintenance/status", {}) for name, port in self.ports.items()}

    def leader(self):
        for name, state in self.states().items():
            if state and state.get("leader") == state["header"]["member_id"]:
                return name
        return None

    def healthy(self):
        states = self.states()
        return self.leader() is not None and all(state and state.get("leader") for state in states.values())

    def writer(self, number):
        return EtcdWriter(self.client_ports(), number)

    def missing(self, prefix, keys):
        def coded(text):
            return base64.b64encode(text.encode()).decode()

        def there():
            query = {"key": coded(prefix + ":"), "range_end": coded(prefix + ";"), "keys_only": True}
            for port in self.ports.values():
                reply = self.post(port, "/v3/kv/range", query)
                if reply is not None:
                    return ({base64.b64decode(entry["key"]).decode() for entry in reply.get("kvs", [])},)
            return None
        return len(set(keys) - wait_until(there, "a reply")[0])


DURABLE = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"]


class Sentinel(System):
    """`server`: the command of a redis-server or valkey-server."""

    def __init__(self, server):
        super().__init__()
        self.ports = {f"node{i}": free_port() for i in (1, 2, 3)}
        self.sentinels = [free_port() for _ in range(3)]
        first = self.ports["node1"]
        for name, port in self.ports.items():
            argv = [*server, *DURABLE, "--port", str(port)]
            self.add(name, argv if port == first else [*argv, "--replicaof", "127.0.0.1", str(first)])
        for number, port in enumerate(self.sentinels):
            folder = os.path.join(self.folder, f"sentinel{number}")
            os.makedirs(folder)
            with open(os.path.join(folder, "sentinel.conf"), "w", encoding="ascii") as file:
                file.write(f"port {port}\nsentinel monitor m 127.0.0.1 {first} 2\n"
                           "sentinel down-after-milliseconds m 500\nsentinel failover-timeout m 2000\n")
            self.add(f"sentinel{number}", [*server, "sentinel.conf", "--sentinel"])

    def leader(self):
        address = ask(self.sentinels[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "m")
        for name, port in self.ports.items():
            if address and int(address[1]) == port and (ask(port, "ROLE") or [b""])[0] == b"master":
                return name
        return None

    def healthy(self):
        leader = self.leader()
        if leader is None:
            return False
        role = ask(self.ports[leader], "ROLE")
        known = [ask(port, "SENTINEL", "MASTER", "m") for port in self.sentinels]
        return (role is not None and len(role[2]) == 2 and all(known) and all(
            dict(zip(k[::2], k[1::2]))[b"num-other-sentinels"] == b"2" and
            dict(zip(k[::2], k[1::2]))[b"flags"] == b"master" for k in known))


class Cluster(System):
    def __init__(self, server):
        super().__init__()
        self.ports = {f"node{i}": free_port() for i in range(1, 7)}
        for name, port in self.ports.items():
            self.add(name, [*server, *DURABLE, "--port", str(port), "--cluster-enabled", "yes",
                            "--cluster-port", str(free_port()), "--cluster-node-timeout", "500"])
        for port in self.ports.values():
            wait_until(lambda p=port: ask(p, "PING"), "the servers' start")
        subprocess.run(["redis-cli", "--cluster", "create", "--cluster-yes", "--cluster-replicas", "1",
                        *[f"127.0.0.1:{port}" for port in self.ports.values()]],
                       check=True, stdout=subprocess.DEVNULL)
        self.slot = None

    def leader(self):
        """The master of the slot that all clients write to."""
        for port in self.ports.values():
            if self.slot is None:
                self.slot = ask(port, "CLUSTER", "KEYSLOT", "{failover}")
            for entry in ask(port, "CLUSTER", "SLOTS") or []:
                if self.slot is not None and entry[0] <= self.slot <= entry[1]:
                    for name, at in self.ports.items():
                        if at == entry[2][1] and (ask(at, "ROLE") or [b""])[0] == b"master":
                            return name
        return None

    def healthy(self):
        infos = [ask(port, "CLUSTER", "INFO") for port in self.ports.values()]
        leader = self.leader()
        return (all(info and b"cluster_state:ok" in info for info in infos) and leader is not None and
                len((ask(self.ports[leader], "ROLE") or [0, 0, []])[2]) >= 1)


ETCD_TUNED = ("--heartbeat-interval", "20", "--election-timeout", "200")
KILL, STOP, TERM = signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM


def rows():
    """(name, how to start it, what the leader gets). Sentinel and Cluster are Valkey's where it is
    there, see newer_servers.py."""
    newer, _ = newer_servers.prepare(os.path.join("build", "bench", newer_servers.SUITE))
    title, server = ("Valkey", newer["valkey"]) if "valkey" in newer else ("Redis", ["redis-server"])
    title += f" {newer_servers.version(server)}"
    kvorum = ("Kvorum, `port`", Kvorum)
    proxy = ("Kvorum, `proxy-port` of followers", lambda: Kvorum(proxy=True))
    etcd = ("etcd", Etcd)
    tuned = ("etcd, heartbeat 20 ms, election 200 ms", lambda: Etcd(*ETCD_TUNED))
    sentinel = (f"{title} Sentinel, down after 500 ms", lambda: Sentinel(server))
    cluster = (f"{title} Cluster, node timeout 500 ms", lambda: Cluster(server))
    by_signal = {KILL: (kvorum, proxy, etcd, tuned, sentinel, cluster),
                 STOP: (kvorum, proxy, etcd, sentinel, cluster),
                 TERM: (kvorum, proxy, etcd)}
    return [(name, start, number) for number, chosen in by_signal.items() for name, start in chosen]


# ---- trials --------------------------------------------------------------------------------------

def trial(system, number):
    """(ms until the first write that was sent afterwards is acknowledged, failures, lost writes)"""
    wait_until(system.healthy, "all nodes are up", patience=PATIENCE_S, pause=0.1)
    leader = system.leader()
    prefixes = [f"{{failover}}:{time.time_ns()}:{i}" for i in range(CLIENTS)]
    stop, newest, queue = multiprocessing.Event(), multiprocessing.Value("Q", 0, lock=False), multiprocessing.Queue()
    clients = [multiprocessing.Process(target=write, args=(system.writer(i), prefix, stop, newest, queue), daemon=True)
               for i, prefix in enumerate(prefixes)]
    for client in clients:
        client.start()
    wait_until(lambda: newest.value, "the first write")
    time.sleep(0.5)
    begun = time.monotonic_ns()
    system.signal(leader, number)
    deadline = time.monotonic() + MOST_S
    while newest.value < begun and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(0.5)
    if number == STOP:
        system.signal(leader, signal.SIGCONT)
    stop.set()
    results = [queue.get(timeout=30) for _ in clients]
    for client in clients:
        client.join()
    if number != STOP:
        system.restart(leader)
    wait_until(system.healthy, "all nodes are up again", patience=PATIENCE_S, pause=0.1)
    acknowledged = [one for list_, _ in results for one in list_]
    answered = [done for sent, done, _ in acknowledged if sent >= begun]
    failures = [what for _, failed in results for at, what in failed if at >= begun and what != "MOVED"]
    lost = sum(system.missing(prefix, [key for _, _, key in acknowledged if key.startswith(prefix + ":")])
               for prefix in prefixes)
    return (min(answered) - begun) / 1e6 if answered else float("inf"), failures, lost


def measure(start, number):
    system = start()
    try:
        return [trial(system, number) for _ in range(ARGUMENTS.trials)]
    finally:
        system.close()


def main():
    print(f"{ARGUMENTS.trials} trials each, {CLIENTS} clients, {os.cpu_count()} cores. Milliseconds from the signal to the "
          "acknowledgement of a write that was sent after it.\n")
    print("| leader gets | | median | worst | errors that clients saw, per trial | acknowledged writes lost, all trials |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, start, number in rows():
        if ARGUMENTS.only and ARGUMENTS.only not in f"{number.name} {name}":
            continue
        trials = measure(start, number)
        times = [ms for ms, _, _ in trials]
        errors = sum(len(failures) for _, failures, _ in trials) / len(trials)
        lost = sum(count for _, _, count in trials)
        print(f"| {number.name} | {name} | {statistics.median(times):.1f} | {max(times):.1f} | {errors:.1f} | {lost} |",
              flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="the folder with kvorum-server")
    parser.add_argument("--folder", default=None, help="where the systems keep their data")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", default="", help="rows whose signal and name contain this: 'SIGKILL Kvorum'")
    ARGUMENTS = parser.parse_args()
    main()
