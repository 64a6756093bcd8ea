#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken input that needs real sockets and real time. What needs neither is tested in
tests/resp, tests/store and tests/server; the line numbers are those of one list.

Usage: bad_inputs_test.py <kvorum-server> [unittest arguments]"""
import os
import re
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kvorum_cluster import Client, Cluster, ReplyError, free_port, wait_until  # noqa: E402

SERVER = sys.argv.pop(1)
CLUSTER_ID = 4711
PATIENCE_S = 10.0
TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(range(9, 13)) * 16


class Raw(Client):
    """A connection whose bytes the test chooses."""

    def put(self, data):
        """False when the other side has closed meanwhile."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def rest(self):
        """Everything until the other side closes. Raises TimeoutError when it does not."""
        got = b""
        while True:
            try:
                piece = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece


def memory_of(process):
    """Resident bytes."""
    with open(f"/proc/{process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def own_address():
    """An address of this machine that is not loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") or address == "0.0.0.0" else address


def one_node(*options):
    cluster = Cluster(SERVER, nodes=1, options=options)
    cluster.__enter__()
    return cluster


class OneNode(unittest.TestCase):
    OPTIONS = ()
    PASSWORD = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = one_node(*cls.OPTIONS)
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        cls.node = cls.cluster.nodes[1]
        wait_until(cls.answers, "the node answers")

    @classmethod
    def answers(cls):
        try:
            with Client(cls.node.port) as client:
                if cls.PASSWORD:
                    client("AUTH", cls.PASSWORD)
                client("SET", "alive", "yes")
                return client("GET", "alive") == b"yes"
        except (OSError, ReplyError):
            return False

    def tearDown(self):
        self.assertTrue(self.node.running)
        self.assertTrue(self.answers())

    def open(self, timeout=PATIENCE_S):
        connection = Raw(self.node.port, timeout=timeout)
        self.addCleanup(connection.close)
        return connection

    def log(self):
        with open(self.node.log, errors="replace") as log:
            return log.read()


class Strangers(OneNode):
    PASSWORD = "secret"
    OPTIONS = ("--requirepass", PASSWORD, "--auth-timeout", "1")

    def test_line_11_multibulk_length(self):
        connection = self.open()
        connection.put(b"*100\r\n")
        self.assertEqual(connection.rest(),
                         b"-ERR Protocol error: unauthenticated multibulk length\r\n")

    def test_line_12_bulk_length(self):
        connection = self.open()
        connection.put(b"*2\r\n$3\r\nGET\r\n$100000000\r\n")
        self.assertEqual(connection.rest(), b"-ERR Protocol error: unauthenticated bulk length\r\n")

    def flood(self, command, batch_bytes, pause):
        """Sends until the server has had enough. Replies are not read."""
        before = memory_of(self.node.process)
        connection = self.open()
        batch = command * (batch_bytes // len(command))
        sent = 0
        while sent < 1 << 30 and connection.put(batch):
            sent += len(batch)
            time.sleep(pause)
        self.assertLess(sent, 1 << 30)
        self.assertLess(memory_of(self.node.process) - before, 8 << 20)

    def test_line_13_a_pipeline_faster_than_it_is_executed(self):
        self.flood(Client.encode(["SET", "k", "v" * 16000]) * 64, 32 << 20, 0)
        self.assertIn("Closing client that reached max query buffer length", self.log())

    def test_line_14_replies_are_not_read(self):
        # Slowly: a server that is short of a processor must still execute what it is sent.
        self.flood(Client.encode(["GET", "k"]), 32 << 10, 0.005)
        self.assertIn("Closing client that does not read its replies", self.log())

    def test_line_18_a_slow_handshake(self):
        started = time.monotonic()
        silent, drip = self.open(), self.open()
        closed = threading.Event()

        def trickle():
            for byte in b"*1\r\n$4\r\nPING\r\n" * 4:
                if closed.wait(0.1) or not drip.put(bytes([byte])):
                    return
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            self.assertEqual(silent.rest(), b"")
            drip.rest()  # raises when it is not closed
        finally:
            closed.set()
            thread.join()
        self.assertGreater(time.monotonic() - started, 0.9)
        self.assertLess(time.monotonic() - started, PATIENCE_S)

    def test_line_18_who_authenticates_stays(self):
        connection = self.open()
        connection("AUTH", self.PASSWORD)
        silent = self.open()
        silent.rest()
        self.assertEqual(connection("PING"), "PONG")


class Limits(OneNode):
    OPTIONS = ("--output-hard-limit", "8mb", "--output-soft-limit", "4mb",
               "--output-soft-seconds", "1", "--request-timeout", "1",
               "--proto-max-bulk-len", "512mb", "--client-query-buffer-limit", "600mb",
               "--maxclients", "8")

    def test_line_15_one_reply_beyond_the_hard_limit(self):
        with self.open() as client:
            client("SET", "big", b"x" * (16 << 20))
        connection = self.open()
        connection.send(["GET", "big"])
        wait_until(lambda: "output buffer limit" in self.log(), "the client was closed")
        self.assertLess(len(connection.rest()), 16 << 20)

    def test_line_15_a_client_that_does_not_read_is_served_no_further(self):
        with self.open() as client:
            client("SET", "value", b"x" * (1 << 20))
        before = memory_of(self.node.process)
        connection = self.open()
        connection.put(Client.encode(["GET", "value"]) * 500)
        most = 0

        def closed():
            nonlocal most
            most = max(most, memory_of(self.node.process) - before)
            with self.open() as client:
                return b"cmd=get" not in client("CLIENT", "LIST")
        wait_until(closed, "the client was closed")
        self.assertLess(most, 40 << 20)
        self.assertLess(len(connection.rest()), 100 << 20)

    def test_line_17_an_announced_value_that_never_comes(self):
        before = memory_of(self.node.process)
        connection = self.open()
        connection.put(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n")
        most = 0
        connection.socket.settimeout(0.1)
        started = time.monotonic()
        while True:
            most = max(most, memory_of(self.node.process) - before)
            self.assertLess(time.monotonic() - started, PATIENCE_S, "still open")
            try:
                self.assertEqual(connection.socket.recv(100), b"")
                break
            except TimeoutError:
                continue
            except ConnectionResetError:
                break
        self.assertLess(most, 4 << 20)

    def test_line_17_a_client_that_goes_on_is_not_closed(self):
        """Many requests, each of them incomplete at times, are not one that takes long."""
        connection = self.open()
        request = Client.encode(["PING"])
        connection.put(request[:5])
        for _ in range(30):
            time.sleep(0.1)
            connection.put(request[5:] + request[:5])
            self.assertEqual(connection.read(), "PONG")

    def test_line_48_http(self):
        for request in (b"POST / HTTP/1.1\r\n", b"Host: x\r\n") * 3:
            connection = self.open()
            connection.put(request)
            self.assertEqual(connection.rest(), b"")
        self.assertEqual(self.log().count("Possible SECURITY ATTACK"), 1)

    def test_line_50_one_client_too_many(self):
        clients = [self.open() for _ in range(8)]
        for client in clients:
            self.assertEqual(client("PING"), "PONG")
        self.assertEqual(self.open().rest(), b"-ERR max number of clients reached\r\n")
        self.assertEqual(clients[0]("PING"), "PONG")
        for client in clients:
            client.close()
        wait_until(self.answers, "room again")

    def test_line_56_other_protocols_on_the_client_port(self):
        for greeting in (TLS_HELLO, hello(1, CLUSTER_ID, 2, 1)):
            for port in (self.node.port, self.node.proxy_port):
                connection = Raw(port, timeout=PATIENCE_S)
                self.addCleanup(connection.close)
                connection.put(greeting)
                self.assertEqual(connection.rest(), b"")
        self.assertLessEqual(self.log().count("Possible SECURITY ATTACK"), 1)


class Remote(OneNode):
    OPTIONS = ("--bind", "0.0.0.0")

    @unittest.skipUnless(own_address(), "this machine has only loopback addresses")
    def test_line_51_protected_mode(self):
        connection = Raw(self.node.port, host=own_address(), timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        connection.socket.settimeout(PATIENCE_S)
        self.assertRegex(connection.rest(), rb"^-DENIED Kvorum is running in protected mode .*\r\n$")
        with self.open() as local:
            local("CONFIG", "SET", "requirepass", "secret")
            with Client(self.node.port, host=own_address()) as client:
                self.assertEqual(client("AUTH", "secret"), "OK")
            local("CONFIG", "SET", "requirepass", "")


class Metrics(OneNode):
    def exchange(self, request, pieces=None):
        """The status line, b"" when closed without. Raises when not closed in time."""
        connection = Raw(self.node.metrics_port, timeout=PATIENCE_S)
        try:
            started = time.monotonic()
            if pieces is None:
                connection.put(request)
                reply = connection.rest()
            else:
                done = threading.Event()
                thread = threading.Thread(target=lambda: [
                    done.wait(pieces) for byte in request
                    if not done.is_set() and connection.put(bytes([byte]))])
                thread.start()
                try:
                    reply = connection.rest()
                finally:
                    done.set()
                    thread.join()
            self.assertLess(time.monotonic() - started, 6.0)
            return reply.split(b"\r\n")[0]
        finally:
            connection.close()

    def tearDown(self):
        super().tearDown()
        status, body, _ = self.cluster.page(1)
        self.assertEqual((status, "kvorum_" in body), (200, True))

    def test_line_60_a_header_of_a_megabyte(self):
        line = self.exchange(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n")
        self.assertRegex(line, rb"^(|HTTP/1\.[01] 4.*)$")

    def test_line_60_paths(self):
        for path in (b"/../", b"/../../etc/passwd", b"/%2e%2e/", b"/%00", b"*", b"", b"//",
                     b"http://other/metrics", b"/" + b"x" * 9000):
            line = self.exchange(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertRegex(line, rb"^(|HTTP/1\.[01] 4.*)$", path)

    def test_line_60_methods(self):
        for method in (b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"FOO"):
            line = self.exchange(method + b" /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertRegex(line, rb"^(|HTTP/1\.[01] 4.*)$", method)
        line = self.exchange(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertRegex(line, rb"^(|HTTP/1\.[01] 4.*)$")

    def test_line_60_slow_headers(self):
        # One keeps silent in the middle, one sends a byte now and then.
        results = []
        threads = [threading.Thread(target=lambda p=p: results.append(
            self.exchange(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 1000, pieces=p)))
            for p in (0.2, 30.0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 2)
        for line in results:
            self.assertRegex(line, rb"^(|HTTP/1\.[01] 4.*)$")

    def test_line_60_only_loopback_listens(self):
        if not own_address():
            self.skipTest("this machine has only loopback addresses")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((own_address(), self.node.metrics_port), 2).close()


# ---- the peer port: docs/formats/peer.md ---------------------------------------------------------

def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def frame(body):
    return struct.pack("<II", len(body), crc32c(body)) + body


def hello(link, cluster, sender, to, version=3, magic=b"KVRM", host=b"127.0.0.1", disk=1, known=0):
    body = struct.pack("<HBQQQQQHH", version, link, cluster, sender, to, disk, known, 7000, 0)
    body += bytes([len(host)]) + host
    return magic + frame(body)


MAX = 2**64 - 1


def raft(kind, *numbers, tail=b""):
    return frame(b"\x01" + bytes([kind]) + struct.pack(f"<{len(numbers)}Q", *numbers) + tail)


class PeerPort(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(SERVER, nodes=3, options=["--cluster-id", CLUSTER_ID])
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        cls.leader = cls.cluster.wait_for_leader()
        cls.follower = cls.cluster.wait_for_follower()
        with cls.cluster.client(cls.leader) as client:
            client("SET", "kept", "value")
        with open(os.path.join(cls.cluster.nodes[cls.leader].dir, "identity"), "rb") as identity:
            cls.disk = struct.unpack_from("<Q", identity.read(), 28)[0]
        wait_until(lambda: len(set(cls.terms().values())) == 1, "all know the term")

    @classmethod
    def terms(cls):
        terms = {}
        for number in cls.cluster.nodes:
            with cls.cluster.client(number) as client:
                info = client("INFO", "everything").decode()
            terms[number] = int(re.search(r"^kvorum_term:(\d+)", info, re.M).group(1))
        return terms

    def state(self):
        """Of all nodes: what strangers must not change."""
        with self.cluster.client(self.leader) as client:
            self.assertEqual(client("GET", "kept"), b"value")
        return self.terms()

    def metric(self, number, name):
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", self.cluster.page(number)[1], re.M)
        return float(found.group(1))

    def setUp(self):
        self.before = self.state()

    def tearDown(self):
        self.assertEqual(self.cluster.running(), list(self.cluster.nodes))
        self.assertEqual(self.state(), self.before)
        with self.cluster.client(self.leader) as client:
            client("INCR", "writes")
            self.assertEqual(client("WAIT", "2", "10000"), 2)  # both followers are reached

    def refused(self, data, what, node=None):
        connection = Raw(self.cluster.nodes[node or self.follower].peer_port, timeout=PATIENCE_S)
        try:
            connection.put(data)
            self.assertEqual(connection.rest(), b"", what)
        except TimeoutError:
            self.fail(f"not closed: {what}")
        finally:
            connection.close()

    def good_hello(self, link=1):
        return hello(link, CLUSTER_ID, self.leader, self.follower, disk=self.disk)

    def test_line_56_clients_on_the_peer_port(self):
        self.refused(Client.encode(["PING"]), "RESP")
        self.refused(b"PING\r\n", "inline")
        self.refused(TLS_HELLO, "TLS")
        self.refused(b"GET / HTTP/1.1\r\n\r\n", "HTTP")
        with open(self.cluster.nodes[self.follower].log) as log:
            self.assertLessEqual(log.read().count("peer link refused"), 1)

    def test_line_57_hello(self):
        third = ({1, 2, 3} - {self.leader, self.follower}).pop()
        good = self.good_hello()
        for what, data in {
                "magic": hello(1, CLUSTER_ID, self.leader, self.follower, magic=b"KVRN"),
                "version": hello(1, CLUSTER_ID, self.leader, self.follower, version=1),
                "cluster": hello(1, CLUSTER_ID + 1, self.leader, self.follower),
                "addressee": hello(1, CLUSTER_ID, self.leader, third),
                "another disk": hello(1, CLUSTER_ID, self.leader, self.follower, disk=self.disk + 1),
                "no disk": hello(1, CLUSTER_ID, self.leader, self.follower, disk=0),
                "itself": hello(1, CLUSTER_ID, self.follower, self.follower),
                "nobody": hello(1, CLUSTER_ID, 0, self.follower),
                "highest": hello(1, CLUSTER_ID, MAX, self.follower),
                "link": hello(3, CLUSTER_ID, self.leader, self.follower),
                "left over": b"KVRM" + frame(good[12:] + b"x"),
                "cut": b"KVRM" + frame(good[12:-1]),
                "checksum": good[:8] + b"\0\0\0\0" + good[12:],
                "length": b"KVRM\xff\xff\xff\xff" + good[8:],
                "no length": b"KVRM\0\0\0\0" + good[8:],
                "long": b"KVRM" + struct.pack("<II", 1025, 0)}.items():
            self.refused(data, what)

    def test_line_57_frames(self):
        follower = self.cluster.nodes[self.follower].process
        before = memory_of(follower)
        term = self.before[self.follower]
        entry = struct.pack("<QB", term, 2)
        append = (term, 1, term, 1, 1)  # prev index and term, commit, round
        for what, data in {
                "length": b"\xff\xff\xff\xff\0\0\0\0",
                "longer than any": struct.pack("<II", (600 << 20) + 1, 0),
                "no length": b"\0\0\0\0\0\0\0\0",
                "checksum": frame(b"\x01\x0b" + struct.pack("<Q", term))[:4] + b"\0" * 14,
                "kind": frame(b"\x09"),
                "message kind": raft(12, term),
                "term 0": raft(7, 0, 1, 1),
                "term": raft(7, MAX, 1, 1),
                "index": raft(7, term, MAX, 1),
                "vote's index": raft(3, term, MAX, term, tail=b"\0"),
                "no bool": raft(3, term, 1, term, tail=b"\x02"),
                "left over": raft(7, term, 1, 1, tail=b"x"),
                "cut": raft(7, term, 1),
                "count without entries": raft(5, *append, tail=b"\xff\x07"),
                "count": raft(5, *append, tail=b"\xff" * 9 + b"\x01"),
                "count times size": raft(5, *append, tail=b"\xff\xff\xff\xff\x0f"),
                "entry's term": raft(5, *append, tail=b"\x01" + struct.pack("<QB", term + 1, 1) + b"\0"),
                "entry's type": raft(5, *append, tail=b"\x01" + struct.pack("<QB", term, 7) + b"\0"),
                "entry's length": raft(5, *append, tail=b"\x01" + entry + b"\xff" * 9 + b"\x01"),
                "no envelope": raft(5, *append, tail=b"\x01" + entry + b"\x04junk"),
                "voters": raft(9, term, 5, term, tail=b"\xff\xff\x03"),
                "piece beyond the end": raft(9, term, 5, term, tail=b"\x01" + struct.pack(
                    "<QQQ", 1, 2**61, 1000) + b"\x01x"),
                "forward's count": frame(b"\x02" + struct.pack("<QBQ", term, 0, 1) + b"\xff" * 9 + b"\x01"),
                "reply's count": frame(b"\x03" + struct.pack("<Q", 1) + b"\xff\xff\x03")}.items():
            for link in (1, 2):
                self.refused(self.good_hello(link) + data, what)
        self.assertLess(memory_of(follower) - before, 8 << 20)

    def test_line_57_random_bytes_after_a_good_hello(self):
        for seed in range(20):
            noise = b"".join(struct.pack("<I", crc32c(bytes([seed, i]))) for i in range(250))
            self.refused(self.good_hello() + b"\x40\0\0\0" + noise, f"noise {seed}")
            self.refused(self.good_hello() + frame(noise), f"sealed noise {seed}")

    def test_line_57_a_great_length_is_believed_when_it_has_arrived(self):
        process = self.cluster.nodes[self.follower].process
        before = memory_of(process)
        with Raw(self.cluster.nodes[self.follower].peer_port) as connection:
            connection.put(self.good_hello(2) + struct.pack("<II", 600 << 20, 0) + b"x" * 1000)
            time.sleep(0.3)
            self.assertLess(memory_of(process) - before, 4 << 20)

    def test_line_57_a_node_of_another_cluster_is_refused_calmly(self):
        """It dials again and again, but not as fast as it can."""
        others = Cluster(SERVER, nodes=3, options=["--cluster-id", CLUSTER_ID + 1], start=False)
        self.addCleanup(others.__exit__, None, None, None)
        for number, node in self.cluster.nodes.items():
            others.nodes[number].peer_port = node.peer_port
        lost = ({1, 2, 3} - {self.leader, self.follower}).pop()
        others.nodes[lost].peer_port = free_port()
        rejected = lambda: self.metric(self.follower, "kvorum_peer_rejected_total")  # noqa: E731
        at_first = rejected()
        others.start(lost)
        wait_until(lambda: rejected() > at_first + 2, "it was refused")
        time.sleep(1.0)
        self.assertLess(rejected() - at_first, 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
