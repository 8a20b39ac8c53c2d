"""Whether a PNG file is complete, before memory is allocated for it."""

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Of each part: four bytes with the length of its data, its name, the data, and a checksum.
_LENGTH, _AROUND = 4, 12


def has_whole_parts(content: NDArray[np.uint8]) -> bool:
    """Return whether each part of a PNG file ends within the file; true for other formats.

    OpenCV allocates as many bytes as a part claims to have, up to 4 GB, before it reads them.

    Args:
        content: (N,) bytes of the file.
    """
    return all(part.stop <= len(content) for part in _parts(content))


def has_sound_parts(content: NDArray[np.uint8]) -> bool:
    """Return whether the parts of a PNG file that its pixels need agree with their checksums.

    True for other formats, too.

    Args:
        content: (N,) bytes of the file, whose parts are whole.
    """
    for part in _parts(content):
        data = content[part.start + _LENGTH : part.stop - _LENGTH].tobytes()
        # Names of parts that an image can be read without begin with a small letter.
        checksum = int.from_bytes(content[part.stop - _LENGTH : part.stop].tobytes(), "big")
        if data[:1].isupper() and zlib.crc32(data) != checksum:
            return False
    return True


def _parts(content: NDArray[np.uint8]) -> Iterator[slice]:
    """Places of the parts of a PNG file; the last one may end behind the file."""
    at = len(_SIGNATURE)
    if content[:at].tobytes() != _SIGNATURE:
        return
    while at < len(content):
        length = int.from_bytes(content[at : at + _LENGTH].tobytes(), "big")
        is_last = content[at + _LENGTH : at + 2 * _LENGTH].tobytes() == b"IEND"
        yield slice(at, at := at + length + _AROUND)
        if is_last:
            break
