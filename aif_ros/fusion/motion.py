"""Carrying J(t-1) over to where things are in I(t).

The two are blurred in different places, so neither the search for motion nor the check of what was
found may mistake blur for motion: a match is good if one of the two, blurred by some amount, is
what the other shows. How badly they match is told to the fusion method: what has no match has no
place in J(t), there the current frame wins.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

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
# Local motion must explain the frame so much better than the camera's to be believed.
_BETTER = 0.7
# Smaller images have nothing to hold on to.
_SMALLEST = 32
# Motion of less than this, pixels of the copies, is error of measurement.
_STILL = 0.15
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
        return Motion(np.zeros((*now.shape, 2), np.float32), _mismatch(now, earlier))
    flow = _motion(now, earlier)
    matched, inside = _follow(earlier, flow)
    return Motion(flow, np.where(inside, _mismatch(now, matched), np.float32(1)))


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
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = (
        np.round(255 * np.clip(cv2.GaussianBlur(picture, (0, 0), _SEARCH_SIGMA), 0, 1))
        for picture in (now, before)
    )
    local = search.calc(first.astype(np.uint8), second.astype(np.uint8), None)
    camera = _camera_motion(local, first)
    if camera is None:
        return local
    mismatch_local = _mismatch(now, _follow(before, local)[0])
    mismatch_camera = _mismatch(now, _follow(before, camera)[0])
    moved = (mismatch_local < _BETTER * mismatch_camera).astype(np.float32)
    moved = (mismatch_camera > _LARGEST_MISMATCH / 3) * moved
    moved = cv2.GaussianBlur(cv2.medianBlur(moved, 5), (0, 0), 1.5)[..., None]
    return (camera + moved * (local - camera)).astype(np.float32)


def _camera_motion(flow: NDArray[np.float32], picture: Image) -> NDArray[np.float32] | None:
    """Flow of the whole picture by shift, rotation and scale; None if most of it does not fit.

    Found by RANSAC from the flow at the places with the most texture.
    """
    height, width = picture.shape
    texture = np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1))
    rows, columns = np.mgrid[4 : height - 4 : 4, 4 : width - 4 : 4]
    chosen = texture[rows, columns] >= np.median(texture[rows, columns])
    points = np.stack([columns[chosen], rows[chosen]], 1).astype(np.float32)
    moved = points + flow[rows[chosen], columns[chosen]]
    matrix, agree = cv2.estimateAffinePartial2D(points, moved, ransacReprojThreshold=0.7)
    if matrix is None or agree.mean() < 0.3:
        return None
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    x = matrix[0, 0] * right + matrix[0, 1] * down + matrix[0, 2] - right
    y = matrix[1, 0] * right + matrix[1, 1] * down + matrix[1, 2] - down
    flow = np.stack([x, y], 2).astype(np.float32)
    return flow if np.abs(flow).max() > _STILL else np.zeros_like(flow)


def _mismatch(now: Image, before: Image) -> NDArray[np.float32]:
    """Mean difference (h, w) around each pixel that no blur of one of the two explains."""
    least = cv2.blur(np.abs(now - before), (_WINDOW, _WINDOW))
    # A lens blurs light, not encoded values; their square is near enough to it, and fast.
    for sharp, soft in ((now, before), (before, now)):
        light = sharp * sharp
        for sigma in _BLURS:
            blurred = cv2.sqrt(cv2.GaussianBlur(light, (0, 0), sigma))
            difference = cv2.blur(np.abs(blurred - soft), (_WINDOW, _WINDOW))
            least = np.minimum(least, difference)
    return least


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
