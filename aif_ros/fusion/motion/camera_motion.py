"""Finding out how camera and things have moved between J(t-1) and I(t).

The two are blurred in different places, so neither the search for motion nor the check of what was
found may mistake blur for motion: a match is good if one of the two, blurred by some amount, is
what the other shows; and how far the lens blurs the frame where J is sharp is known. How badly they
match is told to the fusion method: what has no match has no place in J(t), there the current frame
wins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.optical_flow import fetch_along, motion_from_fused
from aif_ros.fusion.motion.photometric_error import (
    LARGEST_MISMATCH,
    SIDE,
    Alike,
    Copy,
    blurred_alike,
    hues,
    rescaling,
    small_copy,
)
from aif_ros.types.image import Image, to_gray

# J and a frame that match in less than this share of the picture show different scenes.
_SAME_SCENE = 0.5
# Smaller images have nothing to hold on to.
_SMALLEST = 32
# Motion of less than this, pixels of the copies, is error of measurement.
_STILL = 0.15
# What is found to differ from what was known must leave less unexplained by this share, twice for
# the first pixel of the copies and once for every further one: blurred pictures match far and wide.
_WORTH_MOVING = 0.05
# Most steps towards the camera's motion on copies of half the size and of the whole; a step that
# gains less than this share is the last.
_STEPS_SMALL, _STEPS, _LEAST_GAIN = 10, 2, 0.01
# Share of the picture, that with the strongest edges, that the steps look at.
_EDGES = 0.25


@dataclass(frozen=True)
class Motion:
    """How J(t-1) and I(t) belong together.

    Attributes:
        pose: (3, 3) float64, similarity from pixels of I(t) to those of J(t-1): what the camera
            did.
        flow: (h, w, 2) float32, what moves by itself, on a smaller copy of I(t) and in pixels of
            it: what I(t) shows at p lies in J(t-1) at pose(p + flow(p)).
        mismatch: (h, w) float32, mean difference of the two around each pixel that neither motion
            nor blur explains, share of full scale; 1 where J(t-1) does not show it.
    """

    pose: NDArray[np.float64]
    flow: NDArray[np.float32]
    mismatch: NDArray[np.float32]

    @property
    def same_scene(self) -> bool:
        """Whether the two show the same scene at all; if not, there was a cut between them."""
        return bool((self.mismatch <= LARGEST_MISMATCH).mean() >= _SAME_SCENE)


def expected_blur(fused: Fused, position: float, blur_gain: float) -> NDArray[np.float32]:
    """Radius (H, W), pixels, by which a frame blurs what J(t-1) shows sharp.

    Args:
        fused: J(t-1).
        position: lens position of the frame, metres.
        blur_gain: of the lens, see `LensModel.blur_gain`.
    """
    return np.abs(fused.source_position - np.float32(position)) * np.float32(blur_gain)


def find_motion(
    before: Image,
    image: Image,
    pose: NDArray[np.float64] | None = None,
    blur: NDArray[np.float32] | None = None,
    flow: Callable[[], NDArray[np.float32]] | None = None,
    side: int = SIDE,
) -> Motion:
    """Find out where the things in I(t), `image`, lie in J(t-1), `before`.

    Args:
        before: J(t-1), of any size.
        image: I(t).
        pose: where I(t) lies in J(t-1) as far as is known, (3, 3); None: they coincide.
        blur: radius, pixels, by which I(t) blurs what J(t-1) shows sharp, of the height and width
            of `before`; None: nothing is known of it.
        flow: tells what moves by itself as far as is known, as `Motion.flow`; not asked before the
            camera's motion has been found. None: nothing does.
        side: it is looked for on copies no larger than this, pixels, on I(t)'s longer side.
    """
    pose = np.eye(3) if pose is None else pose
    scale = min(1.0, side / max(image.shape[:2]))
    now = small_copy(to_gray(image), scale)
    if blur is None:
        blur = np.zeros(before.shape[:2], np.float32)
    earlier = Copy(small_copy(to_gray(before), scale), scale * small_copy(blur, scale))
    to_copy = rescaling(image.shape, now.shape)
    from_copy = np.linalg.inv(rescaling(before.shape, earlier.gray.shape))
    standing = np.linalg.inv(from_copy) @ pose @ np.linalg.inv(to_copy)
    if min(now.shape) < _SMALLEST:
        camera = _compared(now, earlier, standing)
    else:
        camera = _camera_motion(now, earlier, standing)
    matrix, alike = camera
    local = np.zeros((*now.shape, 2), np.float32) if flow is None else flow()
    matched, inside = fetch_along(earlier, matrix, local)
    if local.any():
        alike = blurred_alike(now, Copy(*matched))
    if min(now.shape) >= _SMALLEST:
        further = motion_from_fused(now, earlier, matrix, local, alike)
        if further.any():
            local = local + further
            matched, inside = fetch_along(earlier, matrix, local)
            alike = blurred_alike(now, Copy(*matched))
    mismatch = alike.mismatch
    if image.ndim == 3:
        size = earlier.gray.shape[::-1]
        colours = cv2.resize(before, size, interpolation=cv2.INTER_AREA)
        mismatch = np.maximum(mismatch, _hue_mismatch(image, colours, matrix, local))
    mismatch = np.where(inside, mismatch, np.float32(1))
    if matrix is not standing:
        pose = from_copy @ matrix @ to_copy
    return Motion(pose, local, mismatch)


def _hue_mismatch(
    image: Image, before: Image, matrix: NDArray[np.float64], flow: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mismatch (h, w) of things of one brightness but different hues.

    Args:
        image: (H, W, 3), I(t).
        before: (h', w', 3), copy of J(t-1).
        matrix: the camera's motion between the copies.
        flow: (h, w, 2), what moves by itself.
    """
    height, width = flow.shape[:2]
    # Hues are told well enough on copies of half the size.
    half = (max(1, width // 2), max(1, height // 2))
    fetched = fetch_along([before], matrix, flow)[0][0]
    now, before = (
        hues(cv2.resize(each, half, interpolation=cv2.INTER_AREA)) for each in (image, fetched)
    )
    mismatch = [
        blurred_alike(one, Copy(other, np.zeros_like(other))).mismatch
        for one, other in zip(cv2.split(now), cv2.split(before), strict=True)
    ]
    return np.asarray(cv2.resize(np.maximum(*mismatch), (width, height)))


class _Candidate(NamedTuple):
    """A motion of the camera.

    Attributes:
        matrix: (3, 3), shift, rotation and scale from I(t) to J(t-1).
        alike: I(t), and J(t-1) so moved.
    """

    matrix: NDArray[np.float64]
    alike: Alike

    @property
    def mismatch(self) -> float:
        return float(self.alike.mismatch.mean())

    def distance(self, matrix: NDArray[np.float64]) -> float:
        """How far the two motions lie apart in the picture at most, pixels."""
        height, width = self.alike.first.shape
        corners = np.array([[[0, 0]], [[width, 0]], [[0, height]], [[width, height]]], np.float64)
        moved = [cv2.transform(corners, each[:2]) for each in (self.matrix, matrix)]
        return float(np.abs(moved[0] - moved[1]).max())


def _camera_motion(now: Image, before: Copy, standing: NDArray[np.float64]) -> _Candidate:
    """What most of the picture does.

    It is looked for from where the picture is taken to be, on copies of half the size first. Blur
    is easily mistaken for motion: what is found must explain the frame better than that.
    """
    small = small_copy(now, 0.5)
    small_before = Copy(small_copy(before.gray, 0.5), 0.5 * small_copy(before.blur, 0.5))
    halve, halve_before = (
        rescaling(now.shape, small.shape),
        rescaling(before.gray.shape, small_before.gray.shape),
    )
    start = halve_before @ standing @ np.linalg.inv(halve)
    nearest = _refined(small, small_before, _compared(small, small_before, start), _STEPS_SMALL)
    still = _compared(now, before, standing)
    if nearest.distance(start) <= _STILL:
        return still
    matrix = np.linalg.inv(halve_before) @ nearest.matrix @ halve
    found = _refined(now, before, _compared(now, before, matrix), _STEPS)
    distance = found.distance(standing)
    worth = 1 + _WORTH_MOVING * (1 + max(1.0, distance))
    return still if distance <= _STILL or still.mismatch < worth * found.mismatch else found


def _compared(now: Image, before: Copy, matrix: NDArray[np.float64]) -> _Candidate:
    return _Candidate(matrix, blurred_alike(now, _moved(before, matrix, now.shape)))


def _moved(before: Copy, matrix: NDArray[np.float64], shape: tuple[int, ...]) -> Copy:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    gray, blur = (
        cv2.warpAffine(
            plane, matrix[:2], shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32, copy=False)
        for plane in before
    )
    return Copy(gray, blur)


def _refined(now: Image, before: Copy, candidate: _Candidate, steps: int) -> _Candidate:
    """Move a candidate to where it fits best, by no more than so many Gauss-Newton steps.

    After Lucas and Kanade, 1981, between pictures that are blurred alike.
    """
    for _ in range(steps):
        step = _step(candidate.alike.first, candidate.alike.second)
        further = _compared(now, before, candidate.matrix @ step)
        gain = candidate.mismatch - further.mismatch
        if gain > 0:
            candidate = further
        if gain < _LEAST_GAIN * candidate.mismatch:
            break
    return candidate


def _step(now: Image, before: Image) -> NDArray[np.float64]:
    """Similarity (3, 3) that brings `before` nearer to `now`, from where they have edges."""
    mean = (now + before) / 2
    across, down = (cv2.Sobel(mean, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    strength = across * across + down * down
    # A sample tells what is strong.
    chosen = (strength > 0) & (strength >= np.quantile(strength[::3, ::3], 1 - _EDGES))
    if not chosen.any():
        return np.eye(3)
    error, across, down = (now - before)[chosen], across[chosen], down[chosen]
    height, width = now.shape
    y, x = np.nonzero(chosen)
    centre = (width - 1) / 2, (height - 1) / 2
    x, y = (x - centre[0]) / width, (y - centre[1]) / width
    slopes = np.stack([across * x + down * y, down * x - across * y, across, down], 1)
    # What moves by itself must not pull: it differs more than the rest.
    trust = 1 / (1 + np.square(error / (2 * np.median(np.abs(error)) + 1e-6)))
    weighted = slopes * trust[:, None]
    # The small addition keeps a picture without edges where it is.
    normal = weighted.T @ slopes + 1e-3 * np.eye(4)
    grow, turn, right, lower = np.linalg.solve(normal, weighted.T @ error)
    grow, turn = grow / width, turn / width
    return np.array(
        [
            [1 + grow, -turn, right - grow * centre[0] + turn * centre[1]],
            [turn, 1 + grow, lower - turn * centre[0] - grow * centre[1]],
            [0, 0, 1],
        ]
    )
