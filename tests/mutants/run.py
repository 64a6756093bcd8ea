#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py SIMULATOR MUTANTS [--seeds N] [--jobs N] [--report FILE] [--only ID[,ID...]]

Runs the simulator of a planted tree once as it is, which must pass, and once for each mutant, which
must fail. A mutant with a scenario is looked for by that one alone, with SCENARIO_SEEDS seeds. Prints
a table; exit 1 when a mutant was not found, or the tree without a mutant fails.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time

import plant

SCENARIO_SEEDS = 50


class Finding:
    def __init__(self, seed, how):
        self.seed = seed
        self.how = how


def judge(code, stderr, stdout=""):
    """What a run of the simulator says: a Finding, or None if it found nothing."""
    if code == 0:
        return None
    scripted = re.search(r"^  seed (\d+): (.*)$", stdout, re.MULTILINE)
    if scripted:
        stderr += f"seed {scripted.group(1)} failed: {scripted.group(2)}\n"
    failed = re.search(r"^seed (\d+) failed:? ?(.*)$", stderr, re.MULTILINE)
    checks = re.findall(r"^.*(check failed.*)$", stderr, re.MULTILINE)
    if failed:
        how = failed.group(2).strip() or "failed"
        return Finding(failed.group(1), checks[-1] if checks and "broken invariant" in how else how)
    # It ended in the middle of a seed.
    seeds = re.findall(r"\bseed (\d+)\b", stderr)
    lines = [line for line in stderr.splitlines() if line.strip() and not re.match(r"seed \d+$", line)]
    how = checks[0] if checks else lines[0] if lines else f"exit {code}"
    return Finding(seeds[-1] if seeds else "-", how.strip())


def simulate(simulator, mutant, seeds, scenario=None):
    environment = dict(os.environ, KVORUM_MUTANT=mutant)
    command = [simulator, "--seeds", str(seeds), "--first-seed", "1"]
    if scenario is not None:
        command = [simulator, "--seeds", str(SCENARIO_SEEDS), "--scenario", scenario]
    started = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace",
                              timeout=3600)
        return judge(done.returncode, done.stderr, done.stdout), done.returncode, time.monotonic() - started
    except subprocess.TimeoutExpired as late:
        text = (late.stderr or b"").decode(errors="replace")
        seeds_seen = re.findall(r"\bseed (\d+)\b", text)
        return Finding(seeds_seen[-1] if seeds_seen else "-", "did not end within an hour"), -1, 3600.0


def row(mutant, finding, seconds):
    seed = finding.seed if finding else "**not found**"
    how = finding.how if finding else ""
    if mutant.scenario is not None:
        seed += f" of scenario {mutant.scenario}"
    cells = [f"`{mutant.id}`", mutant.bug, seed, how[:160], f"{seconds:.0f}"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("simulator")
    parser.add_argument("mutants")
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--report")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    mutants = plant.parse(plant.read(arguments.mutants))
    only = set(filter(None, arguments.only.split(",")))
    unknown = only - {mutant.id for mutant in mutants}
    if unknown:
        sys.exit(f"run.py: no mutant {', '.join(sorted(unknown))}")
    mutants = [mutant for mutant in mutants if not only or mutant.id in only]

    finding, code, seconds = simulate(arguments.simulator, "", arguments.seeds)
    if code != 0:
        print(f"without a mutant: seed {finding.seed} fails: {finding.how}", file=sys.stderr)
        return 1
    for scenario in sorted({mutant.scenario for mutant in mutants} - {None}, key=int):
        finding, code, _ = simulate(arguments.simulator, "", 0, scenario)
        if code != 0:
            print(f"without a mutant: scenario {scenario}, seed {finding.seed} fails: {finding.how}", file=sys.stderr)
            return 1
    print(f"== without a mutant: {arguments.seeds} seeds pass in {seconds:.0f} s", file=sys.stderr)

    rows = {}
    missed = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = {pool.submit(simulate, arguments.simulator, mutant.id, arguments.seeds, mutant.scenario): mutant
                for mutant in mutants}
        for done in concurrent.futures.as_completed(runs):
            mutant = runs[done]
            finding, code, seconds = done.result()
            if code == 2 and "no mutant" in (finding.how if finding else ""):
                print(f"{mutant.id}: {finding.how}", file=sys.stderr)
                return 1
            rows[mutant.id] = row(mutant, finding, seconds)
            if finding is None:
                missed.append(mutant.id)
            print(f"== {mutant.id}: " + (f"seed {finding.seed}: {finding.how[:120]}" if finding
                                         else "NOT FOUND"), file=sys.stderr, flush=True)
    table = ["| mutant | what it breaks | found at seed | how | seconds |", "|---|---|---|---|---|"]
    table += [rows[mutant.id] for mutant in mutants]
    text = "\n".join(table) + f"\n\n{len(mutants) - len(missed)} of {len(mutants)} found, by the swarm within " \
        f"{arguments.seeds} seeds, by a scenario within {SCENARIO_SEEDS}.\n"
    print(text)
    if arguments.report:
        with open(arguments.report, "w", encoding="utf-8") as file:
            file.write(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
