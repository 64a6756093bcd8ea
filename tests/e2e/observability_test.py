# SPDX-License-Identifier: Apache-2.0
"""observability_test.py <bin folder> <source folder>

Three real nodes under load, a real Prometheus with the rules of deploy/, and every query of the
dashboard: an error or an empty panel fails. Also the pages beside /metrics, promtool's opinion of
the names, and that whatever a rule or a panel asks for exists.
"""
import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
import urllib.request

from kvorum_cluster import (Client, Cluster, ReplyError, die_with_parent, free_port, wait_until)

BIN, SOURCE = None, None
SCRAPES = 4  # of each node before the queries are asked; rates want two
# Rules that a slow disk may set off, under a sanitizer too: they are asked, not judged.
SAY_HOW_FAST_THE_MACHINE_IS = {"KvorumFsyncSlow", "KvorumCommitSlow", "KvorumLeaderSick"}
NAME = re.compile(r"\b(?:kvorum|process)_[a-z0-9_]+\b")


class Load(threading.Thread):
    """Writes, reads and errors, through the leader, a follower's two ports and a redirect."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.ending = threading.Event()
        self.failure = None

    def run(self):
        try:
            leader, follower = self.cluster.wait_for_leader(), self.cluster.wait_for_follower()
            with self.cluster.cluster_client() as anywhere, \
                    self.cluster.client(follower, proxy=True) as plain, \
                    self.cluster.client(leader) as direct:
                turn = 0
                while not self.ending.is_set():
                    turn += 1
                    self.one_turn(turn, follower, anywhere, plain, direct)
                    time.sleep(0.005)
        except Exception as failure:  # shown by the test's thread
            self.failure = failure

    def one_turn(self, turn, follower, anywhere, plain, direct):
        key = f"key:{turn % 100}"
        assert anywhere("SET", key, turn) == "OK"
        assert anywhere("GET", key) == str(turn).encode()
        assert plain("SET", key, -turn, "PX", 60000) == "OK"
        assert plain("GET", key) == str(-turn).encode()
        direct.pipeline([("INCR", "counter")] * 10 + [("SET", "counter")])
        with self.cluster.client(follower) as strict:
            try:
                strict("GET", key)
                raise AssertionError("a follower has served a read on the cluster port")
            except ReplyError as error:
                assert error.word == "MOVED", error

    def end(self):
        self.ending.set()
        self.join()
        if self.failure:
            raise self.failure


class Prometheus:
    def __init__(self, cluster):
        self.port = free_port()
        self.folder = os.path.join(cluster.folder, "prometheus")
        os.makedirs(self.folder)
        shutil.copy(os.path.join(SOURCE, "deploy/prometheus/rules.yml"), self.folder)
        targets = [f"127.0.0.1:{node.metrics_port}" for node in cluster.nodes.values()]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": "kvorum", "static_configs": [{"targets": targets}]}],
        }
        # JSON is YAML.
        with open(os.path.join(self.folder, "prometheus.yml"), "w") as file:
            json.dump(config, file)
        self.log = open(os.path.join(self.folder, "prometheus.log"), "wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml",
             f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def api(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                raise ConnectionError("Prometheus has not started yet") from error
            return json.load(error)

    def query(self, expression):
        """The samples of an instant query; NaN is no sample."""
        reply = self.api("query", query=expression)
        if reply["status"] != "success":
            raise ValueError(f"{reply['error']}: {expression}")
        result = reply["data"]["result"]
        if reply["data"]["resultType"] == "scalar":
            return [result]
        return [s for s in result if not math.isnan(float(s["value"][1]))]

    def scraped(self, nodes):
        try:
            samples = self.query('count_over_time(up{job="kvorum"}[5m])')
        except OSError:
            return False  # it has not begun to listen yet
        return (len(samples) == nodes and all(int(s["value"][1]) >= SCRAPES for s in samples) and
                len(self.query('up{job="kvorum"} == 1')) == nodes)


def panel_queries(dashboard):
    """(panel, expression) with Grafana's variables filled in as it would."""
    for panel in dashboard["panels"] + [p for r in dashboard["panels"] for p in r.get("panels", [])]:
        for target in panel.get("targets", []):
            yield panel["title"], filled_in(target["expr"])


def filled_in(expression):
    for name, value in (("$__rate_interval", "30s"), ("$__interval", "5s"), ("$__range", "15m"),
                        ("$node", ".+")):
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that this test does not know: {expression}"
    return expression


class ObservabilityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(os.path.join(BIN, "kvorum-server"))
        cls.cluster.__enter__()
        cls.prometheus = cls.load = None
        try:
            cls.cluster.wait_for_leader()
            cls.prometheus = Prometheus(cls.cluster)
            cls.load = Load(cls.cluster)
            cls.load.start()
            wait_until(lambda: cls.load.failure or cls.prometheus.scraped(len(cls.cluster.nodes)),
                       f"{SCRAPES} scrapes of each node", patience=90, pause=0.2)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            if cls.load:
                cls.load.end()
        finally:
            if cls.prometheus:
                cls.prometheus.end()
            cls.cluster.__exit__(*(sys.exc_info() if sys.exc_info()[0] else (None, None, None)))

    def dashboard(self):
        with open(os.path.join(SOURCE, "deploy/grafana/dashboards/kvorum.json")) as file:
            return json.load(file)

    def rules(self):
        groups = self.prometheus.api("rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def test_promtool_has_nothing_to_say(self):
        for number in self.cluster.nodes:
            status, text, kind = self.cluster.page(number)
            self.assertEqual(status, 200)
            self.assertTrue(kind.startswith("text/plain; version=0.0.4"), kind)
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                     capture_output=True)
            self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_pages(self):
        for number in self.cluster.nodes:
            self.assertEqual(self.cluster.page(number, "/livez")[:2], (200, "ok\n"))
            self.assertEqual(self.cluster.page(number, "/readyz")[:2], (200, "ok\n"))
            status, body, kind = self.cluster.page(number, "/version")
            self.assertEqual((status, kind), (200, "application/json"))
            self.assertEqual(set(json.loads(body)), {"version", "redis_version"})
            for path in ("/", "/metric", "/metrics/", "/etc/passwd"):
                self.assertEqual(self.cluster.page(number, path)[0], 404, path)
            for method in ("POST", "PUT", "DELETE"):
                self.assertEqual(self.cluster.page(number, "/metrics", method)[0], 405, method)

    def test_every_panel_shows_something(self):
        empty = []
        asked = 0
        for title, expression in panel_queries(self.dashboard()):
            asked += 1
            if not self.prometheus.query(expression):
                empty.append(f"{title}: {expression}")
        self.assertGreater(asked, 30)
        self.assertEqual(empty, [])

    def test_annotations_can_be_asked(self):
        for annotation in self.dashboard()["annotations"]["list"]:
            self.prometheus.query(filled_in(annotation["expr"]))

    def test_every_alert_can_be_asked_and_none_fires(self):
        rules = self.rules()
        self.assertGreater(len(rules), 10)
        self.assertLessEqual(SAY_HOW_FAST_THE_MACHINE_IS, {rule["name"] for rule in rules})
        for rule in rules:
            self.prometheus.query(rule["query"])
            self.assertEqual(rule["health"], "ok", rule)
            if rule["name"] not in SAY_HOW_FAST_THE_MACHINE_IS:
                self.assertEqual(rule["alerts"], [], rule["name"])

    def test_whatever_is_asked_for_exists(self):
        known = set(self.prometheus.api("label/__name__/values")["data"])
        asked = [expression for _, expression in panel_queries(self.dashboard())]
        asked += [rule["query"] for rule in self.rules()]
        for expression in asked:
            self.assertEqual(set(NAME.findall(expression)) - known, set(), expression)

    def test_the_load_is_what_is_counted(self):
        for metric in ("kvorum_forwarded_total", "kvorum_redirected_total",
                       "kvorum_proposals_committed_total", "kvorum_raft_elections_won_total",
                       "kvorum_wal_fsync_latency_seconds_count"):
            value = float(self.prometheus.query(f"sum({metric})")[0]["value"][1])
            self.assertGreater(value, 0, metric)
        self.assertEqual(self.prometheus.query("sum(kvorum_raft_is_leader)")[0]["value"][1], "1")

    # A node without the others is alive and not ready.
    def test_a_lonely_node_is_alive_but_not_ready(self):
        with Cluster(os.path.join(BIN, "kvorum-server"), start=False) as lonely:
            lonely.start(1)
            wait_until(lambda: self.page_or_nothing(lonely, "/livez") == 200, "/livez")
            self.assertEqual(lonely.page(1, "/readyz")[0], 503)
            with Client(lonely.nodes[1].port) as client:
                self.assertEqual(client("PING"), "PONG")

    @staticmethod
    def page_or_nothing(cluster, path):
        try:
            return cluster.page(1, path)[0]
        except OSError:
            return None


if __name__ == "__main__":
    BIN, SOURCE = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
