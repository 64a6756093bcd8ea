# SPDX-License-Identifier: Apache-2.0
"""What the comparisons make of their figures. Nothing is started here."""
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "benchmark"))
import bench_check  # noqa: E402
import chart  # noqa: E402
import newer_servers  # noqa: E402
import report  # noqa: E402
import side_by_side  # noqa: E402
from measure import sampled_keys, shapes  # noqa: E402
from peers import peers  # noqa: E402


def figure(per_s, p99=1000.0, **failed):
    return {"per_s": per_s, "p50": 100.0, "p99": p99, "p99.9": p99, "cpu": 5.0, "failed": failed}


def sample():
    figures = report.Figures()
    for ours, theirs in ((100.0, 200.0), (120.0, 190.0), (110.0, 210.0)):
        figures.add("kvorum-3", "set-50", figure(ours, 3000.0))
        figures.add("redis7-always", "set-50", figure(theirs))
    return figures


class FiguresTest(unittest.TestCase):
    def test_ratio_of_medians(self):
        self.assertEqual(sample().ratio("kvorum-3", "redis7-always", "set-50", "per_s"), 110 / 200)
        self.assertEqual(sample().ratio("kvorum-3", "redis7-always", "set-50", "p99"), 3.0)

    def test_what_was_not_measured_has_no_ratio(self):
        self.assertIsNone(sample().ratio("kvorum-3", "redis7-always", "get-50", "per_s"))
        self.assertIsNone(sample().ratio("kvorum-3", "roofline", "set-50", "per_s"))

    def test_spread(self):
        self.assertEqual(sample().spread("kvorum-3", "set-50"), 1.2)
        self.assertEqual(sample().spread("nobody", "set-50"), 1.0)

    def test_sampled_keys_are_spelled_as_written(self):
        self.assertEqual(sampled_keys(10, 3), ["key:000000000000", "key:000000000003", "key:000000000006"])
        self.assertEqual(len(sampled_keys(5, 500)), 5)


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.peers = peers("bin", {"redis8": ["r"], "valkey": ["v"]})
        self.loads = shapes(2000)

    def write(self, figures):
        return report.write(figures, self.peers, self.loads, ["about"], ["an extra note"])

    def test_ratios_are_in_it(self):
        text = self.write(sample())
        self.assertIn("| Kvorum, 3 nodes | - | 0.55 (3.00) |", text)
        self.assertIn("- an extra note", text)

    def test_rounds_that_spread_are_named(self):
        figures = sample()
        self.assertNotIn("spread widely", self.write(figures))
        figures.add("kvorum-3", "set-50", figure(400.0))
        self.assertIn("Kvorum, 3 nodes: rounds spread widely for SET, 50 clients", self.write(figures))

    def test_errors_and_missing_keys_are_named(self):
        figures = sample()
        figures.add("kvorum-3", "set-50", figure(110.0, MOVED=4))
        figures.missing, figures.sampled = {"kvorum-3": 2}, {"kvorum-3": 500}
        text = self.write(figures)
        self.assertIn("- Errors: kvorum-3, set-50: MOVED x 4.", text)
        self.assertIn("2 of 500 sampled keys were not there", text)
        self.assertNotIn("all 500 were there", text)

    def test_the_chart_is_xml_with_a_bar_for_each_ratio(self):
        svg = chart.of_figures(sample(), self.peers, self.loads, "a < footer & more")
        root = xml.etree.ElementTree.fromstring(svg)
        bars = [e for e in root if e.tag.endswith("rect")]
        self.assertEqual(len(bars), 1 + 2)


class CommandLineTest(unittest.TestCase):
    def test_quick_is_smaller(self):
        self.assertLess(side_by_side.parse(["--quick"]).duration, side_by_side.parse([]).duration)
        self.assertEqual(side_by_side.parse(["--quick", "--rounds", "7"]).rounds, 7)

    def test_only(self):
        rows = peers("bin", {})
        arguments = side_by_side.parse(["--only", "roofline,redis7-none,etcd"])
        self.assertEqual([peer.name for peer in side_by_side.choose(rows, arguments)], ["roofline", "redis7-none"])
        with self.assertRaises(SystemExit):
            side_by_side.choose(rows, side_by_side.parse(["--only", "memcached"]))

    def test_newer_servers_may_be_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(newer_servers.find(folder), {})


class CheckTest(unittest.TestCase):
    BOUNDS = {"set-50": {"least": 0.5, "p99_most": 2.0}}

    def judge(self, *ratios, p99=1000.0, **failed):
        pairs = [({"set-50": figure(100.0 * ratio, p99, **failed)}, {"set-50": figure(100.0)}) for ratio in ratios]
        return bench_check.judge(pairs, self.BOUNDS)[0][3]

    def test_within_bounds(self):
        self.assertEqual(self.judge(0.6, 0.5, 0.7), "")

    def test_one_bad_pair_is_no_loss(self):
        self.assertEqual(self.judge(0.6, 0.1, 0.7), "")

    def test_a_lasting_one_is(self):
        self.assertEqual(self.judge(0.6, 0.4, 0.3), "throughput below 0.5")
        self.assertEqual(self.judge(1.0, 1.0, 1.0, p99=2500.0), "p99 above 2")

    def test_errors_are_a_loss(self):
        self.assertEqual(self.judge(1.0, MOVED=3), "errors MOVED x 3")

    def test_every_expected_load_exists(self):
        with open(os.path.join(ROOT, "benchmark", "expected.json")) as file:
            expected = json.load(file)
        known = {shape.name for shape in shapes(1)}
        for name in ("redis7-always", "baseline"):
            self.assertLessEqual(set(expected[name]), known)
            for bound in expected[name].values():
                self.assertGreater(bound["least"], 0)
                self.assertGreaterEqual(bound["p99_most"], 1)

    def test_a_baseline_must_be_a_program(self):
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            bench_check.parse(["--baseline", "no/such/file"])


if __name__ == "__main__":
    unittest.main()
