"""Carrying J(t-1) over to where things are in I(t).

The two are blurred in different places, so neither the search for motion nor the check of what was
found may mistake blur for motion: a match is good if one of the two, blurred by some amount, is
what the other shows. How badly they match is told to the fusion method: what has no match has no
place in J(t), there the current frame wins.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.images import Image, to_gray

# Motion is looked for on copies no larger than this on their longer side.
_SIDE = 320
# Both are blurred by this, pixels of the copies, before motion is looked for.
_SEARCH_SIGMA = 1.5
# Blur, pixels of the copies, that may tell one from the other.
_BLURS = (1.0, 2.0, 3.5, 6.0)
# Mean difference in a window of this many pixels, share of full scale, that is no match.
_WINDOW, _LARGEST_MISMATCH = 7, 0.05
# Local motion is believed where it leaves so much less than the camera's, and that more than this.
_BETTER, _NOISE = 0.7, 0.0167
# Smaller images have nothing to hold on to.
_SMALLEST = 32
# Motion of less than this, pixels of the copies, is error of measurement.
_STILL = 0.15
# Motion that leaves hardly less unexplained than standing still does is none.
_WORTH_MOVING = 1.1
# Most steps towards the camera's motion on copies of half the size and of the whole; a step that
# gains less than this share is the last.
_STEPS_SMALL, _STEPS, _LEAST_GAIN = 10, 2, 0.01
# Share of the picture, that with the strongest edges, that the steps look at.
_EDGES = 0.25
# J loses sharpness by being resampled: new frames of like energy are truer.
RESAMPLED = 0.85


@dataclass(frozen=True)
class Motion:
    """How J(t-1) and I(t) belong together, found on smaller copies of them.

    Attributes:
        flow: (h, w, 2) float32, where each pixel of I(t) lies in J(t-1), relative to it.
        mismatch: (h, w) float32, mean difference of the two around each pixel that neither motion
            nor blur explains, share of full scale; 1 where J(t-1) does not show it.
    """

    flow: NDArray[np.float32]
    mismatch: NDArray[np.float32]


def find_motion(before: Image, image: Image, side: int = _SIDE) -> Motion:
    """Find out where the things in I(t), `image`, lie in J(t-1), `before`, of the same shape.

    It is looked for on copies of no more than `side` pixels on their longer side.
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    now, earlier = (_small(to_gray(picture), size) for picture in (image, before))
    if min(size) < _SMALLEST:
        return Motion(np.zeros((*now.shape, 2), np.float32), _blurred_alike(now, earlier).mismatch)
    flow = _motion(now, earlier)
    matched, inside = _follow(earlier, flow)
    return Motion(flow, np.where(inside, _blurred_alike(now, matched).mismatch, np.float32(1)))


def carry_over(fused: Fused, motion: Motion) -> Fused:
    """Warp J(t-1) to where things are in I(t); its `mismatch` tells how far to believe it."""
    carried = replace(fused, mismatch=motion.mismatch)
    if not motion.flow.any():
        return carried
    height, width = fused.sharpness.shape
    flow = _resized(motion.flow, (width, height))
    flow *= np.array([width, height], np.float32) / motion.mismatch.shape[::-1]
    grid = _grid(flow)

    def fetch(plane: NDArray[np.float32], how: int = cv2.INTER_LINEAR) -> NDArray[np.float32]:
        return cv2.remap(plane, *grid, how, borderMode=cv2.BORDER_REPLICATE)

    memory = fused.memory
    if memory is not None:
        halved = _resized(flow, memory.shape[1::-1]) * np.float32(0.5)
        memory = cv2.remap(
            memory, *_grid(halved), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return replace(
        carried,
        image=np.clip(fetch(fused.image, cv2.INTER_CUBIC), 0.0, 1.0),
        sharpness=np.where(flow.any(axis=2), np.float32(RESAMPLED), 1) * fetch(fused.sharpness),
        source_position=fetch(fused.source_position, cv2.INTER_NEAREST),
        memory=memory,
    )


def without_mismatches(fused: Fused, image: Image) -> Fused:
    """Put I(t), with sharpness 0, in the place of what cannot have been carried over."""
    if fused.mismatch is None:
        return fused
    # A few pixels amid others are matches or mismatches by chance.
    wrong = cv2.medianBlur((fused.mismatch > _LARGEST_MISMATCH).astype(np.uint8), 7)
    wrong = cv2.dilate(wrong, np.ones((5, 5), np.uint8))
    invalid = _resized(wrong.astype(np.float32), fused.sharpness.shape[::-1])
    return replace(
        fused,
        image=blend(fused.image, image, invalid),
        sharpness=fused.sharpness * (1 - invalid),
        mismatch=None,
    )


def _motion(now: Image, before: Image) -> NDArray[np.float32]:
    """Flow (h, w, 2): where each pixel of `now` lies in `before`, relative to it."""
    camera = _camera_motion(now, before)
    # With the camera's motion undone and both blurred alike, nothing but motion is left.
    local = _dense_flow(camera.alike.first, camera.alike.second)
    followed = _blurred_alike(now, _follow(before, _flow(camera.matrix, local))[0])
    moved = _moving_things(camera.alike.mismatch, followed.mismatch)
    if not moved.any():
        return _flow(camera.matrix, np.zeros_like(local))
    local += _dense_flow(followed.first, followed.second)
    share = cv2.GaussianBlur(moved.astype(np.float32), (0, 0), 1.5)
    return _flow(camera.matrix, local * share[..., None])


def _moving_things(
    mismatch: NDArray[np.float32], followed: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Where things move by themselves.

    Args:
        mismatch: (h, w) that the camera's motion leaves.
        followed: (h, w) that the local motion leaves.
    """
    better = (mismatch > _NOISE) & (followed < _BETTER * mismatch)
    better = cv2.medianBlur(better.astype(np.uint8), 5) > 0
    certain = cv2.medianBlur((better & (mismatch > _LARGEST_MISMATCH)).astype(np.uint8), 5) > 0
    # Things move as a whole: what is certain in a part holds for what hangs together with it.
    return ndimage.binary_propagation(certain, mask=better)


def _flow(matrix: NDArray[np.float64], local: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flow (h, w, 2) of following first `local`, then the similarity (2, 3)."""
    places = np.stack(_grid(np.zeros_like(local)), axis=2)
    return (cv2.transform(places + local, matrix) - places).astype(np.float32, copy=False)


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
        matrix: (2, 3), shift, rotation and scale from I(t) to J(t-1).
        alike: I(t), and J(t-1) so moved.
    """

    matrix: NDArray[np.float64]
    alike: "_Alike"

    @property
    def mismatch(self) -> float:
        return float(self.alike.mismatch.mean())

    @property
    def still(self) -> bool:
        height, width = self.alike.first.shape
        corners = np.array([[[0, 0]], [[width, 0]], [[0, height]], [[width, height]]], np.float64)
        return bool(np.abs(cv2.transform(corners, self.matrix) - corners).max() <= _STILL)


def _camera_motion(now: Image, before: Image) -> _Candidate:
    """What most of the picture does.

    It is looked for on copies of half the size first, from what the flow there agrees on or from
    standing still. Blur is easily mistaken for motion: what is found must explain the frame better
    than standing still does.
    """
    small, small_before = (
        cv2.resize(x, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for x in (now, before)
    )
    guesses = [np.eye(2, 3), _common_motion(_dense_flow(small, small_before), small)]
    starts = [_compared(small, small_before, guess) for guess in guesses]
    nearest = min(starts, key=lambda start: start.mismatch)
    nearest = _refined(small, small_before, nearest, _STEPS_SMALL)
    standing = _compared(now, before, np.eye(2, 3))
    if nearest.still:
        return standing
    found = _refined(now, before, _compared(now, before, _doubled(nearest.matrix)), _STEPS)
    if found.still or standing.mismatch < _WORTH_MOVING * found.mismatch:
        return standing
    return found


def _common_motion(flow: NDArray[np.float32], picture: Image) -> NDArray[np.float64]:
    """Shift, rotation and scale (2, 3) that most of a flow agrees on where there is texture.

    Found by RANSAC.
    """
    height, width = picture.shape
    texture = np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1))
    rows, columns = np.mgrid[4 : height - 4 : 4, 4 : width - 4 : 4]
    chosen = texture[rows, columns] >= np.median(texture[rows, columns])
    points = np.stack([columns[chosen], rows[chosen]], 1).astype(np.float32)
    moved = points + flow[rows[chosen], columns[chosen]]
    matrix, _ = cv2.estimateAffinePartial2D(points, moved, ransacReprojThreshold=0.7)
    return np.eye(2, 3) if matrix is None else matrix


def _doubled(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same motion (2, 3) on copies of twice the size."""
    # The centre of pixel x is at 2 x + 1/2 there.
    double = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    return (double @ np.vstack([matrix, (0, 0, 1)]) @ np.linalg.inv(double))[:2]


def _compared(now: Image, before: Image, matrix: NDArray[np.float64]) -> _Candidate:
    return _Candidate(matrix, _blurred_alike(now, _moved(before, matrix)))


def _moved(before: Image, matrix: NDArray[np.float64]) -> Image:
    return cv2.warpAffine(
        before,
        matrix,
        before.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32, copy=False)


def _refined(now: Image, before: Image, candidate: _Candidate, steps: int) -> _Candidate:
    """Move a candidate to where it fits best, by no more than so many Gauss-Newton steps.

    After Lucas and Kanade, 1981, between pictures that are blurred alike.
    """
    for _ in range(steps):
        step = np.vstack([_step(candidate.alike.first, candidate.alike.second), (0, 0, 1)])
        further = _compared(now, before, candidate.matrix @ step)
        gain = candidate.mismatch - further.mismatch
        if gain > 0:
            candidate = further
        if gain < _LEAST_GAIN * candidate.mismatch:
            break
    return candidate


def _step(now: Image, before: Image) -> NDArray[np.float64]:
    """Similarity (2, 3) that brings `before` nearer to `now`, from where they have edges."""
    mean = (now + before) / 2
    across, down = (cv2.Sobel(mean, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    strength = across * across + down * down
    # A sample tells what is strong.
    chosen = (strength > 0) & (strength >= np.quantile(strength[::3, ::3], 1 - _EDGES))
    if not chosen.any():
        return np.eye(2, 3)
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


def _blurred_alike(now: Image, before: Image) -> _Alike:
    """Blur one of the two around each pixel until they are as alike as they can be."""
    first, second = now.copy(), before.copy()
    least = cv2.blur(cv2.absdiff(now, before), (_WINDOW, _WINDOW))
    for sharp, soft, of_sharp, of_soft in (
        (now, before, first, second),
        (before, now, second, first),
    ):
        # A lens blurs light, not encoded values; their square is near enough to it, and fast.
        light = sharp * sharp
        for sigma in _BLURS:
            blurred = cv2.sqrt(cv2.GaussianBlur(light, (0, 0), sigma))
            difference = cv2.blur(cv2.absdiff(blurred, soft), (_WINDOW, _WINDOW))
            better = cv2.compare(difference, least, cv2.CMP_LT)
            cv2.copyTo(blurred, better, of_sharp)
            cv2.copyTo(soft, better, of_soft)
            cv2.copyTo(difference, better, least)
    return _Alike(first, second, least)


def _grid(flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    height, width = flow.shape[:2]
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    return right + flow[..., 0], down + flow[..., 1]


def _follow(before: Image, flow: NDArray[np.float32]) -> tuple[Image, NDArray[np.bool_]]:
    """Fetch `before` along the flow, and where it lies inside the picture."""
    x, y = _grid(flow)
    height, width = before.shape
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    fetched = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return fetched, inside


def _resized(plane: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    if plane.shape[1::-1] == tuple(size):
        return plane.copy()
    return cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _small(gray: Image, size: tuple[int, int]) -> Image:
    if gray.shape == size[::-1]:
        return gray
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
