"""Rows and columns of a frame that sensor, cable or file have lost.

Lost lines are of one colour, repeat the line before them, or show something else. Other frames of
the scene show what belongs there. Two signs are needed, since scenes have plain lines, too:

* Lines that are exactly equal, over the whole width, where those of other frames differ by noise
  everywhere.
* Lines whose brightness jumps at a border of the whole width that other frames do not have. Blur
  spreads the light of such a border but keeps its sum: what is missing in the lines and a margin
  around them, was not blurred away.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import to_float, to_gray
from aif_ros.types.resizing import reduce_to

Lines = NDArray[np.bool_]

_PARTS = 32
"""Parts of a line that are compared; a part must be wide enough to have noise."""
_LEAST_PART = 8
"""Least width of a part, pixels: of as many, some differ wherever there is noise."""
_CHUNK = 256
"""Lines that are worked on at a time: copies of a large image would take much memory."""
_NOISY = 0.9
"""Share of the parts of a line that differ from the line before, from which on there is noise."""
_LEAST_RUN = 2
"""Fewest lines in a row that count as lost: one may be equal to the next by chance."""
_MOST_RUNS = 8
"""Most places with lost lines in a frame; drawings have more plain lines than that."""
_MOST = 0.6
"""Largest share of lost lines; above it, it cannot be said what belongs to the scene."""
_SHIFT = 0.02
"""Distance up to which frames may be displaced, share of the image (drift, breathing)."""
_CLIPPED = 0.1
"""Least difference to other frames of lines that are black or white, which may be clipped, ..."""
_UNCLIPPED = 0.25
"""... in this share of their parts: scenes are dark in places."""
_JUMP = 0.05
"""Least jump of brightness at the border of lost lines, ..."""
_ALONE = 2.0
"""... its least multiple of the jumps nearby in other frames, ..."""
_INSIDE = 0.1
"""... and least difference from them within."""
_WIDE = 0.6
"""Share of the parts in which a border jumps, and what it encloses differs."""
_KEPT = 0.5
"""Least share of a difference that remains if margins are added to it: blur leaves none."""
_MARGINS = (1 / 24, 1 / 12, 1 / 6)
"""Such margins, shares of the image; ..."""
_MOST_BORDERS = 6
"""... and most borders in a frame: facades and lettering have more."""
_BESIDE = 2
"""Neighbours on either side that a slice of a stack is compared with."""
_FRINGE = 2
"""Lines by which lost ones are enlarged: compression blurs their border."""


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


@dataclass(frozen=True)
class LostLines:
    """(H,) rows and (W,) columns of a frame that are lost."""

    rows: Lines
    columns: Lines

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W), true where they are."""
        return self.rows[:, None] | self.columns[None]

    def __bool__(self) -> bool:
        return bool(self.rows.any() or self.columns.any())

    def reduced(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """(h, w), where a copy of the frame shows any of them.

        Args:
            size: (width, height) of the copy, pixels.
        """
        return np.asarray(reduce_to(self.mask.astype(np.float32), size) > 0)


def lost_lines(own: FrameLines, others: Sequence[FrameLines]) -> LostLines:
    """Find the lines of a frame that are lost.

    Args:
        own: of the frame.
        others: of other frames of the scene, those of nearby lens positions; none: nothing is
            found.
    """
    return LostLines(
        _lost(own.rows, [other.rows for other in others]),
        _lost(own.columns, [other.columns for other in others]),
    )


class StackLines:
    """Finds the lost lines of the slices of a stack, which come one by one.

    Each slice is compared with its neighbours; only these are kept.
    """

    def __init__(self) -> None:
        self._near: deque[FrameLines] = deque(maxlen=2 * _BESIDE + 1)
        self._found: list[LostLines] = []

    def add(self, pixels: NDArray[Any]) -> None:
        """Take in the next slice, (H, W) or (H, W, 3)."""
        self._near.append(FrameLines.of(pixels))
        if len(self._near) > _BESIDE:
            # At first, slices have no neighbours before them.
            self._judge(min(len(self._near) - 1 - _BESIDE, _BESIDE))

    def found(self) -> list[LostLines]:
        """What is lost of each slice, at the end of the stack."""
        for place in range(max(len(self._near) - _BESIDE, 0), len(self._near)):
            self._judge(place)
        return self._found

    def _judge(self, place: int) -> None:
        near = list(self._near)
        others = near[max(place - _BESIDE, 0) : place] + near[place + 1 : place + 1 + _BESIDE]
        self._found.append(lost_lines(near[place], others))


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


def _lost(own: LineProfile, others: Sequence[LineProfile]) -> Lines:
    count = len(own.same)
    lost = np.zeros(count, np.bool_)
    comparable = [other for other in others if other.means.shape == own.means.shape]
    equal, borders = _equal_runs(own), _borders(own.means)
    if not comparable or not (equal or borders.any()):
        return lost
    usual = np.asarray(
        np.median([_as_bright(other.means, own.means) for other in comparable], axis=0), np.float32
    )
    found = [run for run in equal if _differs_from_noise(own, comparable, usual, run)]
    found += _enclosed(own, comparable, usual, borders)
    for run in found:
        lost[max(run.start - _FRINGE, 0) : run.stop + _FRINGE] = True
    return lost if lost.mean() <= _MOST else np.zeros(count, np.bool_)


def _as_bright(means: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    bright = (means > 0.02) & (reference > 0.02)
    if not bright.any():
        return means
    return np.asarray(means * np.float32(np.median(reference[bright] / means[bright])))


def _runs(lines: Lines) -> list[slice]:
    """Runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lines, [False]]).astype(np.int8)))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _reach(count: int) -> int:
    """Lines by which frames may be displaced."""
    return max(2, round(_SHIFT * count))


def _equal_runs(own: LineProfile) -> list[slice]:
    """Runs of equal lines in a frame whose other lines differ from the next ones everywhere."""
    runs = [run for run in _runs(own.equal) if run.stop - run.start >= _LEAST_RUN]
    if not runs or len(runs) > _MOST_RUNS or own.equal.all():
        return []
    return runs if np.median(own.varied[~own.equal]) >= _NOISY else []


def _differs_from_noise(
    own: LineProfile, others: Sequence[LineProfile], usual: NDArray[np.float32], run: slice
) -> bool:
    """Whether most other frames have noise where the frame has equal lines."""
    reach = _reach(len(own.same))
    near = slice(max(run.start - reach, 0), run.stop + reach)
    noisy = [
        not other.equal[near].any() and np.quantile(other.varied[near], 0.1) >= _NOISY
        for other in others
    ]
    most = 2 * sum(map(bool, noisy)) > len(others)
    level = own.means[run]
    if own.plain[run].all() and (level.max() <= 0 or level.min() >= 1):
        differing = np.abs(level.mean(axis=0) - usual[run].mean(axis=0)) > _CLIPPED
        return most and bool(differing.mean() >= _UNCLIPPED)
    return most


def _borders(means: NDArray[np.float32]) -> Lines:
    """(N,) lines that differ from the one before over most of the width."""
    jumping = np.zeros(len(means), np.bool_)
    jumping[1:] = (_jumps(means)[1:] > _JUMP).mean(axis=1) >= _WIDE
    return jumping


def _enclosed(
    own: LineProfile,
    others: Sequence[LineProfile],
    usual: NDArray[np.float32],
    borders: Lines,
) -> list[slice]:
    """Runs of lines between borders that the frame has alone, whose light differs."""
    count = len(own.same)
    reach = _reach(count)
    if not borders.any() or count < 8 * reach:
        return []
    # Of other frames, the largest jumps nearby.
    window = np.ones((2 * reach + 1, 1), np.uint8)
    elsewhere = np.median([cv2.dilate(_jumps(other.means), window) for other in others], axis=0)
    alone = _jumps(own.means) > np.maximum(_JUMP, _ALONE * elsewhere.reshape(own.means.shape))
    # A border that compression has blurred is one border.
    places = [(run.start + run.stop) // 2 for run in _runs(alone.mean(axis=1) >= _WIDE)]
    if len(places) > _MOST_BORDERS:
        return []
    difference = own.means - usual
    found = []
    for start, stop in pairwise([0, *places, count]):
        if not _LEAST_RUN <= stop - start <= _MOST * count:
            continue
        inside = difference[start:stop].sum(axis=0)
        remaining = np.abs(inside) > _INSIDE * (stop - start)
        for share in _MARGINS:
            margin = round(share * count)
            around = difference[max(start - margin, 0) : stop + margin].sum(axis=0)
            remaining &= around * np.sign(inside) > _KEPT * np.abs(inside)
        if remaining.mean() >= _WIDE:
            found.append(slice(start, stop))
    return found


def _jumps(means: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, parts) jumps of brightness from line to line."""
    jumps = np.zeros_like(means)
    jumps[1:] = np.abs(np.diff(means, axis=0))
    return jumps
