# SPDX-License-Identifier: Apache-2.0
"""Figures to Markdown. Ratios first: they are what travels to another machine."""
import os
import statistics

SPREAD_NOTED = 1.5  # largest by smallest round of one figure, from which on it is named


class Figures:
    """(peer, shape) -> one figure per round."""

    def __init__(self):
        self.rounds = {}
        self.rss_mib = {}
        self.missing = {}
        self.sampled = {}

    def add(self, peer, shape, figure):
        self.rounds.setdefault((peer, shape), []).append(figure)

    def median(self, peer, shape, what):
        values = [figure[what] for figure in self.rounds.get((peer, shape), []) if figure[what] is not None]
        return statistics.median(values) if values else None

    def ratio(self, peer, base, shape, what):
        ours, theirs = self.median(peer, shape, what), self.median(base, shape, what)
        return ours / theirs if ours is not None and theirs else None

    def spread(self, peer, shape):
        values = [figure["per_s"] for figure in self.rounds.get((peer, shape), [])]
        if len(values) < 2:
            return 1.0
        return max(values) / min(values) if min(values) > 0 else float("inf")

    def failures(self):
        """'peer, shape: error x n' for everything that went wrong."""
        found = {}
        for (peer, shape), figures in self.rounds.items():
            for figure in figures:
                for what, count in figure["failed"].items():
                    key = (peer, shape, what)
                    found[key] = found.get(key, 0) + count
        return [f"{peer}, {shape}: {what} x {count}" for (peer, shape, what), count in found.items()]


def cell(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return lines + [""]


def ratio_table(figures, peers, shapes, base):
    """Throughput relative to `base`, p99 relative in brackets."""
    rows = []
    for peer in peers:
        cells = []
        for shape in shapes:
            rate, p99 = (figures.ratio(peer.name, base.name, shape.name, what) for what in ("per_s", "p99"))
            cells.append(f"{cell(rate)} ({cell(p99)})" if rate is not None else "-")
        if any(text != "-" for text in cells):
            rows.append([f"*{peer.title}*" if peer is base else peer.title, *cells])
    return table([f"relative to {base.title}", *(shape.title for shape in shapes)], rows)


def ratios(figures, peers, shapes):
    by_name = {peer.name: peer for peer in peers}
    closed = [s for s in shapes if s.generator == "kvorum-bench" and not s.name.startswith("open")]
    lines = []
    for kind, title, bases in (("write", "Writes", ("redis7-always", "roofline")), ("read", "Reads", ("redis7-none",))):
        chosen = [s for s in closed if s.base == kind]
        for base in (by_name[name] for name in bases if name in by_name):
            lines += [f"### {title}, relative to *{base.title}*", "",
                      "Throughput (more is better); in brackets p99 of service time (less is better).", ""]
            lines += ratio_table(figures, peers, chosen, base)
    cross = [s for s in shapes if s.generator == "redis-benchmark"]
    for shape, name in zip(cross, ("redis7-always", "redis7-none")):
        if name in by_name:
            lines += [f"### The same by redis-benchmark: {shape.title}", ""]
            lines += ratio_table(figures, peers, [shape], by_name[name])
    return lines


def latency(figures, peers, shapes):
    shape = next((s for s in shapes if s.name.startswith("open")), None)
    if shape is None:
        return []
    rows = []
    for peer in peers:
        if figures.median(peer.name, shape.name, "p50") is not None:
            rows.append([peer.title] + [cell(figures.median(peer.name, shape.name, what) / 1000)
                                        for what in ("p50", "p99", "p99.9")])
    return [f"### Latency: {shape.title}", "",
            "Milliseconds from the moment a command was due, sent in time or not. All systems get the same load.", "",
            *table(["", "p50", "p99", "p99.9"], rows)]


def costs(figures, peers, shapes):
    chosen = [s for s in shapes if s.name in ("set-50", "set-50x16", "get-50", "get-50x16")]
    rows = []
    for peer in peers:
        cells = [cell(figures.median(peer.name, shape.name, "cpu"), 1) for shape in chosen]
        rss = figures.rss_mib.get(peer.name)
        rows.append([peer.title, *cells, cell(statistics.median(rss), 0) if rss else "-"])
    return ["### What it costs", "",
            "CPU seconds of all server processes per million commands (under a light load, a server that works in "
            "small batches pays more for each), and their resident memory together at the end of a run.", "",
            *table(["", *(shape.title for shape in chosen), "MiB"], rows)]


def absolutes(figures, peers, shapes):
    lines = ["### Absolute figures", "",
             "Of this machine, at that hour. A second / p50 / p99 / p99.9 in microseconds.", ""]
    rows = []
    for peer in peers:
        for shape in shapes:
            if figures.median(peer.name, shape.name, "per_s") is None:
                continue
            rows.append([peer.title, f"{shape.title} ({shape.generator})",
                         cell(figures.median(peer.name, shape.name, "per_s"), 0),
                         *(cell(figures.median(peer.name, shape.name, what), 0) for what in ("p50", "p99", "p99.9")),
                         cell(figures.spread(peer.name, shape.name))])
    return lines + table(["", "load", "per s", "p50", "p99", "p99.9", "largest / smallest round"], rows)


def notes(figures, peers, shapes, extra):
    lines = []
    for peer in peers:
        wide = [(figures.spread(peer.name, shape.name), shape) for shape in shapes]
        wide = sorted(((s, shape) for s, shape in wide if s > SPREAD_NOTED), key=lambda pair: -pair[0])
        if wide:
            lines.append(f"{peer.title}: rounds spread widely for " +
                         ", ".join(f"{shape.title} by {shape.generator} ({spread:.1f} x)" for spread, shape in wide) +
                         ". Read these ratios as rough.")
    lines += [f"Errors: {text}." for text in figures.failures()]
    for name, count in figures.missing.items():
        if count:
            lines.append(f"**{name}: {count} of {figures.sampled[name]} sampled keys were not there at the end.**")
    whole = sum(figures.sampled.values())
    if not any(figures.missing.values()) and whole:
        lines.append(f"At the end of each run sampled keys were read back: all {whole} were there.")
    return ["### Notes", "", *(f"- {line}" for line in lines + extra), ""]


def machine():
    model = ""
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = ", " + line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} cores{model}{priority()}; load average {load_average():.1f} when it began"


def priority():
    """What it was raised above, or lowered below, other work; '' when it was not."""
    words = [f"nice {os.nice(0)}"] if os.nice(0) else []
    try:
        with open("/proc/self/autogroup") as group:
            nice = int(group.read().split()[-1])
            words += [f"autogroup nice {nice}"] if nice else []
    except (OSError, ValueError, IndexError):
        pass  # a kernel without it
    return "".join(f", {word}" for word in words)


def load_average():
    with open("/proc/loadavg") as load:
        return float(load.read().split()[0])


def write(figures, peers, shapes, about, extra_notes):
    """The whole report. `about`: lines on what ran."""
    lines = ["# Side by side", "", *about, ""]
    lines += table(["system", "an answered write is"], [[peer.title, peer.promise] for peer in peers])
    lines += ratios(figures, peers, shapes)
    lines += latency(figures, peers, shapes)
    lines += costs(figures, peers, shapes)
    lines += notes(figures, peers, shapes, extra_notes)
    lines += absolutes(figures, peers, shapes)
    return "\n".join(lines)
