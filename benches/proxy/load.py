"""One cell: a load on a subject, and what it took."""

import json
import os
import subprocess
import time
from pathlib import Path

from machine import fail
from processes import TICKS, busy_ticks

SCRIPT = Path(__file__).with_name("load.lua")
# name: method, path, bytes of the body, what tables call it
LOADS = {
    "get": ("GET", "/bench/_doc/1", 0, "GET"),
    "post4k": ("POST", "/bench/_doc", 4096, "POST 4 KB"),
    "post64k": ("POST", "/bench/_doc", 65536, "POST 64 KB"),
}
ERRORS = ("connect", "read", "write", "status", "timeout")


def wrk(url, load, connections, seconds, cores):
    method, path, size, _ = LOADS[load]
    command = ["taskset", "-c", cores, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(SCRIPT),
               url, "--", method, path, str(size)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        fail(70, f"wrk failed: {done.stdout}{done.stderr}")
    return json.loads(lines[-1])


def cell(subjects, name, load, connections, warm_up, seconds):
    """Starts the subject, warms it up, measures, stops it. A dict of raw numbers."""
    running = subjects.start(name)
    pins = subjects.pins
    warm = wrk(running.url, load, connections, warm_up, pins.load)
    core = pins.proxy.split(",")[0]
    cpu, busy, began = running.process.cpu_seconds(), busy_ticks(core), time.monotonic()
    measured = wrk(running.url, load, connections, seconds, pins.load)
    cpu, busy, took = running.process.cpu_seconds() - cpu, busy_ticks(core) - busy, time.monotonic() - began
    peak = running.process.memory("VmHWM")
    clean, journal = running.stop()
    errors = {kind: measured[kind] + warm[kind] for kind in ERRORS if measured[kind] + warm[kind]}
    if not clean:
        errors["did not end when asked"] = 1
    passed = measured["requests"] + warm["requests"]
    if name.startswith(("file", "kafka")) and journal < passed * (LOADS[load][2] + 300):
        errors["journal too small"] = 1
    return {
        "subject": name, "load": load, "connections": connections,
        "requests": measured["requests"], "seconds": measured["seconds"],
        "rps": measured["requests"] / measured["seconds"],
        "p50_us": measured["p50_us"], "p99_us": measured["p99_us"], "p999_us": measured["p999_us"],
        "cpu_s": round(cpu, 3),
        "cpu_per_100k": cpu / measured["requests"] * 1e5 if measured["requests"] else None,
        "peak_rss_mib": round(peak, 1), "journal_bytes": journal, "errors": errors,
        # What else ran on the proxy's core: interrupts of its sockets, and neighbours.
        "core_used_by_others": round(max(0, busy / TICKS - cpu) / took, 3) if name != "backend" else None,
        "load_average": os.getloadavg()[0],
    }
