"""The machine: what must be installed, which core does what, and what a result says about where it was made."""

import datetime
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benches" / "results"
SERVERS = ROOT / "benches" / "testbed" / "servers.sh"
PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "setpriv": "util-linux", "taskset": "util-linux"}

# What is shipped, so what is measured.
PROFILE = "dist"

Pins = namedtuple("Pins", "proxy load backend kafka")


def fail(code, message):
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(code)


def need(tools):
    """Installs through apt what is missing of these programs, or names it and ends."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"
    missing = sorted({PACKAGES[tool] for tool in tools if not shutil.which(tool)})
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail(69, f"missing: {' '.join(missing)} (as root on Debian they would be installed by apt-get)")
    # What is installed must not begin to serve: its package would start it on port 80.
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    subprocess.run(["apt-get", "update", "-qq"], env=environment, stdout=sys.stderr)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    if subprocess.run(command, env=environment, stdout=sys.stderr, stdin=subprocess.DEVNULL).returncode:
        fail(69, f"apt-get could not install {' '.join(missing)}")


def build(skip):
    """Builds what is measured; gives the folder of the programs."""
    if not skip:
        command = ["cargo", "build", "--profile", PROFILE, "-p", "capture-proxy", "-p", "relay"]
        if subprocess.run(command, cwd=ROOT).returncode:
            fail(70, "cargo could not build capture-proxy and relay")
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / PROFILE
    for program in ("capture-proxy", "relay"):
        if not (folder / program).exists():
            fail(66, f"{folder / program} is not there; leave out --no-build")
    return folder


def pins():
    """The proxy has a core of its own; the rest is shared by load, backend and Kafka as far as there is."""
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    if len(cores) == 1:
        print("only one core: everything shares it, and the figures mean little", file=sys.stderr)
        return Pins(*cores * 4)
    if len(cores) < 4:
        return Pins(cores[0], cores[1], cores[1], cores[-1])
    return Pins(cores[0], cores[1], cores[2], ",".join(cores[3:]))


def raise_file_limit(wanted):
    """Sockets need descriptors. Gives what may be had: only some may go above the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(wanted, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, limit)), limit))
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else None


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def describe():
    """Commit, machine and versions, for the head of a result."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    java = first_line(str(SERVERS), "jdk", "kafka")
    kafka = [line for line in (SERVERS.parent / "unpack.sh").read_text().splitlines() if line.strip().startswith("kafka) v=")]
    return {
        "commit": first_line("git", "rev-parse", "HEAD"),
        "uncommitted_changes": bool(first_line("git", "status", "--porcelain", "--", "proxy", "crates", "benches")),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu_model(),
        "memory_mib": memory,
        "kernel": platform.release(),
        "load_average": os.getloadavg(),
        "realtime": os.sched_getscheduler(0) == os.SCHED_RR,
        "versions": {
            "nginx": first_line("nginx", "-v"),
            "haproxy": first_line("haproxy", "-v"),
            "wrk": first_line("wrk", "-v"),
            "kafka": kafka[0].split("v=")[1].split()[0] if kafka else None,
            "java": first_line(f"{java}/bin/java", "-version") if java else None,
            "rustc": first_line("rustc", "-V"),
            "python": platform.python_version(),
        },
    }


def describe_as_text(machine):
    commit = (machine["commit"] or "unknown")[:12] + (" with uncommitted changes" if machine["uncommitted_changes"] else "")
    versions = ", ".join(f"{value}" if name in str(value).lower() else f"{name} {value}"
                         for name, value in machine["versions"].items() if value)
    return (f"{machine['date']}, commit {commit}; {machine['cores']} cores of {machine['cpu']}, "
            f"{machine['memory_mib'] // 1024} GiB, Linux {machine['kernel']}, load average at the start "
            f"{machine['load_average'][0]:.1f}{', real-time' * machine['realtime']}. {versions}.")
