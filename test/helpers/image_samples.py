"""Small pictures in files of many kinds."""

import struct
import zlib

import numpy as np


def ramp(height=24, width=32, largest=65535):
    """(H, W) uint16 from 0 to `largest`, with no two rows or columns alike."""
    return np.linspace(0, largest, height * width).round().astype(np.uint16).reshape(height, width)


def colours(height=24, width=32):
    """(H, W, 3) uint16, three different planes."""
    plane = ramp(height, width)
    return np.dstack([plane, plane[::-1], plane[:, ::-1]])


def png_header(width, height):
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name, payload):
        checksum = struct.pack(">I", zlib.crc32(name + payload))
        return struct.pack(">I", len(payload)) + name + payload + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


def tiff_header(width, height, bits=8):
    """A TIFF that claims a size and holds next to nothing."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, min(2**32 - 1, width * height))]
    directory = struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        directory += struct.pack("<HHII", tag, kind, 1, value)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0)


def ink_profile():
    """An ICC profile of four inks: cyan prints as a middle grey (L* 50), the others as black."""
    # Two grid points for each ink; the last varies fastest.
    nodes = bytearray()
    for node in range(16):
        lightness = {0: 255, 8: 128}.get(node, 0)
        nodes += bytes([lightness, 128, 128])
    identity = bytes(range(256))
    matrix = b"".join(struct.pack(">i", 65536 * (k % 4 == 0)) for k in range(9))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + 4 * identity + nodes + 3 * identity
    table += bytes(-len(table) % 4)
    size = 128 + 4 + 12 + len(table)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28)
    # Illuminant of the profile connection space, D50.
    header += struct.pack(">iii", 63190, 65536, 54061)
    header += bytes(128 - len(header))
    return header + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
