# SPDX-License-Identifier: Apache-2.0
"""leadership_test.py <kvorum-server>

Who leads, and what clients see of it, with real processes: a leader that is ended under load, the
node that is wished for as leader, and reads at followers.
"""
import sys
import threading
import unittest

from kvorum_cluster import Client, Cluster, ReplyError, wait_until

SERVER = None


class Redirected(threading.Thread):
    """A client of `port`: one connection to each node that it was sent to, kept open, as client libraries
    do. Everything but OK and MOVED is a failure."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.name = name
        self.at = port
        self.connections = {port: Client(port)}
        self.ending = threading.Event()
        self.acknowledged = 0
        self.redirects = 0
        self.failure = None

    def run(self):
        try:
            while not self.ending.is_set():
                try:
                    self.connections[self.at]("SET", f"{self.name}:{self.acknowledged + 1}", "x")
                    self.acknowledged += 1
                except ReplyError as error:
                    if error.word != "MOVED":
                        raise
                    self.redirects += 1
                    self.at = int(str(error).rsplit(":", 1)[1])
                    if self.at not in self.connections:
                        self.connections[self.at] = Client(self.at)
        except Exception as failure:  # shown by the test's thread
            self.failure = failure

    def stop(self):
        self.ending.set()
        self.join()
        for connection in self.connections.values():
            connection.close()


class Leadership(unittest.TestCase):
    def test_no_request_fails_when_a_leader_is_ended(self):
        with Cluster(SERVER) as cluster:
            leader = cluster.wait_for_leader()
            port = cluster.nodes[leader].port
            clients = [Redirected(port, f"client{n}") for n in range(4)]
            for client in clients:
                client.start()
            wait_until(lambda: all(client.acknowledged > 50 for client in clients), "load")
            cluster.terminate(leader)
            before = [client.acknowledged for client in clients]
            wait_until(lambda: all(client.failure or client.acknowledged > count + 50
                                   for client, count in zip(clients, before)), "load goes on")
            for client in clients:
                client.stop()
                self.assertIsNone(client.failure)
                self.assertGreaterEqual(client.redirects, 1)
            with cluster.cluster_client() as anywhere:
                for client in clients:
                    keys = [f"{client.name}:{n}" for n in range(1, client.acknowledged + 1)]
                    self.assertEqual(anywhere("EXISTS", *keys), len(keys))

    def test_leadership_returns_to_the_node_that_is_wished_for(self):
        with Cluster(SERVER) as cluster:
            cluster.wait_for_leader()
            wished = cluster.wait_for_follower()
            with cluster.client(wished) as client:
                client("CONFIG", "SET", "leader-priority", "200")
            wait_until(lambda: cluster.leader() == wished, "leadership goes where it is wished for")
            cluster.kill(wished)
            wait_until(lambda: cluster.leader() not in (None, wished), "another one leads meanwhile")
            cluster.start(wished, "--leader-priority", "200")
            wait_until(lambda: cluster.leader() == wished, "leadership comes back")

    def test_a_follower_serves_reads_that_see_every_acknowledged_write(self):
        with Cluster(SERVER) as cluster:
            leader = cluster.wait_for_leader()
            follower = cluster.wait_for_follower()
            with cluster.client(leader) as writer, cluster.client(follower, proxy=True) as reader:
                for number in range(300):
                    writer("SET", "k", number)
                    self.assertEqual(reader("GET", "k"), str(number).encode())
                with cluster.client(follower) as client:
                    rows = client("RAFT", "INFO")
                    info = dict(zip(rows[::2], rows[1::2]))
                self.assertGreaterEqual(info[b"reads_by_leader"], 300)
                wait_until(lambda: self.lag(cluster, follower)[b"lag_entries"] == 0, "no lag")
                self.assertGreaterEqual(self.lag(cluster, follower)[b"lag_ms"], 0)

    @staticmethod
    def lag(cluster, number):
        with cluster.client(number) as client:
            rows = client("RAFT", "INFO")
        return dict(zip(rows[::2], rows[1::2]))


if __name__ == "__main__":
    SERVER = sys.argv.pop(1)
    unittest.main(verbosity=2)
