"""Registering the slices of a focal stack that nobody has calibrated.

Neighbouring slices are blurred alike, so each is registered to the one before and the transforms
are chained. The correlation that is maximised does not depend on brightness or contrast:
Evangelidis & Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient
Maximization", PAMI 2008 (OpenCV's `findTransformECC`).
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.tiles import WHOLE, Place
from aif_ros.types.image import Image, to_gray

Transform = NDArray[np.float64]
"""(3, 3): pixel coordinates (x, y, 1) of one slice to those of another."""

# Registration works on copies no larger than this on their longer side, coarse to fine.
_SIDES = (160, 480, 1440)
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
# Transforms that move no corner by more than this, pixels, are not worth a resampling; in large
# pictures the registration itself is a few tenths out.
_NEGLIGIBLE = 0.3
# Pairs of slices that are registered at the same time.
_AT_ONCE = 2
# More than this share of the picture's size is no drift, but a registration gone astray.
_LARGEST_MOVE = 0.2


def register(slices: Iterable[NDArray[Any]]) -> list[Transform]:
    """Register a stack.

    Args:
        slices: in focus order, (H, W) or (H, W, 3), uint8, uint16 or float32, all of one size;
            of each only small copies are kept, and not for long.

    Returns:
        For each slice the transform from the reference's coordinates to its own. The reference
        is the slice with the narrowest view: the others cover it.
    """
    steps: list[Future[Transform]] = []
    earlier: list[Image] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for image in slices:
            pyramid = [_shrunk(to_gray(image), side) for side in _SIDES]
            size = (image.shape[1], image.shape[0])
            if earlier:
                steps.append(pool.submit(_between, earlier, pyramid, size))
            earlier = pyramid
            # Slices may come faster than they are registered.
            wait(steps[-2 * _AT_ONCE : -_AT_ONCE])
    chained = [np.eye(3)]
    for step in steps:
        chained.append(step.result() @ chained[-1])
    # `chained` maps the first slice's coordinates: the narrowest view is the most magnified.
    scales = [float(np.sqrt(abs(np.linalg.det(transform[:2, :2])))) for transform in chained]
    reference = np.linalg.inv(chained[int(np.argmax(scales))])
    return [transform @ reference for transform in chained]


def resample(image: NDArray[Any], transform: Transform, place: Place = WHOLE) -> NDArray[Any]:
    """Bring a slice into the reference's geometry; what it does not show is mirrored.

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16, or float32 in [0, 1].
        transform: from the reference's coordinates to the slice's.
        place: the part of the reference that is wanted.

    Returns:
        That part, of the slice's type; a view where nothing has moved.
    """
    height, width = image.shape[:2]
    if _largest_move(transform, (width, height)) < _NEGLIGIBLE:
        return image if place is WHOLE else image[place]
    (top, bottom, _), (left, right, _) = place[0].indices(height), place[1].indices(width)
    moved = transform @ np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
    warped = cv2.warpAffine(
        image,
        moved[:2],
        (right - left, bottom - top),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.clip(warped, 0.0, 1.0, out=warped) if warped.dtype == np.float32 else warped


def _between(earlier: Sequence[Image], later: Sequence[Image], size: tuple[int, int]) -> Transform:
    """Transform from the earlier slice's coordinates to the later one's, full-size pixels."""
    transform = np.eye(3)
    for first, second in zip(earlier, later, strict=True):
        scale = np.diag([first.shape[1] / size[0], first.shape[0] / size[1], 1.0])
        start = (scale @ transform @ np.linalg.inv(scale))[:2].astype(np.float32)
        try:
            _, found = cv2.findTransformECC(
                first, second, start, cv2.MOTION_AFFINE, _CRITERIA, None, 5
            )
        except cv2.error:
            # Nothing to hold on to (a flat or very blurred slice): keep what is known.
            continue
        found = np.linalg.inv(scale) @ np.vstack([found, [0.0, 0.0, 1.0]]) @ scale
        if _largest_move(found, size) < _LARGEST_MOVE * max(size):
            transform = found
    return transform


def _largest_move(transform: Transform, size: tuple[int, int]) -> float:
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    moved = corners @ transform.T
    return float(np.hypot(*(moved - corners)[:, :2].T).max())


def _shrunk(gray: NDArray[Any], side: int) -> Image:
    scale = side / max(gray.shape)
    if scale >= 1.0:
        return gray.astype(np.float32, copy=False)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
