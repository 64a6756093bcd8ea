# SPDX-License-Identifier: Apache-2.0
"""Real kvorum-server processes for tests, and a small RESP client. Standard library only.

    with Cluster("build/release/bin/kvorum-server", nodes=3) as cluster:
        leader = cluster.wait_for_leader()
        with cluster.client(leader) as client:
            client("SET", "key", "value")
        cluster.kill(leader)                      # kill -9
        cluster.start(leader)

Ports are free ones of 127.0.0.1, data is in a temporary folder. Leaving the block ends everything
that was started, with the test as well: a node does not outlive the process that started it. When
the block is left by an exception, the folder stays and the ends of the logs are printed.
"""
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

PATIENCE_S = 30.0  # for what should take a second, on a machine that is busy with other things
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_given_out = set()


def free_port():
    """A port that nobody listens on, outside the range that outgoing connections are taken from."""
    while True:
        port = random.randint(20000, 32000)
        if port in _given_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_out.add(port)
        return port


def wait_until(condition, what, patience=PATIENCE_S, pause=0.02):
    """Polls until condition() is true and returns what it gave; raises when it was not in time."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {patience:.0f} s still not: {what}")
        time.sleep(pause)


def die_with_parent():
    """For Popen's preexec_fn: the child gets SIGKILL when this process ends, however it ends.

    The kernel means the thread, so a child of another thread than the first is left alone.
    """
    if threading.current_thread() is threading.main_thread():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class ReplyError(Exception):
    """An error reply. `word` is its first word: MOVED, CLUSTERDOWN, INDOUBT, ERR..."""

    @property
    def word(self):
        return str(self).split(" ", 1)[0]


class Client:
    """One connection. Replies: bytes, str for simple strings, int, float, bool, None, list, dict.

    Raises ReplyError for an error reply, OSError (ConnectionError, TimeoutError) for a lost
    connection: what became of the command is then unknown.
    """

    def __init__(self, port, host="127.0.0.1", timeout=10.0):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def __call__(self, *argv):
        self.send(argv)
        reply = self.read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def pipeline(self, commands):
        """All at once. Error replies are in the list, not raised."""
        self.socket.sendall(b"".join(self.encode(argv) for argv in commands))
        return [self.read() for _ in commands]

    def send(self, argv):
        self.socket.sendall(self.encode(argv))

    @staticmethod
    def encode(argv):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in argv]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)

    def line(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        return line[:-2]

    def exactly(self, count):
        data = self.stream.read(count + 2)
        if len(data) != count + 2:
            raise ConnectionError("the server has closed the connection")
        return data[:-2]

    def read(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode(errors="replace"))
        if kind in b":(":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.exactly(int(rest))
        if kind == b"=":
            return self.exactly(int(rest))[4:]
        if kind == b"!":
            return ReplyError(self.exactly(int(rest)).decode(errors="replace"))
        if kind in b"*~>":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(rest))}
        if kind == b"_":
            return None
        if kind == b",":
            return float(rest)
        if kind == b"#":
            return rest == b"t"
        raise ConnectionError(f"no RESP: {line!r}")


class ClusterClient:
    """Follows MOVED from any node. Commands that certainly had no effect are tried again until
    `patience` is over; a lost connection is raised, because nobody knows what became of it."""

    def __init__(self, ports, patience=PATIENCE_S):
        self.ports = list(ports)
        self.patience = patience
        self.client = None
        self.moved = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.client:
            self.client.close()
            self.client = None

    def connect(self, port=None):
        self.close()
        deadline = time.monotonic() + self.patience
        while True:
            try:
                self.client = Client(port or random.choice(self.ports))
                return
            except OSError:
                port = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def __call__(self, *argv):
        deadline = time.monotonic() + self.patience
        while True:
            if not self.client:
                self.connect()
            try:
                return self.client(*argv)
            except ReplyError as error:
                if time.monotonic() > deadline:
                    raise
                if error.word == "MOVED":
                    self.moved += 1
                    self.connect(int(str(error).rsplit(":", 1)[1]))
                elif error.word in ("CLUSTERDOWN", "TRYAGAIN", "LOADING"):
                    time.sleep(0.01)
                else:
                    raise
            except OSError:
                self.close()
                raise


class Node:
    def __init__(self, number, folder):
        self.number = number
        self.port = free_port()
        self.proxy_port = free_port()
        self.peer_port = free_port()
        self.metrics_port = free_port()
        self.dir = os.path.join(folder, f"node-{number}")
        self.log = os.path.join(folder, f"node-{number}.log")
        self.process = None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None


class Cluster:
    """Nodes are numbered from 1."""

    def __init__(self, server, nodes=3, options=(), start=True, folder=None):
        self.server = os.path.abspath(server)
        self.options = list(options)
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="kvorum-test-")
        self.nodes = {n: Node(n, self.folder) for n in range(1, nodes + 1)}
        self.start_at_once = start

    def __enter__(self):
        try:
            if self.start_at_once:
                self.start_all()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        self.kill_all()
        if kind is None:
            if self.own_folder:
                shutil.rmtree(self.folder, ignore_errors=True)
            return
        for node in self.nodes.values():
            print(f"---- end of {node.log}", file=sys.stderr)
            print(self.log_tail(node.number), file=sys.stderr)

    # ---- processes ------------------------------------------------------------------------------

    def arguments(self, number):
        node = self.nodes[number]
        members = " ".join(f"{n.number}=127.0.0.1:{n.port}@{n.peer_port}"
                           for n in self.nodes.values())
        if len(self.nodes) == 1:
            members = ""
        arguments = [self.server, "--node-id", str(number), "--dir", node.dir,
                     "--port", str(node.port), "--proxy-port", str(node.proxy_port),
                     "--metrics-port", str(node.metrics_port)]
        if members:
            arguments += ["--cluster-nodes", members]
        return arguments + [str(option) for option in self.options]

    def start(self, number, *more):
        """Starts a node that does not run. `more`: options for this start only."""
        node = self.nodes[number]
        assert not node.running, f"node {number} runs already"
        os.makedirs(node.dir, exist_ok=True)
        with open(node.log, "ab") as log:
            node.process = subprocess.Popen(
                self.arguments(number) + list(more), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent)

    def start_all(self):
        for number, node in self.nodes.items():
            if not node.running:
                self.start(number)

    def kill(self, number):
        """kill -9, and waits for the end."""
        self.signal(number, signal.SIGKILL)
        self.nodes[number].process.wait()

    def kill_all(self):
        """All at the same time, as far as that goes."""
        running = [n for n in self.nodes.values() if n.running]
        for node in running:
            node.process.kill()
        for node in running:
            node.process.wait()

    def terminate(self, number, patience=PATIENCE_S):
        """SIGTERM; the exit code."""
        self.signal(number, signal.SIGTERM)
        return self.nodes[number].process.wait(patience)

    def pause(self, number):
        self.signal(number, signal.SIGSTOP)

    def resume(self, number):
        self.signal(number, signal.SIGCONT)

    def signal(self, number, what):
        assert self.nodes[number].running, f"node {number} does not run"
        self.nodes[number].process.send_signal(what)

    def running(self):
        return [number for number, node in list(self.nodes.items()) if node.running]

    def log_tail(self, number, lines=20):
        try:
            with open(self.nodes[number].log, errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except FileNotFoundError:
            return "(none)"

    # ---- clients --------------------------------------------------------------------------------

    def client(self, number, proxy=False, timeout=10.0):
        node = self.nodes[number]
        return Client(node.proxy_port if proxy else node.port, timeout=timeout)

    def cluster_client(self, patience=PATIENCE_S):
        return ClusterClient([n.port for n in self.nodes.values()], patience)

    def page(self, number, path="/metrics", method="GET"):
        """(status, body, content type) of a page of the node's metrics port."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.nodes[number].metrics_port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, reply.read().decode(), reply.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers["Content-Type"]

    # ---- who leads ------------------------------------------------------------------------------

    def leader(self):
        """The number of the node that says it leads and can serve, or None."""
        for number in self.running():
            try:
                with self.client(number, timeout=1.0) as client:
                    if client("ROLE")[0] == b"master":
                        client("EXISTS", "kvorum-test-probe")
                        return number
            except (OSError, ReplyError):
                continue
        return None

    def wait_for_leader(self, patience=PATIENCE_S):
        return wait_until(self.leader, "a leader that serves", patience)

    def wait_for_follower(self, patience=PATIENCE_S):
        """A running node that is connected to the leader."""
        def follower():
            leader = self.leader()
            for number in self.running():
                if not leader or number == leader:
                    continue
                try:
                    with self.client(number, timeout=1.0) as client:
                        role = client("ROLE")
                        if role[0] == b"slave" and int(role[2]) == self.nodes[leader].port:
                            return number
                except (OSError, ReplyError):
                    continue
            return None
        return wait_until(follower, "a follower of the leader", patience)


class Writer(threading.Thread):
    """Writes ascending numbers under keys of their own, one after another, until it is stopped; remembers what was
    acknowledged, and the longest time without. What it `forgives` leaves an outcome open: the same is written again."""

    def __init__(self, cluster, forgives=(OSError,)):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.forgives = forgives
        self.ending = threading.Event()
        self.acknowledged = 0
        self.unknown = 0
        self.pause = 0.0
        self.failure = None
        self.start()

    def run(self):
        last = time.monotonic()
        client = self.cluster.cluster_client()
        while not self.ending.is_set():
            number = self.acknowledged + 1
            try:
                client.ports = [self.cluster.nodes[n].port for n in self.cluster.running()]
                if client("SET", f"key:{number}", number) != "OK":
                    raise AssertionError("SET says something else than OK")
            except self.forgives:
                self.unknown += 1
                continue
            except Exception as failure:  # shown by whoever stops it
                self.failure = failure
                return
            now = time.monotonic()
            self.pause = max(self.pause, now - last)
            last = now
            self.acknowledged = number
            time.sleep(0.001)
        client.close()

    def stop(self, at_least=1):
        """Everything that was acknowledged, and so much at least, must be there."""
        self.ending.set()
        self.join()
        if self.failure:
            raise self.failure
        assert self.acknowledged >= at_least, f"only {self.acknowledged} writes were acknowledged"
        with self.cluster.client(self.cluster.wait_for_leader()) as client:
            for first in range(1, self.acknowledged + 1, 500):
                numbers = range(first, min(first + 500, self.acknowledged + 1))
                replies = client.pipeline([("GET", f"key:{n}") for n in numbers])
                assert replies == [str(n).encode() for n in numbers], f"a write behind key:{first} is lost"
        print(f"  {self.acknowledged} writes acknowledged, {self.unknown} unknown")
