"""Comparing two slices of a focal stack: the motion between them, and the evidence for it.

Coarse to fine, on copies that are made equally blurred (see `blur_equalization`). Small motions are
found from where the slices are, large ones from a first estimate that is given up unless it fits
better. Where two slices do not fit, as in the shadow of a finger, they are not compared (see
`misfit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blur_equalization import SIGMAS, BlurMeasurement, equalize_blur
from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.lucas_kanade import Limits, iterate
from aif_ros.fusion.motion.misfit import SIDE, Mask, misfit, residual, residual_within
from aif_ros.fusion.motion.motion_evidence import (
    SIMILARITY,
    Comparison,
    Evidence,
    evidence_of,
    motion_matrix,
    motion_parameters,
)
from aif_ros.fusion.motion.slice_copy import (
    SliceCopy,
    maximise_correlation,
    on_common_area,
    on_copy,
)

# Longer sides of the copies, and the largest standard deviation, pixels of the copies, by which the
# blur of two of them may differ: the larger ones need not show what the smaller ones show.
_LEVELS = ((SIDE, SIGMAS[4]), (480, SIGMAS[3]), (1440, SIGMAS[2]))
# Shorter side of the smallest images that are registered, pixels.
_SMALLEST = 24
_STEPS = 8
# A motion is found when the next step is no larger than this, pixels of the largest copies.
_CONVERGED = 0.02
# Standard deviations of steps, as shares of the image's size: shift; magnification, rotation.
_LOOSE_SHIFT, _LOOSE = 0.1, 0.05
# More than this share of the image's size is no drift, but a failed registration.
_LARGEST_MOVE = 0.2
# A first estimate is taken if it leaves this share of the residual.
_BETTER = 0.97
# Motions by more than this share of the image's size must reduce the residual of the small copies.
_SMALL = 0.002
_LEFT = 0.93

_STILL: Transform = np.eye(3)


@dataclass(frozen=True)
class SliceCopies:
    """Copies of a slice, as they are registered.

    Attributes:
        copies: from small to large.
        blurred: the same, as their blur is made equal.
        shape: (H, W) of the slice.
    """

    copies: Sequence[SliceCopy]
    blurred: Sequence[BlurMeasurement]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, gray: NDArray[Any], valid: NDArray[np.bool_] | None, largest_side: int | None
    ) -> "SliceCopies":
        """Make the copies of a slice.

        Args:
            gray: (H, W).
            valid: (H, W), pixels that hold data; None: all.
            largest_side: of the copies, at most; None: as large as is worth it.
        """
        longer = max(gray.shape)
        levels = [
            level
            for index, level in enumerate(_LEVELS)
            if index == 0
            or (_LEVELS[index - 1][0] < longer and level[0] <= (largest_side or level[0]))
        ]
        copies = [SliceCopy.of(gray, valid, side) for side, _ in levels]
        blurred = [
            BlurMeasurement.of(copy.image, sigma)
            for copy, (_, sigma) in zip(copies, levels, strict=True)
        ]
        return cls(copies, blurred, (gray.shape[0], gray.shape[1]))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the slice."""
        return self.shape[1], self.shape[0]


def compare(first: SliceCopies, second: SliceCopies) -> Evidence:
    """Return the evidence for the motion from one slice to the next."""
    if min(first.copies[0].image.shape) < _SMALLEST:
        return evidence_of([], _STILL, first.shape)
    guess, without = _first_estimate(first.copies[0], second.copies[0], first.shape)
    coarse = _comparison(first, second, 0, without)
    transform = _registered([coarse], _STILL, first.shape)
    if guess is not None:
        other = _registered([coarse], guess, first.shape)
        if _share_left(coarse, other, transform, first) < _BETTER:
            transform = other
    return _compared([coarse], first, second, transform, without)


def _share_left(
    comparison: Comparison, transform: Transform, known: Transform, slice_: SliceCopies
) -> float:
    """Residual after a motion between slices, as a share of that after a known one."""
    first, second = (
        SliceCopy(image, held)
        for image, held in zip((comparison.first, comparison.second), comparison.held, strict=True)
    )
    one, other = (
        on_common_area(first, second, on_copy(first, each, slice_.size))
        for each in (transform, known)
    )
    common = one[2] & other[2]
    left, before = (residual_within(*each[:2], common) for each in (one, other))
    return left / max(before, 1e-9)


def compare_from(first: SliceCopies, second: SliceCopies, start: Transform) -> Evidence:
    """Return the evidence for the motion between two slices, of which `start` is known."""
    if min(first.copies[0].image.shape) < _SMALLEST:
        return evidence_of([], _STILL, first.shape)
    one, other = first.copies[0], second.copies[0]
    without = _misfit(one, other, on_copy(one, start, first.size))
    coarse = _comparison(first, second, 0, without)
    return _compared([coarse], first, second, start, without, start)


def _compared(
    comparisons: list[Comparison],
    first: SliceCopies,
    second: SliceCopies,
    start: Transform,
    without: Mask | None,
    known: Transform = _STILL,
) -> Evidence:
    """Register the larger copies, too, and return the evidence for the motion."""
    transform = start
    for level in range(1, len(first.copies)):
        comparisons.append(_comparison(first, second, level, without))
        transform = _registered(comparisons, transform, first.shape)
    motion = motion_parameters(transform, first.shape)
    # Small motions leave the residual as it is; larger ones that do not reduce it are wrong.
    beyond = np.abs(motion - motion_parameters(known, first.shape)).max()
    if beyond > _SMALL * max(first.shape) and any(
        _share_left(each, transform, known, first) > _LEFT for each in comparisons
    ):
        return evidence_of([], known, first.shape)
    return evidence_of(comparisons, transform, first.shape).weighted().beyond(-motion)


def _comparison(
    first: SliceCopies, second: SliceCopies, level: int, without: Mask | None
) -> Comparison:
    one, other, used, shifts = equalize_blur(first.blurred[level], second.blurred[level])
    held = first.copies[level].without(without).held, second.copies[level].held
    return Comparison(one, other, held, used.ravel(), shifts.reshape(-1, 2))


def _registered(
    comparisons: Sequence[Comparison], start: Transform, shape: tuple[int, int]
) -> Transform:
    """Improve a transform until the blocks ask for no further motion."""
    size = max(shape)
    loosely = np.array([_LOOSE_SHIFT] * 2 + [_LOOSE] * 4) * size

    def step(transform: Transform) -> tuple[Transform, float] | None:
        motion = np.zeros(6)
        evidence = evidence_of(comparisons, transform, shape).weighted()
        motion[[*SIMILARITY]] = evidence.solve(SIMILARITY, loosely)[0]
        further = transform + motion_matrix(motion, shape) - np.eye(3)
        if np.abs(motion_parameters(further, shape)).max() > _LARGEST_MOVE * size:
            return None
        return further, float(np.abs(motion).max())

    least_step = _CONVERGED * size / max(comparisons[-1].first.shape)
    return iterate(start, step, Limits(_STEPS, least_step))


def _first_estimate(
    first: SliceCopy, second: SliceCopy, shape: tuple[int, int]
) -> tuple[Transform | None, Mask | None]:
    """Register the smallest copies of two slices, and find where they do not fit.

    Returns:
        The transform between slices of that shape, None: it is not known; and (h, w) in the first
        copy's coordinates where they do not fit, None: nowhere.
    """
    still = np.eye(2, 3, dtype=np.float32)
    try:
        warp = maximise_correlation(first, second, still)
    except cv2.error:
        warp = still
    without = _misfit(first, second, warp)
    if without is not None:
        # What does not fit may have drawn the registration away: without it, and from both sides.
        found = [warp]
        for mask in (without, _misfit(first, second, still)):
            try:
                found.append(maximise_correlation(first.without(mask), second, still))
            except cv2.error:
                continue
        warp = min(found, key=lambda each: residual(*on_common_area(first, second, each)))
        without = _misfit(first, second, warp)
    square = np.vstack([warp, [0.0, 0.0, 1.0]])
    scale = scaling(shape, first.image.shape)
    transform = np.linalg.inv(scale) @ square @ scale
    largest = np.abs(motion_parameters(transform, shape)).max()
    return (transform if largest < _LARGEST_MOVE * max(shape) else None), without


def _misfit(first: SliceCopy, second: SliceCopy, warp: NDArray[np.float32]) -> Mask | None:
    """Where two copies do not fit, (h, w) of a copy of `SIDE` pixels of the first one."""
    return misfit(*on_common_area(first, second, warp))
