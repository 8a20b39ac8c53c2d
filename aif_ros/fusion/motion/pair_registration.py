"""Registering two slices of a focal stack, with the uncertainty of the motion between them.

Coarse to fine, on equally blurred images (see `blur_equalization`). Small motions are found from
where the slices are, large ones from a first estimate, which is only used if its residual is
smaller. Areas in which two slices are inconsistent, such as the shadow of a finger, are excluded
(see `photo_consistency`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.block_equations import BlockEquations
from aif_ros.fusion.motion.block_linearization import ImagePair, block_equations
from aif_ros.fusion.motion.blur_equalization import equalize_blur
from aif_ros.fusion.motion.downscaled_slice import (
    DownscaledSlice,
    aligned,
    downscaled_transform,
)
from aif_ros.fusion.motion.ecc import maximise_correlation
from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.lucas_kanade import Limits, iterate
from aif_ros.fusion.motion.motion_parameters import (
    SIMILARITY,
    motion_matrix,
    motion_parameters,
)
from aif_ros.fusion.motion.photo_consistency import (
    Mask,
    inconsistent_area,
    residual,
    residual_within,
)
from aif_ros.fusion.motion.slice_pyramid import SlicePyramid


@dataclass(frozen=True)
class PairSettings:
    """Settings of the registration of two slices; lengths are shares of the image's longer side.

    Chosen by hand on rendered stacks: still, with focus breathing of 0.5 to 10 %, with drift, and
    held by hand, some with 10 pixels of blur from slice to slice; see
    `test/fusion/motion/test_stack_registration.py`.

    Attributes:
        smallest: shorter side of the smallest images that are registered, pixels.
        steps: the largest number of Gauss-Newton steps on each level.
        least_step: a motion is found when the next step is smaller, pixels of the largest images.
        shift_deviation: standard deviation of a step before anything is known: shift.
        linear_deviation: the same of magnification and rotation.
        largest_motion: more is no drift, but a failed registration.
        better: the first estimate is used if it leaves this share of the residual, or less.
        small: larger motions must reduce the residual on each level.
        required: share of the residual that such a motion must leave at most.
    """

    smallest: int = 24
    steps: int = 8
    least_step: float = 0.02
    shift_deviation: float = 0.1
    linear_deviation: float = 0.05
    largest_motion: float = 0.2
    better: float = 0.97
    small: float = 0.002
    required: float = 0.93


_SETTINGS = PairSettings()
_STILL: Transform = np.eye(3)


def register_pair(first: SlicePyramid, second: SlicePyramid) -> BlockEquations:
    """Return the equations of the motion from one slice to the next."""
    if min(first.levels[0].image.shape) < _SETTINGS.smallest:
        return block_equations([], _STILL, first.shape)
    estimate, excluded = _first_estimate(first.levels[0], second.levels[0], first.shape)
    coarse = _equalized_pair(first, second, 0, excluded)
    transform = _improved([coarse], _STILL, first.shape)
    if estimate is not None:
        other = _improved([coarse], estimate, first.shape)
        if _residual_ratio(coarse, other, transform, first) < _SETTINGS.better:
            transform = other
    return _refined([coarse], first, second, transform, excluded)


def register_pair_from(
    first: SlicePyramid, second: SlicePyramid, start: Transform
) -> BlockEquations:
    """Return the equations of the motion between two slices, of which `start` is known."""
    if min(first.levels[0].image.shape) < _SETTINGS.smallest:
        return block_equations([], _STILL, first.shape)
    one, other = first.levels[0], second.levels[0]
    excluded = _inconsistent(one, other, downscaled_transform(one, start, first.size))
    coarse = _equalized_pair(first, second, 0, excluded)
    return _refined([coarse], first, second, start, excluded, start)


def _refined(
    pairs: list[ImagePair],
    first: SlicePyramid,
    second: SlicePyramid,
    start: Transform,
    excluded: Mask | None,
    known: Transform = _STILL,
) -> BlockEquations:
    """Register the larger levels, too, and return the equations of the motion from the identity."""
    transform = start
    for level in range(1, len(first.levels)):
        pairs.append(_equalized_pair(first, second, level, excluded))
        transform = _improved(pairs, transform, first.shape)
    motion = motion_parameters(transform, first.shape)
    # Small motions leave the residual as it is; larger ones that do not reduce it are wrong.
    change = np.abs(motion - motion_parameters(known, first.shape)).max()
    if change > _SETTINGS.small * max(first.shape) and any(
        _residual_ratio(each, transform, known, first) > _SETTINGS.required for each in pairs
    ):
        return block_equations([], known, first.shape)
    return block_equations(pairs, transform, first.shape).reweighted().relative_to(-motion)


def _equalized_pair(
    first: SlicePyramid, second: SlicePyramid, level: int, excluded: Mask | None
) -> ImagePair:
    one, other, equalized, shifts = equalize_blur(first.blur[level], second.blur[level])
    valid = first.levels[level].without(excluded).valid_mask, second.levels[level].valid_mask
    return ImagePair(one, other, valid, equalized.ravel(), shifts.reshape(-1, 2))


def _improved(pairs: Sequence[ImagePair], start: Transform, shape: tuple[int, int]) -> Transform:
    """Improve a transform until the blocks show no further motion."""
    size = max(shape)
    deviations = np.array([_SETTINGS.shift_deviation] * 2 + [_SETTINGS.linear_deviation] * 4) * size

    def step(transform: Transform) -> tuple[Transform, float] | None:
        motion = np.zeros(6)
        equations = block_equations(pairs, transform, shape).reweighted()
        motion[[*SIMILARITY]] = equations.solve(SIMILARITY, deviations)[0]
        further = transform + motion_matrix(motion, shape) - np.eye(3)
        if np.abs(motion_parameters(further, shape)).max() > _SETTINGS.largest_motion * size:
            return None
        return further, float(np.abs(motion).max())

    least_step = _SETTINGS.least_step * size / max(pairs[-1].first.shape)
    return iterate(start, step, Limits(_SETTINGS.steps, least_step))


def _residual_ratio(
    pair: ImagePair, transform: Transform, known: Transform, pyramid: SlicePyramid
) -> float:
    """Residual after a motion between slices, as a share of that after a known one."""
    first, second = (
        DownscaledSlice(image, valid)
        for image, valid in zip((pair.first, pair.second), pair.valid, strict=True)
    )
    one, other = (
        aligned(first, second, downscaled_transform(first, each, pyramid.size))
        for each in (transform, known)
    )
    common = one[2] & other[2]
    after, before = (residual_within(*each[:2], common) for each in (one, other))
    return after / max(before, 1e-9)


def _first_estimate(
    first: DownscaledSlice, second: DownscaledSlice, shape: tuple[int, int]
) -> tuple[Transform | None, Mask | None]:
    """Register the smallest levels of two slices, and find where they are inconsistent.

    Returns:
        The transform between slices of that shape, None: it is not known; and (h, w) in the first
        one's coordinates where they are inconsistent, None: nowhere.
    """
    identity = np.eye(2, 3, dtype=np.float32)
    try:
        warp = maximise_correlation(first, second, identity)
    except cv2.error:
        warp = identity
    excluded = _inconsistent(first, second, warp)
    if excluded is not None:
        # It may have biased the registration: register without it, and from both sides.
        found = [warp]
        for mask in (excluded, _inconsistent(first, second, identity)):
            try:
                found.append(maximise_correlation(first.without(mask), second, identity))
            except cv2.error:
                continue
        warp = min(found, key=lambda each: residual(*aligned(first, second, each)))
        excluded = _inconsistent(first, second, warp)
    square = np.vstack([warp, [0.0, 0.0, 1.0]])
    scale = scaling(shape, first.image.shape)
    transform = np.linalg.inv(scale) @ square @ scale
    largest = np.abs(motion_parameters(transform, shape)).max()
    plausible = largest < _SETTINGS.largest_motion * max(shape)
    return (transform if plausible else None), excluded


def _inconsistent(
    first: DownscaledSlice, second: DownscaledSlice, warp: NDArray[np.float32]
) -> Mask | None:
    """Where two slices are inconsistent, (h, w), `SIDE` pixels wide, of the first one."""
    return inconsistent_area(*aligned(first, second, warp))
