"""Keeps the memory of freed images for the next ones, on Linux with the GNU C library.

By default it goes back to the system, which then has to hand out and clear the pages again for each
frame: with frames of 1920x1080 that takes a quarter of the time of an update of J.
"""

import ctypes
import os

# Options of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_LARGEST_BLOCK = 32 << 20
"""Bytes up to which a block is kept; the most that the library allows. A colour image of
1920x1080 in floating point has 25 million."""
_KEPT = 128 << 20
"""Bytes that are kept at most: an update of J at 1920x1080 frees no more at a time."""


def keep_freed_memory() -> None:
    """Let this process keep freed memory; what the user has set by `MALLOC_*_` stays.

    Nothing changes where the C library is another.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for variable, option, value in (
        ("MALLOC_MMAP_THRESHOLD_", _M_MMAP_THRESHOLD, _LARGEST_BLOCK),
        ("MALLOC_TRIM_THRESHOLD_", _M_TRIM_THRESHOLD, _KEPT),
    ):
        if variable not in os.environ:
            mallopt(option, value)
