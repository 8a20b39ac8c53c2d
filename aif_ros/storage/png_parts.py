"""Whether a PNG file is complete, before memory is allocated for it."""

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
    at = len(_SIGNATURE)
    if content[:at].tobytes() != _SIGNATURE:
        return True
    while at < len(content):
        length = int.from_bytes(content[at : at + _LENGTH].tobytes(), "big")
        is_last = content[at + _LENGTH : at + 2 * _LENGTH].tobytes() == b"IEND"
        at += length + _AROUND
        if is_last:
            break
    return at <= len(content)
