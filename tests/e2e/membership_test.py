# SPDX-License-Identifier: Apache-2.0
"""membership_test.py <kvorum-server>

A cluster of real processes that grows from one node to three and five while it is written to, one
command for each new node; a dead node is replaced, a living leader removed. The recipes are those of
docs/operations.md. Every acknowledged write must be there at the end, and what it cost is printed.
"""
import sys
import time
import unittest

from kvorum_cluster import Cluster, Node, ReplyError, Writer, wait_until

SERVER = None


class Growing(Cluster):
    """Node 1 (or `bootstrap`) begins; whoever comes later asks a node that runs to be taken in."""

    bootstrap = [1]

    def arguments(self, number):
        node = self.nodes[number]
        arguments = [self.server, "--node-id", str(number), "--dir", node.dir,
                     "--port", str(node.port), "--proxy-port", str(node.proxy_port)]
        if number in self.bootstrap:
            return arguments + ["--cluster-nodes", " ".join(
                f"{n}=127.0.0.1:{self.nodes[n].port}@{self.nodes[n].peer_port}"
                for n in self.bootstrap)]
        member = next(n for n in self.running() if n != number)
        return arguments + ["--raft-port", str(node.peer_port), "--join",
                            f"127.0.0.1:{self.nodes[member].port}"]

    def add(self):
        number = max(self.nodes) + 1
        self.nodes[number] = Node(number, self.folder)
        self.start(number)
        return number

    def members(self):
        """{id: membership} as the leader says, {} without one."""
        leader = self.leader()
        if not leader:
            return {}
        with self.client(leader) as client:
            rows = [dict(zip(row[::2], row[1::2])) for row in client("RAFT", "NODES")]
        return {row[b"id"]: row[b"membership"].decode() for row in rows}

    def wait_for_voters(self, *numbers):
        wanted = {number: "voter" for number in numbers}
        wait_until(lambda: self.members() == wanted, f"the voters {numbers}")

    def tell_leader(self, *argv):
        """A command for the leader; tried again while the answer is "not now"."""
        with self.cluster_client() as anywhere:
            return anywhere(*argv)


class Membership(unittest.TestCase):
    def setUp(self):
        self.begun = time.monotonic()

    def figure(self, what, writer):
        print(f"  {what}: {time.monotonic() - self.begun:.2f} s, longest time without an "
              f"acknowledgement {writer.pause * 1000:.0f} ms")
        self.begun = time.monotonic()
        writer.pause = 0.0

    def test_growth_and_replacement_under_load(self):
        with Growing(SERVER, nodes=1) as cluster:
            cluster.wait_for_leader()
            writer = Writer(cluster, forgives=(OSError, ReplyError))
            self.begun = time.monotonic()
            cluster.add()
            cluster.add()
            cluster.wait_for_voters(1, 2, 3)
            self.figure("one node to three", writer)
            cluster.add()
            cluster.add()
            cluster.wait_for_voters(1, 2, 3, 4, 5)
            self.figure("three nodes to five", writer)
            dead = self.replace_a_dead_node(cluster)
            self.figure("a dead node replaced", writer)
            gone = self.remove_the_leader(cluster)
            self.figure("the leader removed", writer)
            writer.stop()
            self.removed_node_says_so(cluster, gone)
            cluster.start(dead)  # its log does not say so: others tell it
            self.removed_node_says_so(cluster, dead)

    def replace_a_dead_node(self, cluster):
        dead = 2 if cluster.leader() != 2 else 3
        cluster.kill(dead)
        self.assertEqual(cluster.tell_leader("RAFT", "REMOVE", dead), "OK")
        cluster.add()
        cluster.wait_for_voters(*sorted({1, 2, 3, 4, 5, 6} - {dead}))
        with self.assertRaisesRegex(ReplyError, "never reused"):
            node = cluster.nodes[dead]
            cluster.tell_leader("RAFT", "ADD", dead, f"127.0.0.1:{node.port}@{node.peer_port}")
        return dead

    def remove_the_leader(self, cluster):
        before = set(cluster.members())
        leader = cluster.wait_for_leader()
        with cluster.client(leader) as client:
            self.assertEqual(client("RAFT", "REMOVE", leader), "OK")
        cluster.wait_for_voters(*sorted(before - {leader}))
        return leader

    def removed_node_says_so(self, cluster, gone):
        def says_so():
            try:
                with cluster.client(gone) as client:
                    info = client("RAFT", "INFO")
            except OSError:  # it starts
                return False
            return dict(zip(info[::2], info[1::2]))[b"membership"] == b"removed"
        wait_until(says_so, "RAFT INFO of the removed node says so")
        self.assertIn("was removed from the cluster", cluster.log_tail(gone, 200))
        self.assertEqual(cluster.terminate(gone), 0)

    def test_members_come_back_from_their_own_disks(self):
        with Growing(SERVER, nodes=1) as cluster:
            cluster.wait_for_leader()
            cluster.add()
            cluster.wait_for_voters(1, 2)
            cluster.add()
            cluster.wait_for_voters(1, 2, 3)
            cluster.tell_leader("SET", "kept", "1")
            with cluster.client(2) as client:
                client("RAFT", "SNAPSHOT")
            cluster.kill_all()
            # Nobody is there to be asked: what is on the disks is enough.
            cluster.start(1)
            cluster.start(2)
            cluster.start(3)
            cluster.wait_for_voters(1, 2, 3)
            self.assertEqual(cluster.tell_leader("GET", "kept"), b"1")

    def test_the_last_of_three_starts_late_and_votes(self):
        with Cluster(SERVER, nodes=3, start=False) as cluster:
            cluster.start(1)
            cluster.start(2)
            cluster.wait_for_leader()
            with cluster.cluster_client() as client:
                self.assertEqual(client("SET", "early", "1"), "OK")
            cluster.start(3)
            self.follows(cluster, 3)
            cluster.kill(cluster.wait_for_leader())  # from here on nothing is decided without it
            cluster.wait_for_leader()
            with cluster.cluster_client() as client:
                client.ports = [cluster.nodes[n].port for n in cluster.running()]
                self.assertEqual(client("GET", "early"), b"1")

    def test_a_wiped_voter_stops_and_comes_back_under_a_new_id(self):
        """Scenario 43: started from its old line, on an empty disk."""
        with Growing(SERVER, nodes=3, start=False) as cluster:
            cluster.bootstrap = [1, 2, 3]
            for number in cluster.bootstrap:
                cluster.start(number)
            wiped = 3 if cluster.wait_for_leader() != 3 else 2
            self.assertEqual(cluster.tell_leader("SET", "kept", "1"), "OK")
            self.follows(cluster, wiped)
            cluster.kill(wiped)
            cluster.nodes[wiped].dir += "-empty"
            for _ in range(2):
                cluster.start(wiped)
                self.assertNotEqual(cluster.nodes[wiped].process.wait(30), 0)
                self.assertIn("with another data directory", cluster.log_tail(wiped))
            self.assertEqual(cluster.tell_leader("RAFT", "REMOVE", wiped), "OK")
            number = cluster.add()
            cluster.wait_for_voters(*sorted({1, 2, 3, number} - {wiped}))
            self.assertEqual(cluster.tell_leader("GET", "kept"), b"1")

    def follows(self, cluster, number):
        def applied(node):
            with cluster.client(node) as client:
                info = client("RAFT", "INFO")
            return dict(zip(info[::2], info[1::2]))[b"applied_index"]

        def level():
            try:
                return applied(number) >= applied(cluster.wait_for_leader())
            except OSError:  # it does not listen yet
                return False
        wait_until(level, f"node {number} has everything")

    def test_a_wiped_node_is_not_taken_in_under_its_old_id(self):
        with Growing(SERVER, nodes=1) as cluster:
            cluster.wait_for_leader()
            number = cluster.add()
            cluster.wait_for_voters(1, number)
            cluster.add()
            cluster.wait_for_voters(1, number, number + 1)
            cluster.kill(number)
            cluster.nodes[number].dir += "-empty"
            for _ in range(2):  # the second try must not take the first one for a beginning
                cluster.start(number)
                self.assertEqual(cluster.nodes[number].process.wait(30), 1)
            self.assertIn("comes back under a new id", cluster.log_tail(number))


if __name__ == "__main__":
    SERVER = sys.argv[1]
    unittest.main(argv=sys.argv[:1], verbosity=2)
