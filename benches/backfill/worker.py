"""Programs that move documents, run to their end and measured."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from machine import fail


def measured(command, folder, environment=None):
    """Runs it in a folder of its own, temporary files too; gives what it cost, what it left on disk, and what it printed."""
    place = Path(tempfile.mkdtemp(dir=folder))
    here, temporary = place / "here", place / "tmp"
    temporary.mkdir()
    # The folder for failed documents is there before, so that nothing at all is written when none fails.
    (here / "failed").mkdir(parents=True)
    environment = dict(os.environ, TMPDIR=str(temporary), HOME=str(here), **environment or {})
    # In memory: what it prints is not to count as written to a disk.
    with os.fdopen(os.memfd_create("out"), "w+b") as out, os.fdopen(os.memfd_create("err"), "w+b") as err:
        began = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], cwd=here, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        # It has ended, and /proc still has it.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - began
        io = dict(line.split(": ") for line in Path(f"/proc/{process.pid}/io").read_text().splitlines())
        _, status, used = os.wait4(process.pid, 0)
        # Popen must not wait for it again.
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said, complaints = out.read().decode(), err.read().decode(errors="replace")
    if process.returncode:
        fail(70, f"{Path(command[0]).name} ended with {process.returncode}:\n{complaints[-3000:]}\n{said[-1000:]}")
    left = sum(file.stat().st_size for top in (here, temporary) for file in top.rglob("*") if file.is_file())
    return {"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "user_s": used.ru_utime, "system_s": used.ru_stime,
            "peak_rss_mib": used.ru_maxrss / 1024, "written_bytes": int(io["write_bytes"]), "left_bytes": left}, said


def source_flags(made):
    return ["--repository", f"file://{made.repository}", "--snapshot", made.snapshot, "--index", made.index]


def backfill_run(program, source, target, coordinator, run, folder, more=(), environment=None):
    """`backfill run` to its end; `source` is flags. Gives also what it says of its documents."""
    command = [program, "run", *source, "--target", target, "--coordinator", coordinator, "--run", run, "--failed", "failed",
               "--output", "json", "--log-level", "warn", *more]
    found, said = measured(command, folder, environment)
    status = json.loads(said)["status"]
    if not status["complete"]:
        fail(70, f"backfill run is not complete: {said[-2000:]}")
    return {**found, "documents": status["accounts"]["written"], "bytes": status["accounts"]["bytes"]}
