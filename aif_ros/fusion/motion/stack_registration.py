"""Registering the slices of a focal stack without a calibration.

Neighbouring slices are blurred alike, so each is compared with the one before (see
`pair_registration`), the simplest motion that explains them is chosen (see `motion_choice`), and
the transforms are chained. The errors of a chain add up: in long stacks every 16th slice is also
compared with the one 16 before, and every 128th with the one 128 before. What these agree on
replaces the chain, whose slices in between share the correction.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.block_equations import BlockEquations
from aif_ros.fusion.motion.geometry import Transform
from aif_ros.fusion.motion.motion_choice import choose_motions, significant_motion
from aif_ros.fusion.motion.motion_parameters import motion_matrix, motion_parameters
from aif_ros.fusion.motion.pair_registration import register_pair, register_pair_from
from aif_ros.fusion.motion.slice_pyramid import SlicePyramid
from aif_ros.types.image import to_gray

_AT_ONCE = 2
"""Pairs of slices that are compared at the same time; chosen by hand."""
_SPANS = (16, 128)
"""Slices that are compared directly lie this many apart; chosen by hand."""
_LARGEST_CORRECTION = 0.005
"""A direct comparison corrects a chain by no more than this share of the image's size; chosen by
hand."""


def register(
    slices: Iterable[NDArray[Any] | tuple[NDArray[Any], NDArray[np.bool_] | None]],
    largest_side: int | None = None,
) -> list[Transform]:
    """Register a stack.

    Args:
        slices: in focus order, (H, W) or (H, W, 3), uint8, uint16 or float32, all of one size;
            of each only downscaled images are kept, and not for long. With a mask (H, W): the
            pixels that hold data; what lies under the others must be smooth, and is not registered.
        largest_side: longer side of the downscaled images that are registered, at most, pixels;
            None: 1440.

    Returns:
        For each slice the transform from the reference's coordinates to its own. The reference
        is the slice with the narrowest view: the others cover it.
    """
    steps: list[Future[BlockEquations]] = []
    anchors: dict[int, SlicePyramid] = {}
    earlier: SlicePyramid | None = None
    count = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for each in slices:
            image, valid = each if isinstance(each, tuple) else (each, None)
            pyramid = SlicePyramid.of(to_gray(image), valid, largest_side)
            if earlier is not None:
                steps.append(pool.submit(register_pair, earlier, pyramid))
            earlier = pyramid
            if count % _SPANS[0] == 0:
                anchors[count] = pyramid
            count += 1
            # Slices may come faster than they are compared.
            wait(steps[-2 * _AT_ONCE : -_AT_ONCE])
    chained = [np.eye(3)]
    if earlier is None or not steps:
        return chained[:count]
    for motion in choose_motions([step.result() for step in steps]):
        chained.append(motion_matrix(motion, earlier.shape) @ chained[-1])
    anchors[count - 1] = earlier
    for span in _SPANS:
        _anchor(chained, anchors, span)
    # `chained` maps the first slice's coordinates: the narrowest view is the most magnified.
    scales = [float(np.sqrt(abs(np.linalg.det(transform[:2, :2])))) for transform in chained]
    reference = np.linalg.inv(chained[int(np.argmax(scales))])
    return [transform @ reference for transform in chained]


def _anchor(chained: list[Transform], anchors: Mapping[int, SlicePyramid], span: int) -> None:
    """Correct a chain of transforms by comparing slices directly that lie `span` apart."""
    for first in range(0, len(chained) - span, span):
        last = min(first + span, len(chained) - 1)
        between = chained[last] @ np.linalg.inv(chained[first])
        direct = _direct(anchors[first], anchors[last], between)
        correction = direct @ chained[first] @ np.linalg.inv(chained[last])
        for index in range(first + 1, len(chained)):
            share = min(1.0, (index - first) / (last - first))
            # Corrections are small: their shares may be interpolated linearly.
            chained[index] = (np.eye(3) + share * (correction - np.eye(3))) @ chained[index]


def _direct(first: SlicePyramid, second: SlicePyramid, chained: Transform) -> Transform:
    """Improve the transform between two slices, as far as a change is significant."""
    known = motion_parameters(chained, first.shape)
    change = significant_motion(register_pair_from(first, second, chained).relative_to(known))
    if np.abs(change).max() > _LARGEST_CORRECTION * max(first.shape):
        return chained
    return motion_matrix(known + change, first.shape)
