"""Transforms of the slices of a stack as shifts, magnifications and rotations, for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aif_ros.fusion.motion.geometry import Transform


@dataclass(frozen=True)
class Registration:
    """Displacements between the slices.

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
    """Convert transforms to shifts, magnifications and rotations.

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
