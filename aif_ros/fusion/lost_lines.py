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

from aif_ros.fusion.line_profile import FrameLines, LineProfile, Lines
from aif_ros.types.resizing import reduce_to


@dataclass(frozen=True)
class LostLineSettings:
    """When lines count as lost.

    Chosen by hand on stacks and frames with rows that are black, gray, repeated, shifted or cut off
    in a compressed file, such that they are found, and none in photographs, drawings, facades and
    lettering that are intact; see `test/fusion/test_lost_lines.py`.

    Attributes:
        noisy: share of the parts of a line that differ from the line before, from which on there is
            noise.
        least_run: fewest lines in a row that count as lost: one may be equal to the next by chance.
        most_runs: most places with lost lines in a frame; drawings have more plain lines.
        largest_share: of lines that are lost; above it, it is not known what belongs to the scene.
        displacement: distance up to which frames may be displaced, share of the image (drift,
            breathing).
        clipped: least difference to other frames of lines that are black or white, which may be
            clipped, ...
        unclipped: ... in this share of their parts: scenes are dark in places.
        jump: least jump of brightness at the border of lost lines, ...
        alone: ... its least multiple of the jumps nearby in other frames, ...
        inside: ... and least difference from them within.
        wide: share of the parts in which a border jumps, and what it encloses differs.
        remaining: least share of a difference that remains if margins are added to it: blur leaves
            none.
        margins: such margins, shares of the image; ...
        most_borders: ... and most borders in a frame: facades and lettering have more.
        neighbours: slices of a stack on either side that a slice is compared with.
        fringe: lines by which lost ones are enlarged: compression blurs their border.
    """

    noisy: float = 0.9
    least_run: int = 2
    most_runs: int = 8
    largest_share: float = 0.6
    displacement: float = 0.02
    clipped: float = 0.1
    unclipped: float = 0.25
    jump: float = 0.05
    alone: float = 2.0
    inside: float = 0.1
    wide: float = 0.6
    remaining: float = 0.5
    margins: tuple[float, ...] = (1 / 24, 1 / 12, 1 / 6)
    most_borders: int = 6
    neighbours: int = 2
    fringe: int = 2


_SETTINGS = LostLineSettings()


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
        """(h, w), where the frame, downscaled, shows any of them.

        Args:
            size: (width, height) of the downscaled frame, pixels.
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
        self._near: deque[FrameLines] = deque(maxlen=2 * _SETTINGS.neighbours + 1)
        self._found: list[LostLines] = []

    def add(self, pixels: NDArray[Any]) -> None:
        """Take in the next slice, (H, W) or (H, W, 3)."""
        self._near.append(FrameLines.of(pixels))
        if len(self._near) > _SETTINGS.neighbours:
            # At first, slices have no neighbours before them.
            self._judge(min(len(self._near) - 1 - _SETTINGS.neighbours, _SETTINGS.neighbours))

    def found(self) -> list[LostLines]:
        """What is lost of each slice, at the end of the stack."""
        for place in range(max(len(self._near) - _SETTINGS.neighbours, 0), len(self._near)):
            self._judge(place)
        return self._found

    def _judge(self, place: int) -> None:
        near = list(self._near)
        others = (
            near[max(place - _SETTINGS.neighbours, 0) : place]
            + near[place + 1 : place + 1 + _SETTINGS.neighbours]
        )
        self._found.append(lost_lines(near[place], others))


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
        lost[max(run.start - _SETTINGS.fringe, 0) : run.stop + _SETTINGS.fringe] = True
    return lost if lost.mean() <= _SETTINGS.largest_share else np.zeros(count, np.bool_)


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
    return max(2, round(_SETTINGS.displacement * count))


def _equal_runs(own: LineProfile) -> list[slice]:
    """Runs of equal lines in a frame whose other lines differ from the next ones everywhere."""
    runs = [run for run in _runs(own.equal) if run.stop - run.start >= _SETTINGS.least_run]
    if not runs or len(runs) > _SETTINGS.most_runs or own.equal.all():
        return []
    return runs if np.median(own.varied[~own.equal]) >= _SETTINGS.noisy else []


def _differs_from_noise(
    own: LineProfile, others: Sequence[LineProfile], usual: NDArray[np.float32], run: slice
) -> bool:
    """Whether most other frames have noise where the frame has equal lines."""
    reach = _reach(len(own.same))
    near = slice(max(run.start - reach, 0), run.stop + reach)
    noisy = [
        not other.equal[near].any() and np.quantile(other.varied[near], 0.1) >= _SETTINGS.noisy
        for other in others
    ]
    most = 2 * sum(map(bool, noisy)) > len(others)
    level = own.means[run]
    if own.plain[run].all() and (level.max() <= 0 or level.min() >= 1):
        differing = np.abs(level.mean(axis=0) - usual[run].mean(axis=0)) > _SETTINGS.clipped
        return most and bool(differing.mean() >= _SETTINGS.unclipped)
    return most


def _borders(means: NDArray[np.float32]) -> Lines:
    """(N,) lines that differ from the one before over most of the width."""
    jumping = np.zeros(len(means), np.bool_)
    jumping[1:] = (_jumps(means)[1:] > _SETTINGS.jump).mean(axis=1) >= _SETTINGS.wide
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
    alone = _jumps(own.means) > np.maximum(
        _SETTINGS.jump, _SETTINGS.alone * elsewhere.reshape(own.means.shape)
    )
    # A border that compression has blurred is one border.
    places = [(run.start + run.stop) // 2 for run in _runs(alone.mean(axis=1) >= _SETTINGS.wide)]
    if len(places) > _SETTINGS.most_borders:
        return []
    difference = own.means - usual
    found = []
    for start, stop in pairwise([0, *places, count]):
        if not _SETTINGS.least_run <= stop - start <= _SETTINGS.largest_share * count:
            continue
        inside = difference[start:stop].sum(axis=0)
        remaining = np.abs(inside) > _SETTINGS.inside * (stop - start)
        for share in _SETTINGS.margins:
            margin = round(share * count)
            around = difference[max(start - margin, 0) : stop + margin].sum(axis=0)
            remaining &= around * np.sign(inside) > _SETTINGS.remaining * np.abs(inside)
        if remaining.mean() >= _SETTINGS.wide:
            found.append(slice(start, stop))
    return found


def _jumps(means: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, parts) jumps of brightness from line to line."""
    jumps = np.zeros_like(means)
    jumps[1:] = np.abs(np.diff(means, axis=0))
    return jumps
