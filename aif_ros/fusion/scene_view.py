"""What a slice or frame shows, and whether another one shows the same.

Defocus changes fine detail; structure of a fortieth of the image stays where it is. Slices of one
scene, registered, correlate in it by 0.7 or more if the sharper one is blurred as the other is,
other photographs hardly at all.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blur_equalization import BlurSeries, blur_candidates, box_blur
from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice
from aif_ros.fusion.motion.ecc import maximise_correlation
from aif_ros.fusion.motion.photo_consistency import SIDE
from aif_ros.types.image import Image, to_float, to_gray
from aif_ros.types.resizing import downscale_to_side


@dataclass(frozen=True)
class SceneSettings:
    """When two slices show the same scene, and when one shows nothing.

    Lengths are pixels of images whose longer side is `SIDE`. Chosen by hand, unless a line gives
    another source.

    Attributes:
        fine: standard deviation of the Gaussian below which structure is not compared: noise.
        coarse: the same above which it is not compared: uneven light.
        box_sides: of the box filters by which the sharper of two slices is blurred.
        correlation: from which on two slices show the same. Of 24 photographs, different ones
            reached 0.3 in one of a hundred pairs, and 0.5 at most; one in focus and out of it, by
            disks of up to 16 px, 0.67 at least; planes of white noise, of which each slice shows
            another one in focus, 0.39. Rather low: to leave out a slice of the scene is the
            worse error.
        least_overlap: share of the image that two slices must have in common to be compared.
        structured: a slice with less structure than this share of the median is too blurred or too
            dark to be judged, and adds little; ...
        least_contrast: ... nor is one judged with less: a tenth of an 8-bit step.
        blank: a slice of less contrast (standard deviation, of full scale) ...
        blank_share: ... and less than this share of the median one is black, white or of one
            colour.
        noise: a slice without structure shows noise if neighbouring pixels differ by more than this
            multiple of its contrast (white noise: 10; photographs 1, blurred ones less), ...
        more_noise: ... and if, even where they differ least, it is by this multiple of what is
            usual: more than another slice's noise.
        flattest: share of the image that the least noise is measured in.
        square: side of the squares for that.
    """

    fine: float = 2.0
    coarse: float = 8.0
    box_sides: tuple[int, ...] = (5, 9, 15, 23)
    correlation: float = 0.35
    least_overlap: float = 0.25
    structured: float = 0.3
    least_contrast: float = 4e-4
    blank: float = 0.01
    blank_share: float = 0.1
    noise: float = 5.0
    more_noise: float = 1.5
    flattest: float = 0.1
    square: int = 5


_SETTINGS = SceneSettings()


def scene_thumbnail(
    pixels: NDArray[np.generic], valid: NDArray[np.bool_] | None = None
) -> DownscaledSlice:
    """Downscale a slice to the size at which scenes are compared, in gray.

    Args:
        pixels: (H, W) or (H, W, 3), uint8, uint16 or float32.
        valid: (H, W), pixels that hold data; None: all.
    """
    return DownscaledSlice.of(to_gray(to_float(downscale_to_side(pixels, SIDE))), valid, SIDE)


class SceneView:
    """What a slice shows.

    Args:
        thumbnail: see `scene_thumbnail`.
    """

    def __init__(self, thumbnail: DownscaledSlice) -> None:
        self.thumbnail = thumbnail
        self.deviation = float(thumbnail.image.std())
        """Standard deviation of the thumbnail: what shows nothing has next to none."""

    @cached_property
    def contrast(self) -> float:
        """Standard deviation of its structure."""
        return float(self.structure.image.std())

    @cached_property
    def grain(self) -> tuple[float, float]:
        """Root mean square difference of neighbouring pixels: of all, and where it is flat."""
        image = self.thumbnail.image
        if min(image.shape) < 2:
            return 0.0, 0.0
        squares = np.square(image[1:, 1:] - image[1:, :-1]) + np.square(
            image[1:, 1:] - image[:-1, 1:]
        )
        local = cv2.blur(squares, (_SETTINGS.square, _SETTINGS.square))
        flattest = np.quantile(local, _SETTINGS.flattest)
        return float(np.sqrt(squares.mean() / 2)), float(np.sqrt(flattest / 2))

    @cached_property
    def structure(self) -> BlurSeries[int, Image]:
        """Structure of the thumbnail, also blurred by boxes, by their sides in pixels."""
        image = self.thumbnail.image
        return BlurSeries(
            _structure(image), lambda side: _structure(np.asarray(box_blur(image, side, 3)))
        )

    def shows_nothing_beside(self, deviation: float) -> bool:
        """Whether it is of one colour, beside others of that standard deviation."""
        return self.deviation < min(_SETTINGS.blank, _SETTINGS.blank_share * deviation)

    def shows_noise_beside(self, contrast: float, flat_grain: float) -> bool:
        """Whether it shows nothing but noise, beside others of that contrast and least grain."""
        grain, flat = self.grain
        return (
            not self.has_structure_beside(contrast)
            and grain > _SETTINGS.noise * self.contrast
            and flat > _SETTINGS.more_noise * flat_grain
        )

    def has_structure_beside(self, contrast: float) -> bool:
        """Whether it has enough structure to be judged, beside others of that contrast."""
        return self.contrast >= max(_SETTINGS.least_contrast, _SETTINGS.structured * contrast)

    def is_like(self, other: "SceneView") -> bool:
        """Whether both show the same, where they are or after registration."""
        identity = np.eye(2, 3, dtype=np.float32)
        if self.matches(other, identity):
            return True
        try:
            transform = maximise_correlation(self.thumbnail, other.thumbnail, identity)
        except cv2.error:
            return False
        return self.matches(other, transform)

    def matches(self, other: "SceneView", transform: NDArray[np.float32]) -> bool:
        """Whether both show the same.

        Args:
            other: what it is compared with.
            transform: (2, 3), from the coordinates of its thumbnail to those of the other one.
        """
        pairs = chain(
            [(self.structure.image, other.structure.image)],
            blur_candidates(self.structure, other.structure, _SETTINGS.box_sides),
        )
        return any(
            _correlation(self.thumbnail, other.thumbnail, *pair, transform) >= _SETTINGS.correlation
            for pair in pairs
        )


def _structure(image: Image) -> Image:
    sigmas = _SETTINGS.fine, _SETTINGS.coarse
    fine, coarse = (cv2.GaussianBlur(image, (0, 0), sigma) for sigma in sigmas)
    return np.asarray(fine - coarse)


def describe_blank(image: Image) -> str:
    """Describe an image that shows nothing, for people."""
    level = float(image.mean())
    return "black" if level < 0.1 else "white" if level > 0.9 else "of one colour"


def _correlation(
    first: DownscaledSlice,
    second: DownscaledSlice,
    structure: Image,
    other: Image,
    transform: NDArray[np.float32],
) -> float:
    """Correlation of two structures where both slices hold data, the second one moved."""
    rows, columns = structure.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(other, transform, (columns, rows), flags=flags)
    common = cv2.warpAffine(
        second.valid_mask,
        transform,
        (columns, rows),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
    )
    where = (common > 0) & (first.valid_mask > 0)
    if where.mean() < _SETTINGS.least_overlap:
        return 0.0
    a, b = structure[where], moved[where]
    a, b = a - a.mean(), b - b.mean()
    energy = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / energy if energy > 0 else 0.0
