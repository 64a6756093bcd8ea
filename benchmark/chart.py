# SPDX-License-Identifier: Apache-2.0
"""Bars of ratios, as SVG, by hand: no library is worth it for rectangles and text."""
from xml.sax.saxutils import escape

WIDTH = 760
LABEL = 230
BAR = 18
GAP = 6
HEAD = 34
OURS, OTHERS, LINE, INK, PAPER = "#c2410c", "#64748b", "#0f172a", "#1e293b", "#ffffff"


def text(x, y, words, size=12, anchor="start", colour=INK, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}" stroke="{PAPER}" stroke-width="3" paint-order="stroke">{escape(words)}</text>')


def panel(top, title, base_title, rows):
    """(SVG elements, height): one bar per (name, ratio, whether it is ours)."""
    room = WIDTH - LABEL - 70
    scale = room / max(1.0, max(ratio for _, ratio, _ in rows))
    height = HEAD + len(rows) * (BAR + GAP)
    one = LABEL + scale
    parts = [f'<line x1="{one:.1f}" y1="{top + HEAD - 4}" x2="{one:.1f}" y2="{top + height}" '
             f'stroke="{LINE}" stroke-dasharray="3 3"/>',
             text(12, top + 18, title, 14, weight="bold"),
             text(WIDTH - 12, top + 18, f"1.0 = {base_title}", 11, "end", OTHERS)]
    for number, (name, ratio, ours) in enumerate(rows):
        y = top + HEAD + number * (BAR + GAP)
        length = max(1.0, ratio * scale)
        parts += [text(LABEL - 8, y + 13, name, anchor="end", weight="bold" if ours else "normal"),
                  f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
                  f'fill="{OURS if ours else OTHERS}"/>',
                  text(LABEL + length + 6, y + 13, f"{ratio:.2f}")]
    return parts, height + 18


def draw(panels, footer):
    """panels: (title, title of what 1.0 is, [(name, ratio, ours)]); those without rows are left out."""
    parts, top = [], 10
    for title, base_title, rows in panels:
        if not rows:
            continue
        drawn, height = panel(top, title, base_title, rows)
        parts += drawn
        top += height
    parts.append(text(12, top + 12, footer, 11, colour=OTHERS))
    top += 24
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
                      f'viewBox="0 0 {WIDTH} {top}" font-family="system-ui, sans-serif">',
                      f'<rect width="{WIDTH}" height="{top}" fill="{PAPER}"/>', *parts, "</svg>", ""])


def of_figures(figures, peers, shapes, footer):
    by_name = {peer.name: peer for peer in peers}
    panels = []
    for shape in shapes:
        base = by_name.get({"write": "redis7-always", "read": "redis7-none"}[shape.base])
        if shape.generator != "kvorum-bench" or shape.name.startswith("open") or base is None:
            continue
        rows = [(peer.title, figures.ratio(peer.name, base.name, shape.name, "per_s"), peer.name.startswith("kvorum"))
                for peer in peers]
        panels.append((f"{shape.title}: throughput", base.title, [row for row in rows if row[1] is not None]))
    return draw(panels, footer)
