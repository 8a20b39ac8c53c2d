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

from aif_ros.fusion.motion.geometry import Transform
from aif_ros.fusion.motion.motion_choice import choose_motions, significant_motion
from aif_ros.fusion.motion.motion_evidence import (
    Evidence,
    motion_matrix,
    motion_parameters,
)
from aif_ros.fusion.motion.pair_registration import SliceCopies, compare, compare_from
from aif_ros.types.image import to_gray

# Pairs of slices that are compared at the same time.
_AT_ONCE = 2
# Slices that are compared directly lie this many apart.
_SPANS = (16, 128)
# A direct comparison corrects a chain by no more than this share of the image's size.
_LARGEST_CORRECTION = 0.005


def register(
    slices: Iterable[NDArray[Any] | tuple[NDArray[Any], NDArray[np.bool_] | None]],
    largest_side: int | None = None,
) -> list[Transform]:
    """Register a stack.

    Args:
        slices: in focus order, (H, W) or (H, W, 3), uint8, uint16 or float32, all of one size;
            of each only small copies are kept, and not for long. With a mask (H, W): the pixels
            that hold data; what lies under the others must be smooth, and is not registered.
        largest_side: longer side of the copies that are registered, at most, pixels; None: as
            large as is worth it.

    Returns:
        For each slice the transform from the reference's coordinates to its own. The reference
        is the slice with the narrowest view: the others cover it.
    """
    steps: list[Future[Evidence]] = []
    anchors: dict[int, SliceCopies] = {}
    earlier: SliceCopies | None = None
    count = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for each in slices:
            image, valid = each if isinstance(each, tuple) else (each, None)
            copies = SliceCopies.of(to_gray(image), valid, largest_side)
            if earlier is not None:
                steps.append(pool.submit(compare, earlier, copies))
            earlier = copies
            if count % _SPANS[0] == 0:
                anchors[count] = copies
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


def _anchor(chained: list[Transform], anchors: Mapping[int, SliceCopies], span: int) -> None:
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


def _direct(first: SliceCopies, second: SliceCopies, chained: Transform) -> Transform:
    """Improve the transform between two slices, as far as they clearly ask for it."""
    known = motion_parameters(chained, first.shape)
    change = significant_motion(compare_from(first, second, chained).beyond(known))
    if np.abs(change).max() > _LARGEST_CORRECTION * max(first.shape):
        return chained
    return motion_matrix(known + change, first.shape)
