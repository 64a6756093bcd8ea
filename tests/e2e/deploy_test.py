# SPDX-License-Identifier: Apache-2.0
"""deploy_test.py <bin folder> <source folder>

What deploy/ claims about the server is true: the commented configuration names every directive with
its default and is accepted as it stands, the rules pass their own tests, the image's script does
what users of the Redis image expect.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

BIN, SOURCE = None, None
DIRECTIVE = re.compile(r"^# ([a-z][a-z-]+)(?: (.*))?$")


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, **options)


def server(*argv, **options):
    return run(os.path.join(BIN, "kvorum-server"), *argv, **options)


class ConfigurationTest(unittest.TestCase):
    def setUp(self):
        self.path = os.path.join(SOURCE, "deploy/kvorum.conf")
        with open(self.path) as file:
            self.text = file.read()
        self.defaults = dict(re.findall(r"^  --(\S+) (.*?)(?: \(\*\))?$", server("--help").stdout,
                                        re.M))

    def commented(self):
        found = {}
        for line in self.text.splitlines():
            match = DIRECTIVE.match(line)
            if match and match.group(1) in self.defaults and match.group(2) is not None:
                value = match.group(2)
                if not value.rstrip().endswith((".", ",", ":")):
                    found[match.group(1)] = value
        return found

    def test_every_directive_is_there_with_its_default(self):
        self.assertGreater(len(self.defaults), 30)
        self.assertEqual(self.commented(), self.defaults)

    def test_it_is_accepted_as_it_stands_and_uncommented(self):
        self.assertEqual(server(self.path, "--version").returncode, 0)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("".join(f"{k} {v}\n" for k, v in self.commented().items()))
            file.flush()
            started = server(file.name, "--version")
            self.assertEqual((started.returncode, started.stderr), (0, ""))

    def test_the_image_s_file_is_accepted(self):
        started = server(os.path.join(SOURCE, "deploy/docker/kvorum.conf"), "--version")
        self.assertEqual((started.returncode, started.stderr), (0, ""))


class RulesTest(unittest.TestCase):
    def test_promtool_agrees(self):
        folder = os.path.join(SOURCE, "deploy/prometheus")
        for argv in (("check", "rules", "rules.yml"), ("check", "config", "prometheus.yml"),
                     ("test", "rules", "rules_test.yml")):
            checked = run("promtool", *argv, cwd=folder)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)


class EntrypointTest(unittest.TestCase):
    """With stand-ins for the programs that it calls; each prints how it was called."""

    def entrypoint(self, *argv, uid=999, umask=0o022):
        with tempfile.TemporaryDirectory() as stand_ins:
            for name, script in {
                "id": f"echo {uid}",
                "find": 'echo "find $*"',
                "setpriv": 'echo "setpriv $*"',
                "kvorum-server": 'echo "kvorum-server $* umask $(umask)"',
                "kvorum-tool": 'echo "kvorum-tool $*"',
            }.items():
                path = os.path.join(stand_ins, name)
                with open(path, "w") as file:
                    file.write("#!/bin/sh\n" + script + "\n")
                os.chmod(path, 0o755)
            ran = run(os.path.join(SOURCE, "deploy/docker/entrypoint.sh"), *argv, umask=umask,
                      env={"PATH": stand_ins + ":/usr/bin:/bin"})
            self.assertEqual(ran.returncode, 0, ran.stderr)
            return ran.stdout.strip().split("\n")

    def test_the_server_with_the_image_s_file(self):
        own = "/etc/kvorum/kvorum.conf"
        self.assertEqual(self.entrypoint("kvorum-server"), [f"kvorum-server {own} umask 0077"])
        self.assertEqual(self.entrypoint("--port", "7000"),
                         [f"kvorum-server {own} --port 7000 umask 0077"])
        self.assertEqual(self.entrypoint("kvorum-server", "--port", "7000"),
                         [f"kvorum-server {own} --port 7000 umask 0077"])

    def test_a_file_of_one_s_own(self):
        self.assertEqual(self.entrypoint("/my/kv.conf", "--port", "7000"),
                         ["kvorum-server /my/kv.conf --port 7000 umask 0077"])

    def test_another_umask_is_kept(self):
        self.assertEqual(self.entrypoint("/my/kv.conf", umask=0o027),
                         ["kvorum-server /my/kv.conf umask 0027"])

    def test_other_programs(self):
        self.assertEqual(self.entrypoint("kvorum-tool", "wal", "verify", "/data"),
                         ["kvorum-tool wal verify /data"])
        self.assertEqual(self.entrypoint("echo", "hello"), ["hello"])

    def test_root_gives_its_rights_away(self):
        called = self.entrypoint("--port", "7000", uid=0)
        self.assertTrue(called[0].startswith("find /data ! -user kvorum"), called)
        self.assertRegex(called[1], r"^setpriv --reuid=kvorum --regid=kvorum --clear-groups -- "
                                    r"\S+entrypoint.sh kvorum-server --port 7000$")


class ClusterScriptTest(unittest.TestCase):
    def test_scripts_are_valid_shell(self):
        for name in ("scripts/cluster", "scripts/test", "scripts/build", "scripts/sanitize",
                     "scripts/campaign", "scripts/lint", "scripts/format", "scripts/say.sh",
                     "scripts/install-packages", "deploy/docker/healthcheck.sh",
                     "deploy/docker/entrypoint.sh", ".ci/run"):
            checked = run("bash", "-n", os.path.join(SOURCE, name))
            self.assertEqual((name, checked.returncode, checked.stderr), (name, 0, ""))


if __name__ == "__main__":
    BIN, SOURCE = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
