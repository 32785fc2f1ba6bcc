"""Ways to fill an index of a target, each into an index made alike, and what each costs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import made as index_files
import ndjson
from machine import fail
from worker import backfill_run, measured, source_flags

HERE = Path(__file__).resolve().parent
ELASTICDUMP = "6.125.1"
SUBJECTS = {"backfill": "backfill run", "plain": "backfill run --versioning none", "reindex": "_reindex from remote",
            "elasticdump": f"elasticdump {ELASTICDUMP}", "loader": "loader of a file of `_bulk` bodies"}


def elasticdump():
    """The program, from npm; whole or not at all."""
    folder = index_files.cache() / f"elasticdump-{ELASTICDUMP}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        part.mkdir(parents=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", part, f"elasticdump@{ELASTICDUMP}"]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            fail(69, f"npm could not install elasticdump {ELASTICDUMP}")
        part.rename(folder)
    return folder / "node_modules" / ".bin" / "elasticdump"


class Filling:
    """A target that is filled in several ways."""

    def __init__(self, chosen, made, folder, source, target):
        self.chosen, self.made, self.folder, self.source, self.target = chosen, made, folder, source, target
        mappings = source.ask("GET", f"{made.index}/_mapping")[made.index]["mappings"]
        self.definition = {"settings": {"index": {"number_of_shards": 1, "number_of_replicas": 0}}, "mappings": mappings}
        self.file = folder / "bulk.ndjson"
        reading = subprocess.Popen([chosen.backfill, "read", *source_flags(made)], stdout=subprocess.PIPE)
        ndjson.write(reading.stdout, self.file, chosen.batch)
        if reading.wait():
            fail(70, "backfill read failed")

    def run(self, name, number):
        made, target = self.made, self.target
        if target.ask("GET", f"_cat/indices/{made.index}*?format=json"):
            target.ask("DELETE", made.index)
        before, source_before = target.cpu_seconds(), self.source.cpu_seconds()
        target.ask("PUT", made.index, self.definition)
        found = getattr(self, name)(number)
        count = target.settle(made.index)
        if count != made.documents:
            fail(70, f"{SUBJECTS[name]} wrote {count} of {made.documents} documents")
        cpu = target.cpu_seconds() - before
        return {"round": number, "subject": name, **found, "target_cpu_s": cpu, "source_cpu_s": self.source.cpu_seconds() - source_before,
                "target_us_per_document": cpu / count * 1e6}

    def backfill(self, number, *more):
        chosen = self.chosen
        limits = ["--target-connections", chosen.connections, "--batch-limit", str(chosen.batch)]
        run = f"fill-{number}-{len(more)}"
        return backfill_run(chosen.backfill, source_flags(self.made), self.target.url, self.target.url, run, self.folder, [*limits, *more])

    def plain(self, number):
        return self.backfill(number, "--versioning", "none")

    def reindex(self, _):
        began = time.monotonic()
        body = {"source": {"remote": {"host": self.source.url}, "index": self.made.index, "size": 2000}, "dest": {"index": self.made.index}}
        answer = self.target.ask("POST", "_reindex?wait_for_completion=true", body)
        if answer["failures"]:
            fail(70, f"_reindex had failures: {answer['failures'][:1]}")
        return {"wall_s": time.monotonic() - began, "cpu_s": 0.0}

    def elasticdump(self, _):
        index = self.made.index
        command = [elasticdump(), f"--input={self.source.url}/{index}", f"--output={self.target.url}/{index}", "--type=data",
                   "--limit=2000", f"--concurrency={self.chosen.connections}", "--noRefresh"]
        return measured(command, self.folder)[0]

    def loader(self, _):
        command = [sys.executable, HERE / "ndjson.py", self.target.port, self.made.index, self.file, self.chosen.connections]
        return measured(command, self.folder)[0]
