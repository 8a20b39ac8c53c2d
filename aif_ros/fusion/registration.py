"""Registering the slices of a focal stack that nobody has calibrated.

Neighbouring slices are blurred alike, so each is registered to the one before and the transforms
are chained. The correlation that is maximised does not depend on brightness or contrast:
Evangelidis & Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient
Maximization", PAMI 2008 (OpenCV's `findTransformECC`).
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.images import Image, to_gray

Transform = NDArray[np.float64]
"""(3, 3): pixel coordinates (x, y, 1) of one slice to those of another."""

# Registration works on copies no larger than this on their longer side, coarse to fine.
_SIDES = (160, 480, 1440)
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
# Transforms that move no corner by more than this, pixels, are not worth a resampling.
_NEGLIGIBLE = 0.2
# More than this share of the picture's size is no drift, but a registration gone astray.
_LARGEST_MOVE = 0.2


def register(slices: Iterable[Image]) -> list[Transform]:
    """Register a stack.

    Args:
        slices: in focus order, (H, W) or (H, W, 3), float32 in [0, 1], all of one size; only two
            are held at a time.

    Returns:
        For each slice the transform from the reference's coordinates to its own. The reference
        is the slice with the narrowest view: the others cover it.
    """
    chained: list[Transform] = []
    earlier: list[Image] = []
    for image in slices:
        pyramid = [_shrunk(to_gray(image), side) for side in _SIDES]
        size = (image.shape[1], image.shape[0])
        step = _between(earlier, pyramid, size) if earlier else np.eye(3)
        chained.append(step @ chained[-1] if chained else np.eye(3))
        earlier = pyramid
    # `chained` maps the first slice's coordinates: the narrowest view is the most magnified.
    scales = [float(np.sqrt(abs(np.linalg.det(transform[:2, :2])))) for transform in chained]
    reference = np.linalg.inv(chained[int(np.argmax(scales))])
    return [transform @ reference for transform in chained]


def resample(image: Image, transform: Transform) -> Image:
    """Bring a slice into the reference's geometry, same size; what it does not show is mirrored."""
    height, width = image.shape[:2]
    if _largest_move(transform, (width, height)) < _NEGLIGIBLE:
        return image
    warped = cv2.warpAffine(
        image,
        transform[:2],
        (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.clip(warped, 0.0, 1.0, out=warped)


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


def _shrunk(gray: Image, side: int) -> Image:
    scale = side / max(gray.shape)
    if scale >= 1.0:
        return gray
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
