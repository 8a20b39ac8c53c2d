"""Planes of known blur to measure an estimator with, made from sharp photos and drawings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aif_ros.simulation.conditions import CONDITIONS, Condition
from aif_ros.simulation.patches import CELL, Defocus, Patch, draw_crop
from aif_ros.simulation.photos import PhotosError
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.types.image import DISPLAY_GAMMA, Image

_SCALES = (0.4, 0.75)
"""Sizes that photos are reduced to, shares of their own; within those of training patches."""


@dataclass(frozen=True)
class DefocusedPlane:
    """The light of one defocused plane, to be photographed by any camera.

    Attributes:
        light: (H, W) float32, linear.
        radius: blur radius, pixels.
        weight: (H / 64, W / 64) float32, trust in each cell, as in `Patch`.
    """

    light: Image
    radius: float
    weight: NDArray[np.float32]

    def photograph(self, camera: SensorModel, random: np.random.Generator) -> Patch:
        """Take an image of it."""
        radius = np.full(self.weight.shape, self.radius, np.float32)
        return Patch(camera.capture(self.light, random), radius, self.weight, True)


def draw_planes(
    photos: Sequence[NDArray[np.uint8]],
    radii: Iterable[float],
    size: int,
    random: np.random.Generator,
    condition: Condition = CONDITIONS["standard"],
) -> list[DefocusedPlane]:
    """Make planes to measure with, one of each radius, from the photos in turn.

    Most of their texture is sharp before it is blurred.

    Args:
        photos: (H, W, 3) uint8 each.
        radii: blur radii, pixels; those of the planes may differ near focus, where a lens with
            aberrations blurs more.
        size: side of a plane, pixels.
        random: source of randomness.
        condition: lens and subject.

    Raises:
        PhotosError: hardly any of the photos is sharp and large enough.
    """
    usable = [photo for photo in photos if min(photo.shape[:2]) >= size]
    planes: list[DefocusedPlane] = []
    turn, failures = 0, 0
    for radius in radii:
        crop = condition.draw(size, random)
        weight = np.ones((size // CELL, size // CELL), np.float32)
        while crop is None:
            if not usable or failures > 20 * (len(planes) + len(usable)):
                raise PhotosError(
                    f"too few of these photos are sharp and at least {size} px high and wide"
                )
            photo = usable[turn % len(usable)]
            drawn = draw_crop(photo, size, random, _SCALES, least_sharp=0.5)
            turn += 1
            failures += drawn is None
            if drawn is not None:
                crop, weight = drawn
        defocus = condition.scale * float(radius)
        light = Defocus(condition.faded(crop), DISPLAY_GAMMA, defocus)(defocus, condition.spread)
        planes.append(
            DefocusedPlane(np.maximum(light, 0), condition.blur_radius(float(radius)), weight)
        )
    return planes
