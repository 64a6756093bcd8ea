#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The clients of Debian's packages: redis-cli as a person uses it, and redis-py through a change of
leader. Usage: clients_test.py <kvorum-server> [unittest arguments]"""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "compat"))
from kvorum_cluster import Cluster, wait_until  # noqa: E402
from run import prepare, run_client  # noqa: E402

SERVER = sys.argv.pop(1)


def redis_cli(port, *words, options=(), stdin=None):
    result = subprocess.run(["redis-cli", "-p", str(port), *options, *words], capture_output=True,
                            text=True, timeout=60, input=stdin)
    return result.stdout.strip()


class RedisCli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(SERVER, nodes=3)
        cls.cluster.__enter__()
        cls.leader = cls.cluster.wait_for_leader()
        cls.follower = cls.cluster.wait_for_follower()
        cls.port = cls.cluster.nodes[cls.leader].port
        cls.follower_port = cls.cluster.nodes[cls.follower].port
        cls.proxy = cls.cluster.nodes[cls.follower].proxy_port

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__(None, None, None)

    def test_a_follower_redirects_and_dash_c_follows(self):
        moved = redis_cli(self.follower_port, "SET", "foo", "bar")
        self.assertEqual(moved, f"MOVED 12182 127.0.0.1:{self.port}")
        self.assertEqual(redis_cli(self.follower_port, "SET", "foo", "bar", options=["-c"]), "OK")
        self.assertEqual(redis_cli(self.follower_port, "GET", "foo", options=["-c"]), "bar")

    def test_a_proxy_port_never_redirects(self):
        self.assertEqual(redis_cli(self.proxy, "SET", "through", "proxy"), "OK")
        self.assertEqual(redis_cli(self.proxy, "GET", "through"), "proxy")
        self.assertEqual(redis_cli(self.proxy, "DBSIZE").isdigit(), True)

    def test_resp3(self):
        self.assertIn("1# \"server\" => \"redis\"", redis_cli(self.port, "HELLO", "3", options=["--no-raw"]))
        self.assertEqual(redis_cli(self.port, "SET", "three", "3", options=["-3"]), "OK")

    def test_keys_are_found_by_scan(self):
        for i in range(30):
            redis_cli(self.port, "SET", f"scanned:{i}", str(i))
        found = redis_cli(self.port, options=["--scan", "--pattern", "scanned:*"]).split()
        self.assertEqual(sorted(found), sorted(f"scanned:{i}" for i in range(30)))
        self.assertIn("Biggest string found", redis_cli(self.port, options=["--bigkeys"]))

    def test_mass_insertion_by_pipe(self):
        stream = "".join(f"*3\r\n$3\r\nSET\r\n$8\r\npiped:{i:02}\r\n$2\r\n{i:02}\r\n" for i in range(50))
        self.assertIn("errors: 0, replies: 50", redis_cli(self.port, options=["--pipe"], stdin=stream))
        self.assertEqual(redis_cli(self.port, "GET", "piped:49"), "49")

    def test_cluster_check_and_info(self):
        check = subprocess.run(["redis-cli", "--cluster", "check", f"127.0.0.1:{self.follower_port}"],
                               capture_output=True, text=True, timeout=60)
        self.assertIn("[OK] All 16384 slots covered.", check.stdout)
        self.assertIn("[OK] All nodes agree about slots configuration.", check.stdout)

    def test_readonly_reads_at_a_follower(self):
        redis_cli(self.port, "SET", "stale", "maybe")

        def read():
            return redis_cli(self.follower_port, stdin="READONLY\nGET stale\n").split() == ["OK", "maybe"]
        wait_until(read, "the follower's copy")


class RedisCliThroughAKill(unittest.TestCase):
    """A process a command, as shell scripts use it, while the leader dies."""

    def count(self, port_of, options):
        with Cluster(SERVER, nodes=3) as cluster:
            leader = cluster.wait_for_leader()
            follower = cluster.wait_for_follower()
            port = port_of(cluster.nodes[follower])
            acknowledged, errors = [], 0
            for i in range(60):
                if i == 20:
                    cluster.kill(leader)
                reply = redis_cli(port, "INCR", "n", options=options)
                if reply.isdigit():
                    acknowledged.append(int(reply))
                else:
                    errors += 1
            self.assertEqual(acknowledged, sorted(set(acknowledged)), "a counter went back or stood still")
            self.assertGreaterEqual(int(redis_cli(port, "GET", "n", options=options)), acknowledged[-1])
            return acknowledged, errors

    def test_a_proxy_port_shows_nothing_of_it(self):
        acknowledged, errors = self.count(lambda node: node.proxy_port, [])
        self.assertEqual((acknowledged, errors), (list(range(1, 61)), 0))

    def test_redirects_lead_to_the_new_leader(self):
        acknowledged, errors = self.count(lambda node: node.port, ["-c"])
        self.assertGreater(len(acknowledged), 30)
        print(f"redis-cli -c: {errors} of 60 failed while the leader was dead")


class RedisPy(unittest.TestCase):
    def survive(self, mode):
        good, what = run_client(prepare("redis-py", None), mode, SERVER)
        self.assertTrue(good, what)
        print(f"redis-py, {mode}: {what}")

    def test_cluster_client_survives_a_change_of_leader(self):
        self.survive("cluster")

    def test_plain_client_survives_a_change_of_leader(self):
        self.survive("plain")


if __name__ == "__main__":
    unittest.main(verbosity=2)
