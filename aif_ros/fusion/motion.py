"""Finding out how camera and things have moved between J(t-1) and I(t).

The two are blurred in different places, so neither the search for motion nor the check of what was
found may mistake blur for motion: a match is good if one of the two, blurred by some amount, is
what the other shows; and how far the lens blurs the frame where J is sharp is known. How badly they
match is told to the fusion method: what has no match has no place in J(t), there the current frame
wins.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aif_ros.fusion.fusion import Fused
from aif_ros.images import Image, to_gray

# Motion is looked for on copies no larger than this on their longer side.
_SIDE = 320
# Both are blurred by this, pixels of the copies, before motion is looked for.
_SEARCH_SIGMA = 1.5
# Blur that may tell one from the other: sides of boxes, pixels of the copies. Averaging over a box
# comes nearer to what a lens does than a Gaussian: it ends somewhere.
_BLURS = (1, 3, 5, 7, 9, 11, 15, 19)
# Radii, pixels of the copies, of the frame's own blur at which both are blurred.
_RADII = (2, 3, 4, 6, 8, 12, 16)
# Mean difference in a window of this many pixels, share of full scale, that is no match.
_WINDOW, LARGEST_MISMATCH = 7, 0.05
# Local motion is believed where it leaves so much less than the camera's, and that more than this.
_BETTER, _NOISE = 0.7, 0.0167
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


class _Copy(NamedTuple):
    """A copy of J(t-1).

    Attributes:
        gray: (h, w) float32.
        blur: (h, w) float32, radius by which I(t) may be blurred there, pixels of the copy.
    """

    gray: Image
    blur: NDArray[np.float32]


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
    side: int = _SIDE,
) -> Motion:
    """Find out where the things in I(t), `image`, lie in J(t-1), `before`.

    Args:
        before: J(t-1), of any size.
        image: I(t).
        pose: where I(t) lies in J(t-1) as far as is known, (3, 3); None: they coincide.
        blur: radius, pixels, by which I(t) blurs what J(t-1) shows sharp, of the height and width
            of `before`; None: nothing is known of it.
        side: it is looked for on copies no larger than this, pixels, on I(t)'s longer side.
    """
    pose = np.eye(3) if pose is None else pose
    scale = min(1.0, side / max(image.shape[:2]))
    now = _small(to_gray(image), scale)
    if blur is None:
        blur = np.zeros(before.shape[:2], np.float32)
    earlier = _Copy(_small(to_gray(before), scale), scale * _small(blur, scale))
    to_copy = rescaling(image.shape, now.shape)
    from_copy = np.linalg.inv(rescaling(before.shape, earlier.gray.shape))
    standing = np.linalg.inv(from_copy) @ pose @ np.linalg.inv(to_copy)
    if min(now.shape) < _SMALLEST:
        camera = _compared(now, earlier, standing)
        flow = np.zeros((*now.shape, 2), np.float32)
    else:
        camera = _camera_motion(now, earlier, standing)
        flow = _local_motion(now, earlier, camera)
    matrix = camera.matrix
    matched, inside = _follow(earlier, matrix, flow)
    left = _blurred_alike(now, matched) if flow.any() else camera.alike
    mismatch = np.where(inside, left.mismatch, np.float32(1))
    if matrix is not standing:
        pose = from_copy @ matrix @ to_copy
    return Motion(pose, flow, mismatch)


def rescaling(shape: tuple[int, ...], other: tuple[int, ...]) -> NDArray[np.float64]:
    """Matrix (3, 3) from pixels of a picture of one shape to those of its copy of another."""
    x, y = other[1] / shape[1], other[0] / shape[0]
    # The centre of the first pixel is half a pixel from the border in both.
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _local_motion(now: Image, before: "_Copy", camera: "_Candidate") -> NDArray[np.float32]:
    """Flow (h, w, 2) of what moves by itself, 0 elsewhere; see `Motion`."""
    if not _certain(camera.alike.mismatch > LARGEST_MISMATCH).any():
        return np.zeros((*now.shape, 2), np.float32)
    # With the camera's motion undone and both blurred alike, nothing but motion is left.
    flow = _dense_flow(camera.alike.first, camera.alike.second)
    followed = _blurred_alike(now, _follow(before, camera.matrix, flow)[0])
    moved = _moving_things(camera.alike.mismatch, followed.mismatch)
    if not moved.any():
        return np.zeros_like(flow)
    flow += _dense_flow(followed.first, followed.second)
    return flow * cv2.GaussianBlur(moved.astype(np.float32), (0, 0), 1.5)[..., None]


def _moving_things(
    mismatch: NDArray[np.float32], followed: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Where things move by themselves.

    Args:
        mismatch: (h, w) that the camera's motion leaves.
        followed: (h, w) that the local motion leaves.
    """
    better = _certain((mismatch > _NOISE) & (followed < _BETTER * mismatch))
    certain = _certain(better & (mismatch > LARGEST_MISMATCH))
    # Things move as a whole: what is certain in a part holds for what hangs together with it.
    return ndimage.binary_propagation(certain, mask=better)


def _certain(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without pixels that only chance has put there."""
    return cv2.medianBlur(mask.astype(np.uint8), 5) > 0


def _dense_flow(now: Image, before: Image) -> NDArray[np.float32]:
    """Flow (h, w, 2) from one to the other, whatever moves (Kroeger et al., DIS flow, 2016)."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = (
        np.round(255 * np.clip(cv2.GaussianBlur(picture, (0, 0), _SEARCH_SIGMA), 0, 1))
        for picture in (now, before)
    )
    return search.calc(first.astype(np.uint8), second.astype(np.uint8), None)


class _Candidate(NamedTuple):
    """A motion of the camera.

    Attributes:
        matrix: (3, 3), shift, rotation and scale from I(t) to J(t-1).
        alike: I(t), and J(t-1) so moved.
    """

    matrix: NDArray[np.float64]
    alike: "_Alike"

    @property
    def mismatch(self) -> float:
        return float(self.alike.mismatch.mean())

    def distance(self, matrix: NDArray[np.float64]) -> float:
        """How far the two motions lie apart in the picture at most, pixels."""
        height, width = self.alike.first.shape
        corners = np.array([[[0, 0]], [[width, 0]], [[0, height]], [[width, height]]], np.float64)
        moved = [cv2.transform(corners, each[:2]) for each in (self.matrix, matrix)]
        return float(np.abs(moved[0] - moved[1]).max())


def _camera_motion(now: Image, before: "_Copy", standing: NDArray[np.float64]) -> _Candidate:
    """What most of the picture does.

    It is looked for from where the picture is taken to be, on copies of half the size first. Blur
    is easily mistaken for motion: what is found must explain the frame better than that.
    """
    small = _small(now, 0.5)
    small_before = _Copy(_small(before.gray, 0.5), 0.5 * _small(before.blur, 0.5))
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


def _compared(now: Image, before: "_Copy", matrix: NDArray[np.float64]) -> _Candidate:
    return _Candidate(matrix, _blurred_alike(now, _moved(before, matrix, now.shape)))


def _moved(before: "_Copy", matrix: NDArray[np.float64], shape: tuple[int, ...]) -> "_Copy":
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    gray, blur = (
        cv2.warpAffine(
            plane, matrix[:2], shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32, copy=False)
        for plane in before
    )
    return _Copy(gray, blur)


def _refined(now: Image, before: "_Copy", candidate: _Candidate, steps: int) -> _Candidate:
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


class _Alike(NamedTuple):
    """Two pictures, around each pixel one of them blurred such that they are most alike.

    Attributes:
        first: (h, w) float32.
        second: (h, w) float32.
        mismatch: (h, w) float32, mean difference around each pixel that is left.
    """

    first: Image
    second: Image
    mismatch: NDArray[np.float32]


def _blurred_alike(now: Image, before: "_Copy") -> _Alike:
    """Blur one of the two around each pixel until they are as alike as they can be.

    Where the lens blurs I(t), objects before others spread over them, which blurring J(t-1) does
    not show; but it hides all detail finer than the blur, so that both may be blurred further.
    """
    first, second = now.copy(), before.gray.copy()
    least = _difference(first, second)

    def choose(one: Image, other: Image, where: NDArray[np.uint8] | None = None) -> None:
        difference = _difference(one, other)
        better = cv2.compare(difference, least, cv2.CMP_LT)
        better = better if where is None else cv2.bitwise_and(better, where)
        cv2.copyTo(one, better, first)
        cv2.copyTo(other, better, second)
        cv2.copyTo(difference, better, least)

    # A lens blurs light, not encoded values; their square is near enough to it, and fast.
    light, light_before = now * now, before.gray * before.gray
    for side in _BLURS:
        # The second box takes the corners off the first.
        choose(cv2.sqrt(_boxed(light, side, 3)), before.gray)
        choose(now, cv2.sqrt(_boxed(light_before, side, 3)))
    for radius in _RADII:
        blurred = 255 * (before.blur >= radius).astype(np.uint8)
        if not blurred.any():
            break
        wide = 2 * radius + 1
        choose(
            cv2.sqrt(_boxed(light, wide, wide)),
            # A box of this side spreads light as far as a disk of that radius.
            cv2.sqrt(_boxed(light_before, round(np.sqrt(3) * radius) | 1, wide, wide)),
            cv2.dilate(blurred, np.ones((wide, wide), np.uint8)),
        )
    return _Alike(first, second, least)


def _boxed(light: Image, *sides: int) -> Image:
    for side in sides:
        light = cv2.blur(light, (side, side))
    return light


def _difference(one: Image, other: Image) -> Image:
    return cv2.blur(cv2.absdiff(one, other), (_WINDOW, _WINDOW))


def sampling_grid(
    flow: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows (h, w) that a flow (h, w, 2) leads to from each pixel."""
    height, width = flow.shape[:2]
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    return right + flow[..., 0], down + flow[..., 1]


def _follow(
    before: "_Copy", matrix: NDArray[np.float64], flow: NDArray[np.float32]
) -> tuple["_Copy", NDArray[np.bool_]]:
    """Fetch `before` along the flow and the matrix, and where that lies inside the picture."""
    places = cv2.transform(np.stack(sampling_grid(flow), axis=2), matrix[:2])
    x, y = places[..., 0], places[..., 1]
    height, width = before.gray.shape
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    gray, blur = (
        cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in before
    )
    return _Copy(gray, blur), inside


def _small(gray: Image, scale: float) -> Image:
    if scale == 1:
        return gray
    size = tuple(max(1, round(scale * side)) for side in gray.shape[::-1])
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
