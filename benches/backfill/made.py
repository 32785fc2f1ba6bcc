"""What `make-index` and `make-huge` leave in a folder, and Lucene in Java that reads it."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "proxy"))

from machine import SERVERS, fail, first_line

HERE = Path(__file__).resolve().parent
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
# The last of each major; each reads what the servers with its major wrote.
LUCENE = {"9": "9.12.3", "8": "8.11.4"}


@dataclass
class Made:
    """One index, in a repository and as the folder of Lucene files that it was copied from."""
    server: str
    version: str
    lucene: str
    index: str
    codec: str
    documents: int
    repository: str
    snapshot: str
    lucene_folder: str
    stored_bytes: int


def write(folder, indices):
    (folder / "made.json").write_text(json.dumps([asdict(made) for made in indices], indent=1) + "\n")


def read(folder):
    try:
        return [Made(**made) for made in json.loads((folder / "made.json").read_text())]
    except OSError as error:
        fail(66, f"{error}; benches/backfill/make-index {folder} makes it")


def read_huge(folder):
    """What `make-huge` says of the shard that it made."""
    try:
        return json.loads((folder / "huge.json").read_text())
    except OSError as error:
        fail(66, f"{error}; benches/backfill/make-huge {folder} makes it")


def cache():
    if "GODWIT_CACHE" in os.environ:
        return Path(os.environ["GODWIT_CACHE"])
    if os.geteuid() == 0:
        return Path("/var/cache/godwit")
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "godwit"


def jars(version):
    """The folder of Lucene's jars of this version; whole or not at all."""
    folder = cache() / f"lucene-{version}"
    if folder.exists():
        return folder
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    for name in ("lucene-core", "lucene-backward-codecs"):
        command = ["mvn", "-q", "-B", "-ntp", COPY, f"-Dartifact=org.apache.lucene:{name}:{version}", f"-DoutputDirectory={part}"]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            fail(69, f"maven could not download {name} {version}")
    part.rename(folder)
    return folder


def java_home():
    """The newest Lucene code is for the newest JDK, so that is the fair one."""
    for server in ("opensearch-3", "opensearch-2"):
        home = first_line(str(SERVERS), "jdk", server)
        if home and Path(home, "bin", "javac").exists():
            return Path(home)
    fail(69, "no JDK 17 or newer (looked in JAVA_HOMES, JAVA_HOME, /usr/lib/jvm)")


def compile_reader(java, made, classes):
    """Compiles the reader for the Lucene that wrote the index; gives the command without its arguments."""
    major = made.lucene.split(".")[0]
    if major not in LUCENE:
        fail(64, f"{made.index} is of Lucene {made.lucene}; there is a reader for {' and '.join(LUCENE)}")
    folder, path = classes / major, jars(LUCENE[major])
    folder.mkdir(parents=True, exist_ok=True)
    sources = [HERE / "lucene" / "ReadStored.java", HERE / "lucene" / major / "Access.java"]
    if subprocess.run([java / "bin" / "javac", "-nowarn", "-d", folder, "-cp", f"{path}/*", *sources]).returncode:
        fail(70, "javac could not compile the reader")
    # The serial collector has no threads whose time would count.
    return [java / "bin" / "java", "-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "-cp", f"{folder}:{path}/*", "ReadStored"]
