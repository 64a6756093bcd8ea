# SPDX-License-Identifier: Apache-2.0
"""recipes_test.py <folder of binaries> <source>

The recipes of docs/operations.md, run as they stand there: the commands are read from the document.
Only what cannot be the same on one machine is replaced: hosts, ports and folders. Growing from one
node to three, replacing a dead node, upgrading and taking the upgrade back, reading what happened, and looking into a data directory.
"""
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import unittest

from kvorum_cluster import Client, ReplyError, die_with_parent, free_port, wait_until

BINARIES = SOURCE = None


def recipe(title):
    """The commands in the blocks between this bold title and the next title."""
    with open(os.path.join(SOURCE, "docs/operations.md"), encoding="utf-8") as file:
        text = file.read()
    at = text.index(title)
    rest = text[at + len(title):]
    end = re.search(r"^(\*\*[A-Z]|## )", rest, re.MULTILINE)
    blocks = re.findall(r"^```\n(.*?)^```", rest[:end.start() if end else len(rest)], re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


class Machine:
    """What a host of the document is here: ports and a folder."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name)
        self.port, self.peer_port = free_port(), free_port()
        os.makedirs(self.folder)


class Recipes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.machines = {}  # by host; a new node gets a new one
        self.servers = {}   # by node id
        self.port_of = {}
        self.release = "kvorum-server"

    def tearDown(self):
        for server in self.servers.values():
            server.kill()
            server.wait()
        self.folder.cleanup()

    def machine(self, host):
        if host not in self.machines:
            self.machines[host] = Machine(self.folder.name, f"{host}-{len(self.port_of)}")
        return self.machines[host]

    def here(self, word):
        """host:6379@16379 and host:6379 of the document, on this machine."""
        def place(match):
            machine = self.machine(match[1])
            return f"127.0.0.1:{machine.port}" + (f"@{machine.peer_port}" if match[2] else "")
        return re.sub(r"(kv\d)\.example:6379(@16379)?", place, word)

    def run_line(self, line):
        words = shlex.split(line, comments=True)
        if words[0] == "kvorum-server":
            return self.start(words)
        if words[0] == "redis-cli":
            host = words[words.index("-h") + 1].split(".")[0]
            at = words.index("-h")
            words[at:at + 2] = ["-h", "127.0.0.1", "-p", str(self.machine(host).port)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            if words[-1] == "SHUTDOWN":
                (number,) = [n for n, port in self.port_of.items() if port == self.machine(host).port]
                self.assertEqual(self.servers[number].wait(30), 0)
            return done.stdout.strip()
        self.fail(f"what is this: {line}")

    def start(self, words):
        number = int(words[words.index("--node-id") + 1])
        host = re.search(rf"{number}=(kv\d)\.example", " ".join(words))[1]
        if number not in self.servers and host in self.machines and self.machines[host].port in self.port_of.values():
            del self.machines[host]  # the old machine with an empty directory
        machine = self.machine(host)
        words = [self.here(word) for word in words]
        words[words.index("--dir") + 1] = machine.folder
        words[words.index("--bind") + 1] = "127.0.0.1"
        words[0] = os.path.join(BINARIES, self.release)
        with open(os.path.join(machine.folder, "log"), "ab") as log:
            self.servers[number] = subprocess.Popen([*words, "--port", str(machine.port)], stdout=log,
                                                    stderr=log, preexec_fn=die_with_parent)
        self.port_of[number] = machine.port
        return number

    def ask(self, number, *argv):
        try:
            with Client(self.port_of[number], timeout=5.0) as client:
                return client(*argv)
        except (OSError, ReplyError):
            return None

    def wait_for_voters(self, *numbers):
        def voters():
            for number, server in self.servers.items():
                if server.poll() is not None or (self.ask(number, "ROLE") or [b""])[0] != b"master":
                    continue
                rows = [dict(zip(row[::2], row[1::2])) for row in self.ask(number, "RAFT", "NODES") or []]
                if {row[b"id"] for row in rows if row[b"membership"] == b"voter"} == set(numbers) and \
                        len(rows) == len(numbers):
                    return number
            return None
        return wait_until(voters, f"the voters {numbers}")

    def grow(self):
        first, *others = recipe("**Grow from one to three.**")
        self.run_line(first)
        leader = self.wait_for_voters(1)
        self.assertEqual(self.ask(leader, "SET", "kept", "yes"), "OK")
        voters = [1]
        for line in others:
            voters.append(self.run_line(line))
            self.wait_for_voters(*voters)
        self.assertEqual(voters, [1, 2, 3])

    def kept(self):
        leader = self.wait_for_voters(*sorted(n for n, s in self.servers.items() if s.poll() is None))
        self.assertEqual(self.ask(leader, "GET", "kept"), b"yes")

    def test_grow_from_one_to_three(self):
        self.grow()
        self.kept()

    def test_replace_a_dead_node(self):
        self.grow()
        self.servers[2].send_signal(signal.SIGKILL)
        self.servers[2].wait()
        remove, start = recipe("**Replace a dead node.**")
        # The dead one may have led: the others elect, and then one of them can be asked.
        self.assertEqual(wait_until(lambda: self.run_line(remove) == "OK" and "OK", "RAFT REMOVE"), "OK")
        self.assertEqual(self.run_line(start), 4)
        self.wait_for_voters(1, 3, 4)
        self.kept()

    def level(self, number):
        rows = self.ask(number, "RAFT", "INFO") or []
        return dict(zip(rows[::2], rows[1::2])).get(b"feature_level")

    def roll(self, title, release):
        self.release = release
        for line in recipe(title):
            self.run_line(line)
            if line.startswith("kvorum-server"):
                number = int(line.split("--node-id ")[1].split()[0])
                wait_until(lambda number=number: self.level(number) is not None, f"node {number} answers")
                self.wait_for_voters(1, 2, 3)

    def test_upgrade_taken_back_and_made(self):
        self.release = "kvorum-server-older"
        self.grow()
        self.roll("**Upgrade, node by node.**", "kvorum-server")
        self.roll("**Take the upgrade back.**", "kvorum-server-older")
        self.roll("**Upgrade, node by node.**", "kvorum-server")
        self.kept()
        lines = recipe("**Let the new level come.**")
        for line in lines:
            self.assertEqual([self.level(number) for number in (1, 2, 3)], [1, 1, 1])
            self.assertEqual(self.run_line(line), "OK")
        wait_until(lambda: [self.level(number) for number in (1, 2, 3)] == [2, 2, 2], "the level is raised")
        self.kept()

    def test_what_happened(self):
        self.grow()
        (line,) = recipe("## After an outage: what happened")
        for number in self.servers:
            host = next(h for h, m in self.machines.items() if m.port == self.port_of[number])
            os.symlink(self.machines[host].folder, os.path.join(self.folder.name, f"node-{number}"))

        def told():
            done = subprocess.run(["bash", "-c", line], cwd=self.folder.name, capture_output=True,
                                  text=True, check=True)
            return all(f'"event":"{name}"' in done.stdout for name in ("starts", "elected", "follows", "members"))
        wait_until(told, "the events are in the files")


if __name__ == "__main__":
    BINARIES, SOURCE = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
