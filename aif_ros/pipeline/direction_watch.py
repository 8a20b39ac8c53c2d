"""Notices a lens that travels the other way than its calibration says.

Focus breathing shows it: between two lens positions the image grows by a known factor, or shrinks
by it if the motor counts the other way. A lens without breathing gives no sign; there the direction
only matters for distances of objects (`LensModel.object_distances`).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.breathing import magnify
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import Frame
from aif_ros.types.image import Image, to_float, to_gray
from aif_ros.types.resizing import downscale_to_side


@dataclass(frozen=True)
class DirectionSettings:
    """When two images show the direction of the lens. Chosen by hand.

    Attributes:
        side: longer side of the images that are compared, pixels.
        visible: pixels by which their corners must move from one lens position to the other: wrong
            by twice as much, textures of that size no longer match.
        detail: standard deviations between which detail is compared, pixels: finer detail is lost
            to the blur of one of the images, coarser detail matches in any case.
        margin: difference of correlation that decides; noise and blur give less than 0.01.
        least_correlation: below it the images do not show the same.
        votes: pairs of images that must agree.
    """

    side: int = 320
    visible: float = 3.0
    detail: tuple[float, float] = (2.0, 8.0)
    margin: float = 0.03
    least_correlation: float = 0.5
    votes: int = 2


SETTINGS = DirectionSettings()


class DirectionWatch:
    """Compares frames at distant lens positions with what the calibration says of their growth.

    Args:
        lens_model: of the lens.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self._first: tuple[float, Image] | None = None
        self._votes = 0

    @property
    def fault(self) -> str:
        """What is wrong and what to do; empty: nothing is known to be wrong."""
        if self._votes < SETTINGS.votes:
            return ""
        return (
            "the image grows where the calibration says that it shrinks: the motor counts in the "
            "other direction than when it was calibrated. Change the sign of metres_per_unit in "
            "the URI of the lens, or calibrate again"
        )

    def add(self, frame: Frame) -> None:
        """Take in a frame captured with the lens at rest."""
        if abs(self._votes) >= SETTINGS.votes or not self._lens_model.breathing_per_metre:
            return
        small = downscale_to_side(to_gray(to_float(frame.image)), SETTINGS.side)
        if self._first is None or self._first[1].shape != small.shape:
            self._first = (frame.position, small)
            return
        position, first = self._first
        low, high = self._lens_model.limits
        if not (low <= position <= high and low <= frame.position <= high):
            return
        growth = self._lens_model.magnification(frame.position) / self._lens_model.magnification(
            position
        )
        if abs(math.log(growth)) * 0.5 * math.hypot(*small.shape) < SETTINGS.visible:
            return
        as_calibrated, still, inverted = (
            _correlation(first, small, scale) for scale in (growth, 1.0, 1 / growth)
        )
        best = max(as_calibrated, inverted)
        if (
            best < max(SETTINGS.least_correlation, still)
            or abs(as_calibrated - inverted) < SETTINGS.margin
        ):
            return
        self._votes += 1 if inverted > as_calibrated else -1


def _correlation(first: Image, second: Image, growth: float) -> float:
    """Correlation of two images, the second magnified by `growth` and shifted."""
    # Each is magnified, never reduced: a reduced one has no borders.
    first = magnify(first, max(growth, 1.0))
    second = magnify(second, max(1 / growth, 1.0))
    a, b = (_detail(image) for image in (first, second))
    (x, y), _ = cv2.phaseCorrelate(a, b, cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F))
    rows, columns = a.shape
    moved = cv2.warpAffine(
        b,
        np.array([[1.0, 0.0, x], [0.0, 1.0, y]]),
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    inner = slice(rows // 8, -(rows // 8)), slice(columns // 8, -(columns // 8))
    return _alike(a[inner], np.asarray(moved[inner], np.float32))


def _detail(image: Image) -> NDArray[np.float32]:
    fine, coarse = (cv2.GaussianBlur(image, (0, 0), sigma) for sigma in SETTINGS.detail)
    return np.asarray(fine - coarse, np.float32)


def _alike(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    a, b = first - first.mean(), second - second.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / length if length > 0 else 0.0
