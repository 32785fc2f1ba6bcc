#!/usr/bin/env python3
"""A file of `_bulk` bodies, made of what `backfill read` prints; and the plainest loader of it.

    ndjson.py PORT INDEX FILE CONNECTIONS

As a program it sends the bodies as they are in the file, by sendfile, over so many connections, and ends when all were
answered without an error. FILE.json says where each body ends.
"""

import json
import os
import queue
import socket
import sys
import threading
from pathlib import Path

# As backfill asks, so that the target's answers are as short.
PATH = "_bulk?filter_path=took,errors,items.*.status,items.*.error,error,status"


def write(lines, file, size):
    """Lines of `backfill read` → bodies of at most `size` bytes unless a document is longer."""
    ends, at, begin = [], 0, 0
    with open(file, "wb") as out:
        for line in lines:
            head, _, source = line.partition(b',"_source":')
            identity = json.loads(head + b"}")["_id"]
            item = b'{"index":{"_id":%s}}\n%s\n' % (json.dumps(identity).encode(), source.rstrip(b"\n").removesuffix(b"}"))
            if at > begin and at + len(item) - begin > size:
                ends.append(at)
                begin = at
            out.write(item)
            at += len(item)
    Path(f"{file}.json").write_text(json.dumps(ends + [at]))


def answer(connection):
    """Reads one whole answer; says whether it names no error."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    parts, left = [body], int(fields[b"content-length"]) - len(body)
    while left > 0:
        parts.append(receive(connection))
        left -= len(parts[-1])
    return b'"errors":false' in b"".join(parts)[:128]


def receive(connection):
    data = connection.recv(1 << 18)
    if not data:
        raise ConnectionError("the target hung up")
    return data


def send(port, index, file, bodies, failed):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                begin, end = bodies.get_nowait()
            except queue.Empty:
                return
            connection.sendall(f"POST /{index}/{PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-ndjson\r\n"
                               f"content-length: {end - begin}\r\n\r\n".encode())
            while begin < end:
                begin += os.sendfile(connection.fileno(), file, begin, end - begin)
            if not answer(connection):
                failed.append((begin, end))


def main():
    port, index, file, connections = sys.argv[1:]
    ends = json.loads(Path(f"{file}.json").read_text())
    bodies, failed = queue.SimpleQueue(), []
    for body in zip([0, *ends], ends):
        bodies.put(body)
    descriptor = os.open(file, os.O_RDONLY)
    threads = [threading.Thread(target=send, args=(int(port), index, descriptor, bodies, failed)) for _ in range(int(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1 if failed or not bodies.empty() else 0


if __name__ == "__main__":
    sys.exit(main())
