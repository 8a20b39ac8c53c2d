"""The parts of a JPEG file (ITU-T T.81, annex B).

By hand: Pillow and OpenCV do not report a scan that was cut off and filled up with zeros, nor which
kind of JPEG it is that they cannot decode.
"""

from collections.abc import Iterator

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA


def segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Walk through the segments of a JPEG up to its first scan, which is the last one given.

    Args:
        content: of the file, or its beginning; of other formats nothing is given.

    Yields:
        Marker, by its second byte, and where the data behind the length begin, bytes.
    """
    at = len(_START)
    while content.startswith(_START) and at + 4 < len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a byte that fills up, before the marker
            at += 1
            continue
        yield marker, at + 4
        if marker == _SCAN:
            return
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def is_cut_off(content: bytes) -> bool:
    """Return whether a JPEG lacks the marker of its end, as an interrupted copy does.

    If it was filled up with zeros, a decoder may take them for grey blocks.
    """
    scan = next((at for marker, at in segments(content) if marker == _SCAN), None)
    return scan is not None and content.find(_END, scan) < 0
