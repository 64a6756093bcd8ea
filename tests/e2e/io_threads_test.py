#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients of one node whose sockets several threads read and write (io-threads).

Usage: io_threads_test.py <kvorum-server> [unittest arguments]"""
import os
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kvorum_cluster import Client, Cluster  # noqa: E402

SERVER = sys.argv.pop(1)
CLIENTS = 64  # enough of them are ready at once for all threads
ROUNDS = 8


class IoThreads(unittest.TestCase):
    THREADS = "4"

    def setUp(self):
        self.cluster = Cluster(SERVER, nodes=1, options=("--io-threads", self.THREADS))
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__, None, None, None)
        self.node = self.cluster.nodes[1]
        self.cluster.wait_for_leader()

    def open(self):
        client = Client(self.node.port)
        self.addCleanup(client.close)
        return client

    def test_each_client_gets_its_own_replies_in_order(self):
        clients = [self.open() for _ in range(CLIENTS)]
        for number in range(ROUNDS):
            # Some are longer than a socket takes at once, in both directions.
            values = [f"{number}:{i}:" + "x" * (400_000 if i % 16 == number else 10) for i in range(CLIENTS)]
            for i, client in enumerate(clients):
                for command in (["SET", f"k{i}", values[i]], ["GET", f"k{i}"], ["INCR", f"n{i}"], ["ECHO", values[i]]):
                    client.send(command)
            for i, client in enumerate(clients):
                value = values[i].encode()
                self.assertEqual([client.read() for _ in range(4)], ["OK", value, number + 1, value])

    def test_clients_that_vanish_take_nobody_along(self):
        for _ in range(ROUNDS):
            clients = [self.open() for _ in range(CLIENTS)]
            for client in clients:
                client.send(["SET", "k", "v" * 1000])
                client.send(["GET", "k"])
            for client in clients[::2]:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            for client in clients[1::2]:
                self.assertEqual([client.read(), client.read()], ["OK", b"v" * 1000])
                client.close()
        self.assertTrue(self.node.running)

    def test_a_client_that_kills_the_others(self):
        clients = [self.open() for _ in range(CLIENTS)]
        for client in clients:
            self.assertEqual(client("PING"), "PONG")  # it is known to the server now
        for client in clients:
            client.send(["PING"])
        clients[0].send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        self.assertEqual(clients[0].read(), "PONG")
        self.assertEqual(clients[0].read(), CLIENTS - 1)
        for client in clients[1:]:
            client.send(["PING"])
            with self.assertRaises((ConnectionError, OSError)):
                while client.read():
                    pass
        self.assertEqual(self.open()("SET", "alive", "yes"), "OK")

    def test_the_directive_is_told(self):
        self.assertEqual(self.open()("CONFIG", "GET", "io-threads"), [b"io-threads", self.THREADS.encode()])


class OneThread(IoThreads):
    THREADS = "1"


if __name__ == "__main__":
    unittest.main()
