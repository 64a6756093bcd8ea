# SPDX-License-Identifier: Apache-2.0
"""load_runs_test.py <folder of the programs>: kvorum-bench against kvorum-roofline, tiny, and what a
load generator must get right about servers that redirect, refuse or go away."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from kvorum_cluster import Client, ReplyError, die_with_parent, free_port, wait_until  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FOLDER = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "."


def bench(*argv):
    """(exit code, the JSON object or None, what was printed)"""
    done = subprocess.run([os.path.join(FOLDER, "kvorum-bench"), *map(str, argv), "--json"],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


class Scripted:
    """A server that answers every request with what `reply(argv)` says; None closes."""

    def __init__(self, reply):
        self.reply = reply
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb")
        while line := stream.readline():
            argv = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
            answer = self.reply(argv)
            if answer is None:
                break
            connection.sendall(answer)
        stream.close()
        connection.close()

    def close(self):
        self.listening.close()


class RooflineTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="kvorum-roofline-")
        self.port = free_port()
        self.process = subprocess.Popen(
            [os.path.join(FOLDER, "kvorum-roofline"), "--port", str(self.port), "--dir", self.folder.name],
            preexec_fn=die_with_parent)

        def answers():
            try:
                with Client(self.port) as client:
                    return client("PING") == "PONG"
            except OSError:
                return False
        wait_until(answers, "the roofline's start")

    def tearDown(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def test_what_was_written_is_there(self):
        code, result, _ = bench("--port", self.port, "--fill", "--keys", 1000, "--pipeline", 4)
        self.assertEqual((code, result["writes"]["count"]), (0, 1000))
        with Client(self.port) as client:
            self.assertEqual(client("GET", "key:000000000999"), b"000000000999" + b"v" * 52)
            self.assertIsNone(client("GET", "key:000000001000"))
            replies = client.pipeline([("SET", "a", "1"), ("GET", "a"), ("PING",), ("INCR", "a"), ("GET", "a")])
        self.assertEqual(replies[:3], ["OK", b"1", "PONG"])
        self.assertIsInstance(replies[3], ReplyError)
        self.assertEqual(replies[4], b"1")

    def test_closed_and_open_loop(self):
        bench("--port", self.port, "--fill", "--keys", 100)
        code, closed, _ = bench("--port", self.port, "--requests", 2000, "--threads", 2, "--keys", 100,
                                "--reads", 0.5)
        self.assertEqual((code, closed["completed"], closed["misses"]), (0, 2000, 0))
        self.assertEqual(closed["loop"], "closed")
        self.assertGreater(closed["reads"]["count"], 700)
        self.assertGreater(closed["writes"]["count"], 700)
        code, opened, _ = bench("--port", self.port, "--rate", 1000, "--duration", 0.3, "--keys", 100)
        self.assertEqual((code, opened["loop"], opened["late"]), (0, "open", 0))
        self.assertEqual(opened["completed"], 300)

    def test_all_three_hold_the_log(self):
        bench("--port", self.port, "--fill", "--keys", 10)

        def holds(name):
            with open(os.path.join(self.folder.name, name), "rb") as log:
                return b"key:000000000009" in log.read(8192)
        wait_until(lambda: all(map(holds, ("leader", "follower-1", "follower-2"))),
                   "the last key in three files")


class ServersTest(unittest.TestCase):
    def serve(self, reply):
        server = Scripted(reply)
        self.addCleanup(server.close)
        return server.port

    def test_follows_moved_and_counts_it_once(self):
        leader = self.serve(lambda argv: b"+OK\r\n")
        follower = self.serve(lambda argv: b"-MOVED 7 127.0.0.1:%d\r\n" % leader)
        code, result, _ = bench("--nodes", f"127.0.0.1:{follower}", "--cluster", "--clients", 1,
                                "--requests", 100)
        self.assertEqual((code, result["completed"], result["errors"]), (0, 100, {}))
        self.assertEqual(result["moved"], 1)

    def test_without_cluster_moved_is_an_error(self):
        port = self.serve(lambda argv: b"-MOVED 7 127.0.0.1:1\r\n")
        code, result, _ = bench("--port", port, "--clients", 1, "--requests", 5)
        self.assertEqual((code, result["completed"], result["errors"]), (1, 0, {"MOVED": 5}))

    def test_the_command_behind_counts(self):
        seen = []

        def reply(argv):
            seen.append(argv[0])
            return b":1\r\n" if argv[0] == b"WAIT" else b"+OK\r\n"
        code, result, _ = bench("--port", self.serve(reply), "--clients", 1, "--requests", 3,
                                "--after", "WAIT 1 0")
        self.assertEqual((code, result["completed"]), (0, 3))
        self.assertEqual(seen, [b"SET", b"WAIT"] * 3)

    def test_an_error_of_the_command_behind_is_the_writes(self):
        port = self.serve(lambda argv: b"-ERR no\r\n" if argv[0] == b"WAIT" else b"+OK\r\n")
        code, result, _ = bench("--port", port, "--clients", 1, "--requests", 3, "--after", "WAIT 1 0")
        self.assertEqual((code, result["completed"], result["errors"]), (1, 0, {"ERR": 3}))

    def test_a_lost_connection_is_counted_and_opened_again(self):
        port = self.serve(lambda argv: None)
        code, result, _ = bench("--port", port, "--clients", 1, "--requests", 3)
        self.assertEqual((code, result["errors"]), (1, {"connection-lost": 3}))

    def test_nobody_there(self):
        code, result, _ = bench("--port", free_port(), "--clients", 1, "--requests", 3)
        self.assertEqual((code, result["errors"]), (1, {"connection-refused": 3}))

    def test_a_cluster_with_a_dead_node_is_served_by_the_others(self):
        alive = self.serve(lambda argv: b"+OK\r\n")
        code, result, _ = bench("--nodes", f"127.0.0.1:{free_port()},127.0.0.1:{alive}", "--cluster",
                                "--clients", 2, "--requests", 20)
        self.assertEqual(code, 1)
        self.assertEqual(sum(result["errors"].values()) + result["completed"], 20)
        self.assertGreaterEqual(result["completed"], 18)

    def test_misses_are_told(self):
        port = self.serve(lambda argv: b"$-1\r\n")
        code, result, _ = bench("--port", port, "--clients", 1, "--requests", 4, "--reads", 1)
        self.assertEqual((code, result["misses"]), (0, 4))


class ProgramsTest(unittest.TestCase):
    """The longer comparisons, tiny: that they run, not what they say."""

    def run_tiny(self, program, *argv):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, os.path.join(ROOT, "benchmark", program), "--bin", FOLDER,
                                   "--folder", folder, *argv], capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_large(self):
        said = self.run_tiny("large.py", "--keys", "2000", "--connections", "20", "--seconds", "0.2", "--only", "1")
        self.assertIn("| kill -9 of all, until served again, s |", said)
        self.assertIn("| new follower in step, s", said)

    def test_members(self):
        said = self.run_tiny("members.py", "--keys", "2000", "--rate", "200", "--seconds", "0.3")
        self.assertIn("1000 keys looked for afterwards, 0 missing", said)
        self.assertIn("| from three to five |", said)


class CommandLineTest(unittest.TestCase):
    def run_plain(self, *argv):
        return subprocess.run([os.path.join(FOLDER, "kvorum-bench"), *argv], capture_output=True, text=True,
                              timeout=20)

    def test_help(self):
        done = self.run_plain("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--rate", done.stdout)

    def test_bad_arguments(self):
        done = self.run_plain("--clients", "none")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--clients: 'none'", done.stderr)

    def test_text_says_what_latency_is(self):
        done = self.run_plain("--port", str(free_port()), "--requests", "1", "--clients", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("service time", done.stdout)
        self.assertIn("error connection-refused: 1", done.stdout)


if __name__ == "__main__":
    unittest.main()
