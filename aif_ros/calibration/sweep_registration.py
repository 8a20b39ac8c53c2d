"""Registering the images of a calibration, whose magnification is to be measured.

A stack that is to be fused is registered by the simplest motion that explains it (see
`fusion.motion.stack_registration`): motion that is not significant counts as none. A measurement
must be unbiased instead: here each image is registered to the one before by the transform of the
highest correlation: Evangelidis & Psarakis, "Parametric Image Alignment Using Enhanced Correlation
Coefficient Maximization", PAMI 2008. What differences of blur add to it is
subtracted later (see `sweep_calibration`).
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice, downscaled_transform
from aif_ros.fusion.motion.ecc import maximise_correlation
from aif_ros.fusion.motion.geometry import Transform, largest_displacement, scaling
from aif_ros.types.image import Image

_SIDES = (160, 480, 1440)
"""Longer sides of the images that are registered, coarse to fine, pixels."""
_LARGEST_MOVE = 0.2
"""Share of the image's size; more is no breathing or drift, but a failed registration."""


def register_sweep(images: Sequence[Image]) -> list[Transform]:
    """Register the images of a sweep.

    Args:
        images: in focus order, (H, W) float32 in [0, 1], at least one, all of one size.

    Returns:
        For each image the transform from the reference's coordinates to its own. The reference
        is the image with the narrowest view: the others cover it.
    """
    chained = [np.eye(3)]
    height, width = images[0].shape
    levels = [[DownscaledSlice.of(image, None, side) for side in _SIDES] for image in images]
    for first, second in pairwise(levels):
        chained.append(_between(first, second, (height, width)) @ chained[-1])
    # `chained` maps the first image's coordinates: the narrowest view is the most magnified.
    scales = [float(np.sqrt(abs(np.linalg.det(transform[:2, :2])))) for transform in chained]
    reference = np.linalg.inv(chained[int(np.argmax(scales))])
    return [transform @ reference for transform in chained]


def _between(
    first: Sequence[DownscaledSlice], second: Sequence[DownscaledSlice], shape: tuple[int, int]
) -> Transform:
    """Transform from the coordinates of one image of that shape to those of the next."""
    transform: Transform = np.eye(3)
    for one, other in zip(first, second, strict=True):
        try:
            warp = maximise_correlation(
                one, other, downscaled_transform(one, transform, shape[::-1])
            )
        except cv2.error:
            # No structure (a flat or very blurred image): keep what is known.
            continue
        scale = scaling(shape, one.image.shape)
        found = np.linalg.inv(scale) @ np.vstack([warp, [0.0, 0.0, 1.0]]) @ scale
        if largest_displacement(found, np.eye(3), shape) < _LARGEST_MOVE * max(shape):
            transform = np.asarray(found, np.float64)
    return transform
