"""Tables for people, one file for programs."""

import json
import time

from load import LOADS
from machine import RESULTS, describe_as_text
from subjects import BASE, TITLES


def number(value, digits=2):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 or digits == 0 else f"{value:.{digits}f}"


def with_ratio(row, measure, scale=1, digits=2):
    value = row[measure]
    if value is None:
        return "–"
    ratio = row.get(f"{measure}_ratio")
    # How a subject compares with itself says nothing.
    beside = f" ({ratio:.2f}×)" if ratio is not None and row["subject"] != BASE else ""
    return number(value / scale, digits) + beside


def markdown_table(head, rows):
    """Left-aligned first column, the others right, padded so that it reads as text too."""
    widths = [max(len(line[at]) for line in [head, *rows]) for at in range(len(head))]
    pad = lambda line: "| " + " | ".join(
        cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths))) + " |"
    rule = "|" + "|".join("-" * (width + 2) if at == 0 else "-" * (width + 1) + ":" for at, width in enumerate(widths)) + "|"
    return "\n".join([pad(head), rule, *map(pad, rows)])


def tables(rows):
    parts = []
    for load, connections in dict.fromkeys((row["load"], row["connections"]) for row in rows):
        head = [f"{LOADS[load][3]}, {connections} connection{'s' * (connections > 1)}", "req/s", "p50 ms", "p99 ms",
                "p99.9 ms", "CPU s / 100,000", "peak MiB", "errors"]
        lines = []
        for row in rows:
            if (row["load"], row["connections"]) != (load, connections):
                continue
            errors = ", ".join(f"{count} {kind}" for kind, count in row["errors"].items())
            lines.append([("⚠ " if errors else "") + TITLES[row["subject"]], with_ratio(row, "rps", 1, 0),
                          *(with_ratio(row, measure, 1000) for measure in ("p50_us", "p99_us", "p999_us")),
                          with_ratio(row, "cpu_per_100k"), number(row["peak_rss_mib"], 0), errors or "0"])
        parts.append(markdown_table(head, lines))
    return "\n\n".join(parts)


def figure_table(figures):
    head = ["figure", "connections", "at most", "measured", ""]
    return markdown_table(head, [[figure["figure"], str(figure.get("connections", "–")), number(figure["at_most"]),
                                  number(figure["measured"], 3), "reached" if figure["reached"] else "**missed**"]
                                 for figure in figures])


def write(kind, machine, text, picture=None, **data):
    """benches/results/<date>-<kind>.{json,md,svg}; a second run of a day gets the time into its name."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = f"{machine['date'][:10]}-{kind}"
    if (RESULTS / f"{name}.json").exists():
        name = f"{machine['date'][:10]}-{time.strftime('%H%M', time.gmtime())}-{kind}"
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine, **data}, indent=1) + "\n")
    about = describe_as_text(machine)
    shown = f"\n![CPU seconds of the proxy]({name}.svg)\n" if picture else ""
    (RESULTS / f"{name}.md").write_text(f"# {kind}\n\n{about}\n{shown}\n{text}\n")
    if picture:
        (RESULTS / f"{name}.svg").write_text(picture)
    return RESULTS / f"{name}.md"
