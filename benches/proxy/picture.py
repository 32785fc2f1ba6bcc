"""The picture of a run: CPU seconds per 100,000 requests, a panel a load. Plain SVG, for light and dark pages."""

from html import escape

from load import LOADS
from subjects import BASE, TITLES

WIDTH, LABEL, BAR, GAP, TOP = 960, 250, 17, 5, 34
STYLE = """
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #6e7781 }
  .title { font-weight: 600; font-size: 13px }
  .line { stroke: #8b949e; stroke-dasharray: 3 3 }
  .other { fill: #8c959f } .base { fill: #57606a } .ours { fill: #0969da } .unheld { fill: #54aeff }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .title { fill: #e6edf3 } .base { fill: #b1bac4 } .other { fill: #6e7681 }
    .ours { fill: #388bfd } .unheld { fill: #79c0ff }
  }
"""


def kind(subject):
    if subject == BASE:
        return "base"
    if subject.endswith("-unheld"):
        return "unheld"
    return "ours" if subject in ("forward", "file", "kafka") else "other"


def label(subject):
    """Bars stand alone, so one that isn't held has its journal's name."""
    if subject.endswith("-unheld"):
        return TITLES[subject.removesuffix("-unheld")] + ", not held"
    return TITLES[subject].replace("`", "")


def draw(rows, connections):
    """SVG of the rows with that many connections; the backend alone has no proxy and no bar."""
    rows = [row for row in rows if row["connections"] == connections and row["subject"] != "backend" and row["cpu_per_100k"]]
    body, y = [], 0
    for load in dict.fromkeys(row["load"] for row in rows):
        panel = [row for row in rows if row["load"] == load]
        most = max(row["cpu_per_100k"] for row in panel)
        scale = (WIDTH - LABEL - 120) / most
        body.append(f'<text class="title" x="0" y="{y + 18}">{escape(LOADS[load][3])}, {connections} connections: '
                    'CPU seconds of the proxy per 100,000 requests</text>')
        first = y + TOP
        y = first
        for row in panel:
            wide = row["cpu_per_100k"] * scale
            ratio = row["cpu_per_100k_ratio"]
            beside = f" ({ratio:.2f}×)" if ratio is not None and row["subject"] != BASE else ""
            body.append(f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(label(row["subject"]))}</text>'
                        f'<rect class="{kind(row["subject"])}" x="{LABEL}" y="{y}" width="{wide:.1f}" height="{BAR}" rx="2"/>'
                        f'<text x="{WIDTH}" y="{y + 13}" text-anchor="end">{row["cpu_per_100k"]:.2f}{beside}</text>')
            y += BAR + GAP
        base = next((row["cpu_per_100k"] for row in panel if row["subject"] == BASE), None)
        if base:
            x = LABEL + base * scale
            body.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{first - 4}" y2="{y}"/>')
        y += 14
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" '
            f'aria-label="CPU seconds of each proxy per 100,000 requests">\n<style>{STYLE}</style>\n' + "\n".join(body) + "\n</svg>\n")
