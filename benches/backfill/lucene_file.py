"""Bytes of Lucene's files, as far as `make-huge` reads and writes them: header, footer, variable-length integers."""

import struct
import zlib

HEADER, FOOTER = 0x3FD76C17, 0xC02893E8
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def vint(number):
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def read_vint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def string(text):
    return vint(len(text)) + text.encode()


def plain_header(codec, version):
    return struct.pack(">I", HEADER) + string(codec) + struct.pack(">I", version)


def header(codec, version, identity, suffix=""):
    return plain_header(codec, version) + identity + string(suffix)


def header_end(data):
    """Where an index header ends, and the id in it."""
    length = data[4]
    at = 5 + length + 4
    return at + 17 + data[at + 16], bytes(data[at:at + 16])


def footer(checksum):
    """The 16 bytes at a file's end, and its checksum; of the checksum of all that is before them."""
    begin = struct.pack(">II", FOOTER, 0)
    whole = zlib.crc32(begin, checksum)
    return begin + struct.pack(">Q", whole), whole


def with_footer(body):
    return body + footer(zlib.crc32(body))[0]


def base36(number):
    text = ""
    while number or not text:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text
