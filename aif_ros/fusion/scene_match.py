"""Slices that show another scene than the rest of their stack.

Defocus changes fine detail; structure of a fortieth of the image stays where it is. Neighbouring
slices of one scene, registered, correlate in it by 0.9 or more, other photographs hardly at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.stack_registration import SliceCopy, maximise_correlation
from aif_ros.types.image import Image, to_float, to_gray

SIDE = 160
"""Longer side of the copies that are compared, pixels."""
# Structure that is compared: Gaussian standard deviations, pixels of the copies. Noise lies below
# it, uneven light above.
_FINE, _COARSE = 2.0, 8.0
# Correlation from which on two slices show the same. Of the photographs and stacks that this was
# tried on, different ones reached 0.3, neighbouring slices 0.95 at least.
_SAME = 0.45
# A slice with less structure than this share of the median is too blurred or too dark to be judged,
# and adds little; nor is one judged with less than a tenth of an 8-bit step.
_JUDGED, _LEAST_CONTRAST = 0.3, 4e-4
# Groups whose latest slice is compared with a new one.
_GROUPS = 3


@dataclass(frozen=True)
class SceneMatch:
    """Which slices of a stack show the same.

    Attributes:
        foreign: indices of the slices that show another scene than most; in ascending order.
        undecided: whether no scene has the majority: no slice is known to be foreign then.
    """

    foreign: Sequence[int] = ()
    undecided: bool = False


def scene_copy(pixels: NDArray[np.generic], valid: NDArray[np.bool_] | None = None) -> SliceCopy:
    """Return the small copy of a slice that `match_scenes` takes.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
        valid: (H, W), pixels that hold data; None: all.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return SliceCopy.of(to_gray(to_float(small)), valid, SIDE)


def match_scenes(copies: Sequence[SliceCopy]) -> SceneMatch:
    """Group the slices of a stack by the scene that they show."""
    structures = [_structure(copy.image) for copy in copies]
    contrasts = np.array([structure.std() for structure in structures])
    least = max(_LEAST_CONTRAST, _JUDGED * float(np.median(contrasts, axis=0)))
    judged = [index for index, contrast in enumerate(contrasts) if contrast >= least]
    if len(judged) < 2:
        return SceneMatch()
    groups: list[list[int]] = []
    for index in judged:
        latest = sorted(groups, key=lambda group: group[-1], reverse=True)[:_GROUPS]
        # The largest is where a slice belongs that follows a foreign one.
        latest += [group for group in [max(groups, key=len, default=[])] if group]
        for group in latest:
            if _alike(copies[group[-1]], copies[index], structures[group[-1]], structures[index]):
                group.append(index)
                break
        else:
            groups.append([index])
    main = max(groups, key=len)
    if 2 * len(main) <= len(judged):
        return SceneMatch(undecided=True)
    return SceneMatch([index for index in judged if index not in main])


def _structure(image: Image) -> Image:
    fine, coarse = (cv2.GaussianBlur(image, (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return np.asarray(fine - coarse)


def _alike(first: SliceCopy, second: SliceCopy, structure: Image, other: Image) -> bool:
    """Whether two slices show the same, where they are or after registration."""
    identity = np.eye(2, 3, dtype=np.float32)
    if _correlation(first, second, structure, other, identity) >= _SAME:
        return True
    try:
        _, transform = maximise_correlation(first, second, identity)
    except cv2.error:
        return False
    return _correlation(first, second, structure, other, transform) >= _SAME


def _correlation(
    first: SliceCopy,
    second: SliceCopy,
    structure: Image,
    other: Image,
    transform: NDArray[np.float32],
) -> float:
    """Correlation of two structures where both slices hold data, the second one moved."""
    rows, columns = structure.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(other, transform, (columns, rows), flags=flags)
    held = np.ones(other.shape, np.uint8) if second.valid is None else second.valid
    common = cv2.warpAffine(
        held, transform, (columns, rows), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    where = common > 0 if first.valid is None else (common > 0) & (first.valid > 0)
    if where.mean() < 0.25:
        return 0.0
    a, b = structure[where], moved[where]
    a, b = a - a.mean(), b - b.mean()
    energy = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / energy if energy > 0 else 0.0
