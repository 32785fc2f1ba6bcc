"""What `run`, `memory` and `lone` share: the options, the folder, the servers."""

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import machine
from broker import Kafka
from subjects import Subjects


def options(about):
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-build", action="store_true", help="take target/dist as it is")
    parser.add_argument("--no-write", action="store_true", help="leave benches/results alone")
    parser.add_argument("--realtime", action="store_true",
                        help="schedule all that is measured before the neighbours of a shared machine (root); they will hardly run")
    parser.add_argument("--dir", type=Path, help="folder for journals and Kafka, on a disk [a new one in /var/tmp]")
    return parser


@contextmanager
def bench(chosen, with_kafka, tools=("nginx", "haproxy", "wrk", "setpriv", "taskset")):
    """Everything that runs for the whole time; gone when this ends."""
    machine.need(tools)
    programs = machine.build(chosen.no_build)
    if chosen.realtime:
        # All that is started from here on inherits it; round robin, so that they share a core among themselves.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    files = machine.raise_file_limit(50_000)
    if files < 4096:
        machine.fail(78, f"4096 open files are needed, the limit is {files}; raise it (ulimit -Hn)")
    folder = Path(tempfile.mkdtemp(prefix="godwit-bench-", dir=chosen.dir or "/var/tmp"))
    # Kafka runs as nobody when this runs as root.
    os.chmod(folder, 0o755)
    kafka = None
    try:
        pins = machine.pins()
        kafka = Kafka(folder, pins.kafka) if with_kafka else None
        yield Subjects(programs, folder, pins, kafka)
    finally:
        if kafka:
            kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)


def say(text):
    print(text, file=sys.stderr, flush=True)
