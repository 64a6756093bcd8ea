# SPDX-License-Identifier: Apache-2.0
"""upgrade_test.py <kvorum-server> <an older kvorum-server>

Real processes of two releases in one cluster, under load: upgraded one by one, held back with
feature-level-max and let go, taken back before the raise, and refused behind it. The second server
is of a release that does not know the newest feature level. Every acknowledged write must be there
at the end. With OLDER_KVORUM_SERVER in the environment, that binary is the older one instead (what
begins with KVORUM_ is configuration).
"""
import os
import subprocess
import sys
import time
import unittest

from kvorum_cluster import Cluster, Node, ReplyError, Writer, wait_until

NEW = OLD = None
LEVEL = 2  # the newest


class Mixed(Cluster):
    """Which release a node runs, and with what, is chosen at its start."""

    def __init__(self, release, *more, nodes=3):
        super().__init__(release, nodes=nodes, start=False)
        self.runs = {n: (release, more) for n in self.nodes}

    def start(self, number, *more):
        self.server, options = self.runs[number]
        super().start(number, *options, *more)

    def start_under_load(self):
        self.start_all()
        self.wait_for_leader()
        return Writer(self)

    def run(self, number, release, *more):
        """SIGTERM, as an operator would, and that release in its place."""
        self.terminate(number)
        self.runs[number] = (release, more)
        self.start(number)
        self.wait_for_leader()
        wait_until(lambda: self.catches_up(number), f"node {number} catches up")

    def info(self, number):
        with self.client(number, timeout=5.0) as client:
            rows = client("RAFT", "INFO")
        return dict(zip(rows[::2], rows[1::2]))

    def snapshot(self, number):
        """Taken and on disk."""
        applied = self.info(number)[b"applied_index"]
        with self.client(number) as client:
            client("RAFT", "SNAPSHOT")
        wait_until(lambda: self.info(number)[b"snapshot_index"] >= applied, f"a snapshot of node {number}")

    def catches_up(self, number):
        leader = self.leader()
        try:
            return leader and self.info(number)[b"applied_index"] + 50 >= self.info(leader)[b"applied_index"]
        except OSError:
            return False

    def levels(self):
        """Of those that say; a release that knows of no levels says nothing."""
        return {n: self.info(n).get(b"feature_level", 1) for n in self.running()}

    def wait_for_level(self, level):
        def reached():
            try:
                return list(self.levels().values()) == [level] * len(self.nodes)
            except OSError:
                return False
        wait_until(reached, f"feature level {level} everywhere")

    def stays_at(self, level, seconds=1.5):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            levels = self.levels()
            assert list(levels.values()) == [level] * len(self.nodes), levels
            time.sleep(0.1)

    def ifeq(self):
        """What SET ... IFEQ is answered through each node: OK, or the error."""
        answers = set()
        for number in self.running():
            with self.client(number, proxy=True) as client:
                client("SET", "ifeq", "old")
                try:
                    answers.add(client("SET", "ifeq", "new", "IFEQ", "old"))
                except ReplyError as error:
                    answers.add(str(error))
        return answers


class Upgrade(unittest.TestCase):
    def test_rolling_upgrade_under_load(self):
        with Mixed(OLD) as cluster:
            writer = cluster.start_under_load()
            for number in cluster.nodes:
                self.assertEqual(cluster.ifeq(), {"ERR syntax error"})
                cluster.stays_at(LEVEL - 1, 0.3)
                cluster.run(number, NEW)
            cluster.wait_for_level(LEVEL)
            self.assertEqual(cluster.ifeq(), {"OK"})
            # And once more, from what is on the disks.
            for number in cluster.nodes:
                cluster.run(number, NEW)
            cluster.wait_for_level(LEVEL)
            self.assertEqual(cluster.ifeq(), {"OK"})
            writer.stop(at_least=101)

    def test_held_back_taken_back_and_let_go(self):
        hold = ("--feature-level-max", str(LEVEL - 1))
        with Mixed(OLD) as cluster:
            writer = cluster.start_under_load()
            for number in cluster.nodes:
                cluster.run(number, NEW, *hold)
            cluster.stays_at(LEVEL - 1)
            self.assertEqual(cluster.ifeq(), {"ERR syntax error"})
            # Snapshots of the newer release are read by the older one.
            for number in cluster.nodes:
                cluster.snapshot(number)
            for number in cluster.nodes:
                cluster.run(number, OLD)
            self.assertEqual(cluster.ifeq(), {"ERR syntax error"})
            for number in cluster.nodes:
                cluster.run(number, NEW, *hold)
            for number in cluster.nodes:
                cluster.stays_at(LEVEL - 1, 0.5)
                with cluster.client(number) as client:
                    self.assertEqual(client("CONFIG", "SET", "feature-level-max", 0), "OK")
            cluster.wait_for_level(LEVEL)
            self.assertEqual(cluster.ifeq(), {"OK"})
            self.told_by_metrics_and_events(cluster)
            writer.stop(at_least=101)

    def told_by_metrics_and_events(self, cluster):
        for number in cluster.nodes:
            def told():
                page = cluster.page(number)[1]
                return f"kvorum_feature_level {LEVEL}\n" in page and \
                    f"kvorum_feature_level_supported {LEVEL}\n" in page
            wait_until(told, "the metrics say so")
            with open(os.path.join(cluster.nodes[number].dir, "events.jsonl"), encoding="utf-8") as file:
                self.assertIn('"event":"feature-level"', file.read())

    def test_an_older_release_is_refused_behind_the_raise(self):
        with Mixed(NEW) as cluster:
            cluster.start_all()
            cluster.wait_for_level(LEVEL)
            said = self.newcomer(cluster, 4, OLD)
            self.assertIn("this node was not taken in", said)
            self.assertIn(f"feature level {LEVEL} is in force, which Kvorum 0.2.0", said)
            leader = cluster.wait_for_leader()
            self.assertIn("a node is not taken in", cluster.log_tail(leader, 50))
            # A member that is started as an older release stops and says which one it needs.
            victim = cluster.wait_for_follower()
            cluster.terminate(victim)
            cluster.runs[victim] = (OLD, ())
            cluster.start(victim)
            self.assertNotEqual(cluster.nodes[victim].process.wait(30), 0)
            if not os.environ.get("OLDER_KVORUM_SERVER"):
                self.assertIn(f"needs feature level {LEVEL}: Kvorum 0.2.0 or newer", cluster.log_tail(victim))
            cluster.runs[victim] = (NEW, ())
            cluster.start(victim)
            cluster.wait_for_level(LEVEL)
            self.assertEqual(cluster.ifeq(), {"OK"})

    def newcomer(self, cluster, number, release):
        """Joins, and what it says when it is refused."""
        node = Node(number, cluster.folder)
        member = cluster.nodes[cluster.wait_for_leader()]
        done = subprocess.run([release, "--node-id", str(number), "--dir", node.dir, "--port", str(node.port),
                               "--raft-port", str(node.peer_port), "--join", f"127.0.0.1:{member.port}"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stdout + done.stderr

    def test_a_newer_node_joins_an_older_cluster(self):
        with Mixed(OLD) as cluster:
            cluster.start_all()
            member = cluster.nodes[cluster.wait_for_leader()]
            cluster.nodes[4] = node = Node(4, cluster.folder)
            cluster.runs[4] = (NEW, ())
            os.makedirs(node.dir)
            with open(node.log, "ab") as log:
                node.process = subprocess.Popen(
                    [NEW, "--node-id", "4", "--dir", node.dir, "--port", str(node.port), "--proxy-port",
                     str(node.proxy_port), "--raft-port", str(node.peer_port), "--join",
                     f"127.0.0.1:{member.port}"], stdout=log, stderr=log)
            wait_until(lambda: node.running and self.is_voter(cluster, 4), "node 4 becomes a voter")
            self.assertEqual(cluster.info(4)[b"feature_level"], LEVEL - 1)

    def is_voter(self, cluster, number):
        try:
            return cluster.info(number)[b"membership"] == b"voter"
        except OSError:
            return False


if __name__ == "__main__":
    NEW, OLD = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
    OLD = os.path.abspath(os.environ.get("OLDER_KVORUM_SERVER", OLD))
    unittest.main(verbosity=2)
