"""What is compared: how each is started, on which port, and what it leaves behind."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from processes import Process, free_port

# id: what tables call it
TITLES = {
    "backend": "backend alone",
    "relay": "tokio TCP relay",
    "nginx": "nginx reverse proxy",
    "haproxy": "HAProxy",
    "nginx-mirror": "nginx with `mirror`",
    "forward": "capture-proxy, no capture",
    "file": "capture-proxy, file journal",
    "file-unheld": "… not held (`--durability none`)",
    "kafka": "capture-proxy, Kafka",
    "kafka-unheld": "… not held (`--durability none`)",
    "nginx-tls": "nginx reverse proxy, TLS to its clients",
    "forward-tls": "capture-proxy, no capture, TLS to its clients",
    "kafka-tls": "capture-proxy, Kafka, TLS to its clients",
}
# Every ratio is to this one.
BASE = "nginx"


def has_tls(name):
    return name.endswith("-tls")


@dataclass
class Running:
    """A subject that serves. `journal_bytes` is 0 for those that have none."""
    port: int
    process: Process
    journal_bytes: object
    clean_up: object
    scheme: str = "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def stop(self):
        """Ends it, so that all it captured is in its journal; gives the journal's size; deletes that."""
        asked = self.process.stop()
        size = self.journal_bytes()
        self.clean_up()
        return asked, size


class Subjects:
    def __init__(self, programs, folder, pins, kafka=None):
        self.programs, self.folder, self.pins, self.kafka = programs, Path(folder), pins, kafka
        self.backend_port, self.backend = self.start_backend()
        self.mirror_port, self.mirror = self.start_backend()
        self.count = 0

    def start_backend(self):
        port = free_port()
        backend = Process([self.programs / "relay", "backend", "--listen", f"127.0.0.1:{port}"],
                          self.pins.backend, self.folder / "backend.log")
        backend.wait_for_port(port)
        return port, backend

    def start(self, name, extra=()):
        """Starts a subject; returns when it accepts connections."""
        self.count += 1
        if name == "backend":
            return Running(self.backend_port, Untouched(self.backend), lambda: 0, lambda: None)
        port = free_port()
        nothing = (lambda: 0, lambda: None)
        if name == "relay":
            argv = [self.programs / "relay", "--listen", f"127.0.0.1:{port}",
                    "--to", f"127.0.0.1:{self.backend_port}", "--threads", "1"]
        elif name.startswith("nginx"):
            argv = self.nginx(port, name)
        elif name == "haproxy":
            argv = self.haproxy(port)
        else:
            argv, *nothing = self.capture_proxy(port, name.removesuffix("-tls"))
            if has_tls(name):
                certificate, key = self.certificate()
                argv += ["--tls-certificate", certificate, "--tls-key", key]
        process = Process([*argv, *extra], self.pins.proxy, self.folder / f"{name}.log")
        process.wait_for_port(port)
        return Running(port, process, *nothing, scheme="https" if has_tls(name) else "http")

    def certificate(self):
        """A certificate on P-256 and its key: files."""
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        if not key.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-subj", "/CN=localhost", "-days", "1", "-keyout", key, "-out", certificate],
                           check=True, capture_output=True)
        return certificate, key

    def capture_proxy(self, port, name):
        kind, _, unheld = name.partition("-")
        url, size, clean_up = "none", lambda: 0, lambda: None
        if kind == "file":
            journal = self.folder / f"journal-{self.count}"
            url = f"file://{journal}"
            size = lambda: sum(entry.stat().st_size for entry in journal.iterdir())
            clean_up = lambda: shutil.rmtree(journal)
        elif kind == "kafka":
            topic = f"bench-{self.count}"
            url = self.kafka.url(topic)
            size, clean_up = lambda: self.kafka.bytes_of(topic), lambda: self.kafka.delete(topic)
        argv = [self.programs / "capture-proxy", "--listen", f"127.0.0.1:{port}",
                "--source", f"http://127.0.0.1:{self.backend_port}", "--journal", url, "--threads", "1"]
        if unheld:
            argv += ["--durability", "none"]
        return argv, size, clean_up

    def nginx(self, port, name):
        conf = self.folder / f"{name}.conf"
        encrypted, files = "", ""
        if has_tls(name):
            certificate, key = self.certificate()
            encrypted, files = "ssl", f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
        user = "user root;" if os.geteuid() == 0 else ""
        pass_on = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $host;"
        extra, locations = "proxy_request_buffering off;", ""
        if name == "nginx-mirror":
            # The body is needed twice, so it is read whole first; memory, not a file, has it.
            extra = "mirror /mirror; mirror_request_body on; client_body_buffer_size 256k;"
            locations = f"location = /mirror {{ internal; proxy_pass http://mirror$request_uri; {pass_on} }}"
        keep = "keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 1h;"
        temporary = " ".join(f"{kind}_temp_path {self.folder}/nginx-{kind};"
                             for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf.write_text(f"""{user} daemon off; worker_processes 1;
pid {conf}.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000000; keepalive_timeout 1h;
  {temporary}
  upstream source {{ server 127.0.0.1:{self.backend_port}; {keep} }}
  upstream mirror {{ server 127.0.0.1:{self.mirror_port}; {keep} }}
  server {{
    listen 127.0.0.1:{port} {encrypted} backlog=4096; {files}
    location / {{ proxy_pass http://source; {pass_on} {extra} }}
    {locations}
  }}
}}
""")
        return ["nginx", "-p", self.folder, "-e", "stderr", "-c", conf]

    def haproxy(self, port):
        conf = self.folder / "haproxy.cfg"
        conf.write_text(f"""global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option http-keep-alive
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  default_backend source
backend source
  server source 127.0.0.1:{self.backend_port} pool-max-conn -1
""")
        return ["haproxy", "-db", "-f", conf]


class Untouched:
    """A process that goes on when its cell ends: the backend is everyone's."""

    def __init__(self, process):
        self.process = process

    def stop(self, _patience=0):
        return True

    def __getattr__(self, name):
        return getattr(self.process, name)
