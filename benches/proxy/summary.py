"""From the rounds' raw numbers to medians, ratios within a round, and the figures that were set."""

from statistics import median

from subjects import BASE

MEASURES = ("rps", "p50_us", "p99_us", "p999_us", "cpu_per_100k")

# what it says, the load, the connections, the subject, against, at most: a ratio of CPU seconds
FIGURES = [
    ("GET, no capture, against the tokio relay", "get", 64, "forward", "relay", 1.10),
    ("POST 4 KB, no capture, against the tokio relay", "post4k", 64, "forward", "relay", 1.10),
    ("GET with capture to Kafka, against nginx's reverse proxy", "get", 64, "kafka", "nginx", 1.0),
    ("POST 4 KB with capture to Kafka, not held, against nginx's reverse proxy", "post4k", 64, "kafka-unheld", "nginx", 1.0),
    ("POST 4 KB, every write held until Kafka has it, against nginx's reverse proxy", "post4k", 64, "kafka", "nginx", 2.0),
    ("the same at 16 connections, or the nearest that ran", "post4k", 16, "kafka", "nginx", 2.0),
    ("GET with capture to Kafka, against the same, wanted in production", "get", 64, "kafka", "nginx", 0.9),
    ("POST 4 KB, not held, against the same, wanted in production", "post4k", 64, "kafka-unheld", "nginx", 0.9),
    ("POST 64 KB with capture to Kafka, against nginx with `mirror`", "post64k", 64, "kafka", "nginx-mirror", 0.60),
]


def rounds_of(cells, subject, load, connections):
    """{round: cell}"""
    return {cell["round"]: cell for cell in cells
            if (cell["subject"], cell["load"], cell["connections"]) == (subject, load, connections)}


def ratio(cells, measure, load, connections, subject, base):
    """Median over the rounds of the ratio within a round; None where a round lacks one of the two."""
    of, to = (rounds_of(cells, name, load, connections) for name in (subject, base))
    ratios = [of[number][measure] / to[number][measure] for number in of
              if number in to and of[number][measure] is not None and to[number][measure]]
    return median(ratios) if ratios else None


def summarize(cells):
    """One row a load, connections and subject, in the order in which they were measured first."""
    rows = []
    for key in dict.fromkeys((cell["load"], cell["connections"], cell["subject"]) for cell in cells):
        load, connections, subject = key
        those = rounds_of(cells, subject, load, connections).values()
        errors = {}
        for cell in those:
            for kind, count in cell["errors"].items():
                errors[kind] = errors.get(kind, 0) + count
        row = {"load": load, "connections": connections, "subject": subject, "rounds": len(those), "errors": errors,
               "peak_rss_mib": max(cell["peak_rss_mib"] for cell in those)}
        for measure in MEASURES:
            values = [cell[measure] for cell in those if cell[measure] is not None]
            row[measure] = median(values) if values else None
            row[f"{measure}_ratio"] = ratio(cells, measure, load, connections, subject, BASE)
        if row["cpu_per_100k"] is not None:
            values = [cell["cpu_per_100k"] for cell in those if cell["cpu_per_100k"] is not None]
            row["cpu_least"], row["cpu_most"] = min(values), max(values)
        rows.append(row)
    return rows


def figures(cells):
    """The figures that this run can speak of: with the connections named, or the nearest that ran."""
    answers = []
    for title, load, connections, subject, base, most in FIGURES:
        ran = {cell["connections"] for cell in cells if cell["load"] == load and cell["subject"] == subject}
        if not ran:
            continue
        used = min(ran, key=lambda count: abs(count - connections))
        found = ratio(cells, "cpu_per_100k", load, used, subject, base)
        if found is not None:
            answers.append({"figure": title, "connections": used, "at_most": most, "measured": round(found, 3),
                            "reached": found <= most})
    return answers
