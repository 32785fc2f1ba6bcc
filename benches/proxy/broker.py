"""A real Kafka from the testbed, and the requests to it that the testbed has no command for."""

import socket
import struct
import time

from machine import SERVERS
from processes import Process, free_port

CREATE_TOPICS, DELETE_TOPICS, METADATA = (19, 2), (20, 1), (3, 5)
UNKNOWN_TOPIC = 3


class Kafka:
    def __init__(self, folder, cores):
        self.port, self.folder, self.cores, self.log = free_port(2), folder / "kafka", cores, folder / "kafka.log"
        self.start()

    def start(self):
        """Begins, or begins again with what is in its folder."""
        # Files of deleted topics go at once, so that the disk doesn't grow with the rounds.
        settings = "log.segment.delete.delay.ms=200\nlog.segment.bytes=134217728"
        environment = {"TESTBED_YML": settings, "TESTBED_HEAP": "512m"}
        command = [SERVERS, "run", "kafka", self.folder, self.port]
        self.process = Process(command, self.cores, self.log, environment)
        self.process.wait_for_port(self.port, 180)
        until = time.monotonic() + 60
        while True:
            try:
                self.ask(METADATA, struct.pack(">ib", 0, 0))
                return
            except OSError:
                if time.monotonic() > until or not self.process.alive:
                    self.process.died("did not answer")
                time.sleep(0.1)

    def url(self, topic):
        return f"kafka://127.0.0.1:{self.port}/{topic}"

    def bytes_of(self, topic):
        """Of all partitions on disk; what is being deleted meanwhile counts for nothing."""
        size = 0
        for partition in (self.folder / "data").glob(f"{topic}-*"):
            try:
                size += sum(log.stat().st_size for log in partition.iterdir() if log.suffix == ".log")
            except FileNotFoundError:
                pass
        return size

    def create(self, topic, partitions):
        name = topic.encode()
        # One topic of one replica, placed and configured by the broker; a timeout; not only checked.
        body = struct.pack(">ih", 1, len(name)) + name + struct.pack(">ihiii?", partitions, 1, 0, 0, 10_000, False)
        answer = self.ask(CREATE_TOPICS, body)
        # correlation, throttle time, one topic: its name, an error code, a message
        (error,) = struct.unpack_from(">h", answer, 14 + len(name))
        if error:
            raise OSError(f"Kafka did not create {topic}: error {error}")

    def delete(self, topic):
        """Returns when the files are gone or going."""
        name = topic.encode()
        body = struct.pack(">ih", 1, len(name)) + name + struct.pack(">i", 10_000)
        answer = self.ask(DELETE_TOPICS, body)
        # correlation, throttle time, one topic: its name and an error code
        (error,) = struct.unpack(">h", answer[-2:])
        if error not in (0, UNKNOWN_TOPIC):
            raise OSError(f"Kafka did not delete {topic}: error {error}")
        until = time.monotonic() + 10
        while self.bytes_of(topic) and time.monotonic() < until:
            time.sleep(0.05)

    def ask(self, request, body):
        key, version = request
        message = struct.pack(">hhih", key, version, 1, 5) + b"bench" + body
        with socket.create_connection(("127.0.0.1", self.port), 15) as connection:
            connection.sendall(struct.pack(">i", len(message)) + message)
            answer = connection.makefile("rb")
            head = answer.read(4)
            if len(head) < 4:
                raise OSError("Kafka closed the connection")
            return answer.read(struct.unpack(">i", head)[0])

    def stop(self):
        self.process.stop()
