"""A server of the testbed, asked in JSON, and what it costs."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from machine import SERVERS, fail
from processes import TICKS, free_port, stat_fields

# The testbed's servers start fast, with the first compiler alone; what is measured has both, as in production.
COMPILED = "-XX:TieredStopAtLevel=4 -XX:-UseSerialGC -XX:+UseG1GC"


class Server:
    def __init__(self, name, folder, environment=None):
        self.name, self.folder, self.port = name, str(folder), free_port(2)
        self.environment = dict(os.environ, **environment or {})

    def __enter__(self):
        if subprocess.run([SERVERS, "start", self.name, self.folder, str(self.port)], stdout=sys.stderr, env=self.environment).returncode:
            fail(69, f"{self.name} did not start")
        return self

    def __exit__(self, *_):
        subprocess.run([SERVERS, "stop", self.name, self.folder], stdout=sys.stderr)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        kind = "application/x-ndjson" if path.endswith("_bulk") else "application/json"
        request = urllib.request.Request(f"{self.url}/{path}", data, {"content-type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=1800) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            fail(70, f"{method} /{path} was answered {error.code}: {error.read()[:2000]!r}")

    def cpu_seconds(self):
        """User and system time of all its threads."""
        fields = stat_fields(int(Path(self.folder, "pid").read_text()))
        if fields is None:
            fail(70, f"{self.name} is gone")
        return sum(map(int, fields[11:13])) / TICKS

    def settle(self, index):
        """Waits until what was written is searchable, on disk, and merged as far as it will be."""
        self.ask("POST", f"{index}/_refresh")
        self.ask("POST", f"{index}/_flush")
        while self.ask("GET", f"{index}/_stats/merge")["_all"]["total"]["merges"]["current"]:
            time.sleep(0.1)
        return self.ask("GET", f"{index}/_count")["count"]
