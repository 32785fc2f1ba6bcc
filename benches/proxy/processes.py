"""Processes that are measured: started pinned, ended for certain, read through /proc."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from machine import fail

TICKS = os.sysconf("SC_CLK_TCK")
RUNNING = []


class Process:
    """A process and its children. `log` takes what it says."""

    def __init__(self, argv, cores, log, environment=None, stdin=subprocess.DEVNULL, stdout=None):
        self.name, self.log = Path(argv[0]).name, Path(log)
        # setpriv: ends with this script, however that ends.
        command = ["setpriv", "--pdeathsig", "KILL", "--", "taskset", "-c", cores, *map(str, argv)]
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(command, stdin=stdin, stdout=stdout or out, stderr=out,
                                          env=dict(os.environ, **environment or {}))
        RUNNING.append(self)

    @property
    def alive(self):
        return self.popen.poll() is None

    def died(self, what):
        tail = self.log.read_text(errors="replace").splitlines()[-15:]
        fail(70, f"{self.name} {what} (exit code {self.popen.poll()}):\n" + "\n".join(tail))

    def wait_for_port(self, port, patience=30):
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if not self.alive:
                self.died("ended while it started")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        self.died(f"did not listen on port {port}")

    def tree(self):
        """This process and all below it."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                fields = stat_fields(int(entry.name))
                if fields:
                    parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found, todo = [], [self.popen.pid]
        while todo:
            found.append(todo.pop())
            todo += parents.get(found[-1], [])
        return found

    def cpu_seconds(self):
        """User and system time of all threads, and of all children, those that have ended too."""
        total = 0
        for pid in self.tree():
            fields = stat_fields(pid)
            # utime stime cutime cstime
            total += sum(map(int, fields[11:15])) if fields else 0
        return total / TICKS

    def memory(self, field):
        """MiB of `VmRSS` (now) or `VmHWM` (the most since `forget_peak`)."""
        total = 0
        for pid in self.tree():
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith(field + ":"))
        return total / 1024

    def forget_peak(self):
        for pid in self.tree():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def stop(self, patience=30):
        """Asks, waits, kills. True when it ended as asked."""
        if self in RUNNING:
            RUNNING.remove(self)
        if not self.alive:
            return False
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(patience)
            return True
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            return False


def stat_fields(pid):
    """Fields of /proc/PID/stat from the third (the state) on; the second may hold blanks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def busy_ticks(core):
    """What a core has worked, for whomever."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, line.split()[1:])
            return user + nice + system + irq + softirq
    return 0


TAKEN = set()


def free_port(count=1):
    """Ports that follow each other, below those that the kernel gives to outgoing connections."""
    for first in range(21000 + os.getpid() % 5000, 32000, 7):
        wanted = range(first, first + count)
        if not TAKEN.intersection(wanted) and all(is_free(port) for port in wanted):
            TAKEN.update(wanted)
            return first
    fail(75, "no free port between 21000 and 32000")


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def stop_all():
    for process in list(RUNNING)[::-1]:
        process.stop(5)


atexit.register(stop_all)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: sys.exit(143))
