#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mutants apply to the tree as it is, and the tools can fail. mutants_test.py SRC"""
import os
import sys
import unittest

import plant
import run

SOURCE = ""


def entry(old="a == b", new="true", kind="expression", more=""):
    return f"mutant m\nfile f.cc\nkind {kind}\n{more}bug b\n<<<\n{old}\n===\n{new}\n>>>\n"


class Mutants(unittest.TestCase):
    def test_every_mutant_applies(self):
        mutants = plant.parse(plant.read(os.path.join(plant.HERE, "mutants.txt")))
        self.assertGreaterEqual(len(mutants), 95)
        self.assertEqual(plant.check(SOURCE, mutants), [])


class Plant(unittest.TestCase):
    def planted(self, source, text):
        return plant.plant_file(plant.parse(text), source)

    def test_expression(self):
        self.assertEqual(
            self.planted("// first\nif (a == b) return;\n", entry()),
            '// first\n#include "base/mutants.h"\nif ((::kvorum::mutants::Active(1) ? (true) : (a == b))) return;\n')

    def test_statement_and_header(self):
        self.assertEqual(
            self.planted("// first\n#pragma once\nif (x) f();\n", entry("f();", "", "statement")),
            '// first\n#pragma once\n\n#include "base/mutants.h"\nif (x) '
            "{ if (::kvorum::mutants::Active(1)) {\n\n} else {\nf();\n} }\n")

    def test_after(self):
        self.assertIn("g(x); h((", self.planted("//\ng(x); h(x);\n", entry("x", "y", more="after h(\n")))

    def test_what_is_not_there_once_is_refused(self):
        for source in ("//\n", "//\na == b; a == b;\n"):
            with self.assertRaises(plant.Broken):
                self.planted(source, entry())

    def test_overlaps_are_refused(self):
        second = entry("b; c").replace("mutant m", "mutant n")
        with self.assertRaises(plant.Broken):
            self.planted("//\na == b; c\n", entry() + second)

    def test_malformed_entries_are_refused(self):
        for text in (entry(kind="other"), entry(old=""), entry(new=""), entry() + entry(), entry()[:-4],
                     "hello\n", "<<<\n"):
            with self.assertRaises(plant.Broken):
                plant.parse(text)


class Judge(unittest.TestCase):
    def test_verdicts(self):
        self.assertIsNone(run.judge(0, "seed 1\nseed 2\n"))
        found = run.judge(1, "seed 7\nseed 7 failed: not linearizable\nreplay: ...\n")
        self.assertEqual((found.seed, found.how), ("7", "not linearizable"))
        found = run.judge(-6, "seed 8\nseed 9\nkvorum: check failed at a.cc:1: x\n")
        self.assertEqual((found.seed, found.how), ("9", "check failed at a.cc:1: x"))
        found = run.judge(1, "kvorum: check failed at a.cc:1: x\nseed 3 failed: a broken invariant, see above\n")
        self.assertEqual((found.seed, found.how), ("3", "check failed at a.cc:1: x"))
        found = run.judge(1, "", "FAILED  72  log shortened\n  seed 4: not equal\n  replay: ...\n")
        self.assertEqual((found.seed, found.how), ("4", "not equal"))
        found = run.judge(1, "these states never came up: pulse\n")
        self.assertEqual(found.seed, "-")


if __name__ == "__main__":
    SOURCE = sys.argv.pop(1)
    unittest.main()
