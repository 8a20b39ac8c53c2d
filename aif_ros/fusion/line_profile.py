"""What rows and columns of a frame are compared by."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import to_float, to_gray
from aif_ros.types.resizing import reduce_to

Lines = NDArray[np.bool_]
"""(N,), a value for each row, or for each column."""

_PARTS = 32
"""Parts of a line that are compared, chosen by hand; a part must be wide enough to have noise."""
_LEAST_PART = 8
"""Least width of a part, pixels: of as many, some differ wherever there is noise."""
_CHUNK = 256
"""Lines that are worked on at a time: copies of a large image would take much memory."""


@dataclass(frozen=True)
class LineProfile:
    """What is compared of the rows, or of the columns, of a frame.

    Attributes:
        means: (N, parts) float32, mean brightness of the parts of each line, 0 to 1.
        same: (N,) whether a line is exactly as the one before.
        plain: (N,) whether all pixels of a line are equal.
        varied: (N,) float32, share of its parts that differ from the line before.
    """

    means: NDArray[np.float32]
    same: Lines
    plain: Lines
    varied: NDArray[np.float32]

    @property
    def equal(self) -> Lines:
        """(N,) lines that hold nothing of their own."""
        return self.same | self.plain


@dataclass(frozen=True)
class FrameLines:
    """Profiles of the rows and of the columns of a frame."""

    rows: LineProfile
    columns: LineProfile

    @classmethod
    def of(cls, pixels: NDArray[Any], scale: float | None = None) -> "FrameLines":
        """Profile a frame.

        Args:
            pixels: (H, W) or (H, W, 3), as the camera or file has them.
            scale: sample that stands for white; None: the largest of the type.
        """
        return cls(_profile(pixels, scale), _profile(pixels, scale, turned=True))


def _profile(pixels: NDArray[Any], scale: float | None, *, turned: bool = False) -> LineProfile:
    """Profile the rows of a frame; `turned`: its columns."""
    count, width = pixels.shape[1::-1] if turned else pixels.shape[:2]
    parts = max(1, min(_PARTS, width // _LEAST_PART))
    means = np.empty((count, parts), np.float32)
    same, plain = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    varied = np.ones(count, np.float32)
    samples = width * (pixels.size // (count * width)) // parts
    for first in range(0, count, _CHUNK):
        before = max(first - 1, 0)
        if turned:
            lines = cv2.transpose(np.ascontiguousarray(pixels[:, before : first + _CHUNK]))
        else:
            lines = np.ascontiguousarray(pixels[before : first + _CHUNK])
        added = lines[first - before :]
        new = slice(first, first + len(added))
        small = reduce_to(added, (parts, len(added)))
        means[new] = to_gray(to_float(small, scale))
        # Most lines are known not to be plain by a few of their pixels.
        across = tuple(range(1, added.ndim))
        few = added[:, :: max(1, width // _LEAST_PART)]
        perhaps = np.flatnonzero((few == few[:, :1]).all(axis=across))
        plain[first + perhaps] = (added[perhaps] == added[perhaps, :1]).all(axis=across)
        differing = (lines[1:] != lines[:-1]).reshape(len(lines) - 1, lines[0].size)
        later = slice(before + 1, new.stop)
        same[later] = ~differing.any(axis=1)
        in_parts = differing[:, : parts * samples].reshape(len(differing), parts, samples)
        varied[later] = in_parts.any(axis=2).mean(axis=1)
    return LineProfile(means, same, plain, varied)
