"""Fusing the slices of a focal stack from disk: read, register, merge."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.image_files.samples import Picture
from aif_ros.devices.image_files.slices import Slices
from aif_ros.fusion.fuser import make_method
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.stack_registration import Transform, register
from aif_ros.fusion.stack_fuser import StackFuser

# Longer side of the copies registered for a preview, pixels: a third of those for a result.
_PREVIEW_SIDE = 480

Track = Callable[[Iterable[Picture], str], Iterable[Picture]]
"""Passes pictures on and shows the progress of what is done with them."""


@dataclass(frozen=True)
class FusedStack:
    """What came of a stack.

    Attributes:
        fused: the fused image; its source positions are the indices of the slices.
        transforms: from the coordinates of the fused image to those of each slice.
        deep: whether any slice has 16 bits.
    """

    fused: Fused
    transforms: Sequence[Transform]
    deep: bool


def fuse_stack(
    slices: Slices,
    method: str,
    *,
    align: bool = True,
    reduction: int = 1,
    device: str = "cpu",
    track: Track = lambda pictures, doing: pictures,
) -> FusedStack:
    """Fuse a stack; slices are read twice, once to register and once to merge them.

    Args:
        slices: in focus order.
        method: name of the fusion method, see `make_method`.
        align: whether to register the slices.
        reduction: 1, 2 or 4: the slices are made smaller by it.
        device: that networks are computed on: auto, cpu or cuda.
        track: shows the progress.

    Raises:
        DeviceError: a slice cannot be read, or differs from the first one in shape.
    """
    count = len(slices)
    transforms: Sequence[Transform] = [np.eye(3)] * count
    if align and count > 1:
        pictures = track(_read_ahead(slices, mono=True, reduction=reduction), "registering")
        transforms = _registered(pictures) if reduction == 1 else _registered_roughly(pictures)
    fuser, deep = StackFuser(make_method(method, device)), False
    pictures = _read_ahead(slices, mono=False, reduction=reduction)
    for index, picture in enumerate(track(pictures, "fusing")):
        # The index stands for the lens position, which files mostly do not give.
        fuser.add(picture.pixels, transforms[index], float(index))
        deep = deep or picture.pixels.dtype == np.uint16
    assert fuser.fused is not None
    return FusedStack(fuser.fused, transforms, deep)


def _registered(pictures: Iterable[Picture]) -> Sequence[Transform]:
    return register(picture.pixels for picture in pictures)


def _registered_roughly(pictures: Iterable[Picture]) -> Sequence[Transform]:
    """Register small copies, nine times faster: about one pixel of a preview is good enough."""
    factors = []

    def small() -> Iterator[NDArray[Any]]:
        for picture in pictures:
            height, width = picture.pixels.shape[:2]
            factor = min(1.0, _PREVIEW_SIDE / max(height, width))
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            factors.append(np.diag([size[0] / width, size[1] / height, 1.0]))
            yield cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA)

    transforms = register(small())
    return [
        np.linalg.inv(scale) @ transform @ scale
        for scale, transform in zip(factors, transforms, strict=True)
    ]


def _read_ahead(slices: Slices, *, mono: bool, reduction: int) -> Iterator[Picture]:
    """Read each slice while the one before is worked on."""
    with ThreadPoolExecutor(1) as reader:

        def read(index: int) -> Picture:
            return slices.read(index, mono=mono, reduction=reduction)

        coming = reader.submit(read, 0)
        for index in range(len(slices)):
            picture = coming.result()
            if index + 1 < len(slices):
                coming = reader.submit(read, index + 1)
            yield picture


@dataclass(frozen=True)
class Registration:
    """How far the slices were apart.

    Attributes:
        shifts: (x, y) by which the middle of each slice is displaced, pixels.
        magnifications: of each slice, against the fused image.
        rotations: of each slice, degrees.
    """

    shifts: Sequence[tuple[float, float]]
    magnifications: Sequence[float]
    rotations: Sequence[float]

    def __str__(self) -> str:
        furthest = max(math.hypot(*shift) for shift in self.shifts)
        low, high = min(self.magnifications), max(self.magnifications)
        turned = max(map(abs, self.rotations))
        return (
            f"shifts up to {furthest:.1f} px, magnification {low:.4f} to {high:.4f}, "
            f"rotation up to {turned:.2f} degrees"
        )


def describe_registration(transforms: Sequence[Transform], size: tuple[int, int]) -> Registration:
    """Express transforms in terms people know.

    Args:
        transforms: from the coordinates of the fused image to those of each slice.
        size: (width, height) of the fused image.
    """
    centre = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2, 1.0])
    shifts, magnifications, rotations = [], [], []
    for transform in transforms:
        x, y, _ = transform @ centre - centre
        shifts.append((float(x), float(y)))
        magnifications.append(float(np.sqrt(abs(np.linalg.det(transform[:2, :2])))))
        sine = transform[1, 0] - transform[0, 1]
        rotations.append(math.degrees(math.atan2(sine, transform[0, 0] + transform[1, 1])))
    return Registration(shifts, magnifications, rotations)
