"""A snapshot whose global metadata is large, as a server writes it.

A server takes its templates one at a time and writes all of them anew each time, which at 100 MB never ends. So the file is
made here: `meta-<uuid>.dat` of a real snapshot is replaced by one with many templates, in SMILE, DEFLATE and the envelope
of Lucene's files; and a real server then has to restore it.

    3F D7 6C 17 | length, "metadata" | u32 1 | "DFL" 00 | raw DEFLATE of SMILE | C0 28 93 E8 | u32 0 | u64 CRC-32
"""

import random
import struct
import zlib

from machine import fail

FIELDS = 230
KINDS = ({"type": "keyword", "ignore_above": 1024}, {"type": "text", "norms": False}, {"type": "long"},
         {"type": "scaled_float", "scaling_factor": 1000}, {"type": "date", "format": "epoch_millis"})


def template(number, chance):
    fields = {f"field_{at:03}_{chance.getrandbits(64):016x}": chance.choice(KINDS) for at in range(FIELDS)}
    return {"index_patterns": [f"large-{number:05}-*"], "priority": number + 1,
            "template": {"settings": {"index": {"number_of_shards": "1", "mapping": {"total_fields": {"limit": "2000"}}}},
                         "mappings": {"properties": fields}}}


def smile(value, out):
    """Without shared names or values; ASCII alone."""
    if isinstance(value, dict):
        out.append(b"\xfa")
        for key, inner in value.items():
            name = key.encode()
            out.append(bytes([0x7F + len(name)]) + name if 0 < len(name) <= 64 else b"\x34" + name + b"\xfc")
            smile(inner, out)
        out.append(b"\xfb")
    elif isinstance(value, list):
        out.append(b"\xf8")
        for inner in value:
            smile(inner, out)
        out.append(b"\xf9")
    elif isinstance(value, bool):
        out.append(b"\x23" if value else b"\x22")
    elif isinstance(value, int):
        out.append(b"\x24" + integer(2 * value))
    else:
        text = value.encode()
        if 0 < len(text) <= 32:
            out.append(bytes([0x3F + len(text)]) + text)
        elif 32 < len(text) <= 64:
            out.append(bytes([0x5F + len(text) - 32]) + text)
        else:
            out.append(b"\xe0" + text + b"\xfc" if text else b"\x20")


def integer(zigzag):
    """The last byte has six bits and the sign bit, those before seven."""
    parts = [0x80 | zigzag & 0x3F]
    zigzag >>= 6
    while zigzag:
        parts.append(zigzag & 0x7F)
        zigzag >>= 7
    return bytes(reversed(parts))


def enveloped(document):
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = b"DFL\0" + packer.compress(document) + packer.flush()
    name = b"metadata"
    whole = b"\x3f\xd7\x6c\x17" + bytes([len(name)]) + name + struct.pack(">I", 1) + body + b"\xc0\x28\x93\xe8" + bytes(4)
    return whole + struct.pack(">Q", zlib.crc32(whole))


def make(repository, size, sized):
    """Puts templates of so many bytes (of JSON, by `sized`) into the only snapshot there; gives how many, and their bytes."""
    found = list(repository.glob("meta-*.dat"))
    if len(found) != 1:
        fail(70, f"{repository} has {len(found)} global metadata, not one")
    chance, templates, total = random.Random(1), {}, 0
    while total < size:
        made = template(len(templates), chance)
        total += sized(made)
        templates[f"large-{len(templates):05}"] = made
    metadata = {"version": 1, "cluster_uuid": "b" * 22, "templates": {}, "index_template": {"index_template": templates}}
    out = [b":)\n\x00"]
    smile({"meta-data": metadata}, out)
    found[0].write_bytes(enveloped(b"".join(out)))
    return {"templates": len(templates), "bytes": total}
