"""Slices that show another scene than the rest of their stack.

Defocus changes fine detail; structure of a fortieth of the image stays where it is. Slices of one
scene, registered, correlate in it by 0.7 or more if the sharper one is blurred as the other is,
other photographs hardly at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blur_equalization import BlurSeries, blur_candidates, box_blur
from aif_ros.fusion.motion.misfit import SIDE, Mask, misfits
from aif_ros.fusion.motion.slice_copy import SliceCopy, maximise_correlation
from aif_ros.types.image import Image, to_float, to_gray
from aif_ros.types.resizing import downscale_to_side

# Structure that is compared: Gaussian standard deviations, pixels of the copies. Noise lies below
# it, uneven light above.
_FINE, _COARSE = 2.0, 8.0
# Correlation from which on two slices show the same. Of 24 photographs, different ones reached 0.3
# in one of a hundred pairs, and 0.5 at most; one in focus and out of it, by disks of up to 16 px of
# the copies, 0.67 at least; planes of white noise, of which each slice shows another one in focus,
# 0.39. A slice that belongs to the scene is left out less willingly than another one is taken in.
_SAME = 0.35
# Sides of box filters, pixels of the copies, by which the sharper of two slices is blurred.
_BLURS = (5, 9, 15, 23)
# A slice with less structure than this share of the median is too blurred or too dark to be judged,
# and adds little; nor is one judged with less than a tenth of an 8-bit step.
_JUDGED, _LEAST_CONTRAST = 0.3, 4e-4
# A slice of less contrast, standard deviation of full scale and share of the median one, shows
# nothing: it is black, white or of one colour.
_BLANK, _BLANK_SHARE = 0.01, 0.1
# A slice that cannot be judged shows nothing but noise if neighbouring pixels of its copy differ by
# more than this multiple of its contrast (white noise: 10; photographs 1, blurred ones less), and
# if even where they differ least it is by this multiple of what is usual: more than another slice's
# noise.
_NOISE, _MORE_NOISE = 5.0, 1.5
# Share of the image, and the side of the squares, pixels of the copies, that noise is measured in.
_FLATTEST, _SQUARE = 0.1, 5
# Groups whose latest slice is compared with a new one.
_GROUPS = 3


@dataclass(frozen=True)
class SceneMatch:
    """Which slices of a stack show the same.

    Attributes:
        mismatched: indices of the slices that show another scene than most, or that are registered
            wrongly; in ascending order.
        undecided: whether no scene has the majority: no slice is left out for that then.
        blank: indices of the slices that show nothing, though others do, and what they show.
    """

    mismatched: Sequence[int] = ()
    undecided: bool = False
    blank: Mapping[int, str] = field(default_factory=dict)

    @property
    def left_out(self) -> list[int]:
        """Indices of the slices that must not be fused, in ascending order."""
        return sorted({*self.mismatched, *self.blank})


def scene_copy(pixels: NDArray[np.generic], valid: NDArray[np.bool_] | None = None) -> SliceCopy:
    """Return the small copy of a slice that `match_scenes` takes.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
        valid: (H, W), pixels that hold data; None: all.
    """
    return SliceCopy.of(to_gray(to_float(downscale_to_side(pixels, SIDE))), valid, SIDE)


class ShownScene:
    """What a slice shows: the structure of its copy, also of the copy blurred further.

    Args:
        copy: see `scene_copy`.
    """

    def __init__(self, copy: SliceCopy) -> None:
        self.copy = copy
        self.deviation = float(copy.image.std())
        """Standard deviation of the copy: what shows nothing has next to none."""

    @cached_property
    def contrast(self) -> float:
        """Standard deviation of its structure."""
        return float(self.structure.image.std())

    @cached_property
    def grain(self) -> tuple[float, float]:
        """Root mean square difference of neighbouring pixels: of all, and where it is flat."""
        image = self.copy.image
        if min(image.shape) < 2:
            return 0.0, 0.0
        squares = np.square(image[1:, 1:] - image[1:, :-1]) + np.square(
            image[1:, 1:] - image[:-1, 1:]
        )
        local = cv2.blur(squares, (_SQUARE, _SQUARE))
        return float(np.sqrt(squares.mean() / 2)), float(np.sqrt(np.quantile(local, _FLATTEST) / 2))

    @cached_property
    def structure(self) -> BlurSeries[int, Image]:
        """Structure of the copy, and of the copy blurred by boxes, by their sides in pixels."""
        image = self.copy.image
        return BlurSeries(
            _structure(image), lambda side: _structure(np.asarray(box_blur(image, side, 3)))
        )

    def shows_nothing_beside(self, deviation: float) -> bool:
        """Whether it is of one colour, beside others of that standard deviation."""
        return self.deviation < min(_BLANK, _BLANK_SHARE * deviation)

    def shows_noise_beside(self, contrast: float, flat_grain: float) -> bool:
        """Whether it shows nothing but noise, beside others of that contrast and least grain."""
        grain, flat = self.grain
        return (
            not self.can_be_judged_beside(contrast)
            and grain > _NOISE * self.contrast
            and flat > _MORE_NOISE * flat_grain
        )

    def can_be_judged_beside(self, contrast: float) -> bool:
        """Whether it has enough structure, beside others of that contrast."""
        return self.contrast >= max(_LEAST_CONTRAST, _JUDGED * contrast)

    def is_like(self, other: "ShownScene") -> bool:
        """Whether both show the same, where they are or after registration."""
        identity = np.eye(2, 3, dtype=np.float32)
        if self.matches(other, identity):
            return True
        try:
            transform = maximise_correlation(self.copy, other.copy, identity)
        except cv2.error:
            return False
        return self.matches(other, transform)

    def matches(self, other: "ShownScene", transform: NDArray[np.float32]) -> bool:
        """Whether both show the same.

        Args:
            other: what it is compared with.
            transform: (2, 3), from the coordinates of its copy to those of the other one.
        """
        pairs = chain(
            [(self.structure.image, other.structure.image)],
            blur_candidates(self.structure, other.structure, _BLURS),
        )
        return any(_correlation(self.copy, other.copy, *pair, transform) >= _SAME for pair in pairs)


def _structure(image: Image) -> Image:
    fine, coarse = (cv2.GaussianBlur(image, (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return np.asarray(fine - coarse)


def match_scenes(copies: Sequence[SliceCopy]) -> SceneMatch:
    """Group the slices of a stack by the scene that they show."""
    slices = [ShownScene(copy) for copy in copies]
    blank, judged = _blank(slices), _judged(slices)
    if len(judged) < 2:
        return SceneMatch(blank=blank)
    groups: list[list[int]] = []
    for index in judged:
        latest = sorted(groups, key=lambda group: group[-1], reverse=True)[:_GROUPS]
        # The largest is where a slice belongs that follows one of another scene.
        latest += [group for group in [max(groups, key=len, default=[])] if group]
        for group in latest:
            if slices[group[-1]].is_like(slices[index]):
                group.append(index)
                break
        else:
            groups.append([index])
    main = max(groups, key=len)
    if 2 * len(main) <= len(judged):
        return SceneMatch(undecided=True, blank=blank)
    return SceneMatch([index for index in judged if index not in main], blank=blank)


def match_registered(
    copies: Sequence[SliceCopy], transforms: Sequence[NDArray[np.float32]]
) -> SceneMatch:
    """Find the slices that match neither of their neighbours, registered as they are.

    Args:
        copies: of the slices, without areas that are known not to fit.
        transforms: (2, 3) each, from the coordinates of the fused image to those of each copy.
    """
    slices = [ShownScene(copy) for copy in copies]
    judged = _judged(slices)
    matched = set()
    for one, other in pairwise(judged):
        square = [np.vstack([transforms[index], [0, 0, 1]]) for index in (one, other)]
        between = np.asarray((square[1] @ np.linalg.inv(square[0]))[:2], np.float32)
        if slices[one].matches(slices[other], between):
            matched |= {one, other}
    mismatched = [index for index in judged if index not in matched]
    if 2 * len(mismatched) >= len(judged):
        return SceneMatch(undecided=bool(mismatched))
    return SceneMatch(mismatched)


def slice_misfits(
    copies: Sequence[SliceCopy], transforms: Sequence[NDArray[np.float32]]
) -> list[Mask | None]:
    """Find the areas of each slice that do not fit the others; see `misfits`.

    Args:
        copies: of the slices.
        transforms: (2, 3) each, from the coordinates of the fused image to those of each copy.

    Returns:
        For each slice (h, w), in its own coordinates; None: nowhere.
    """
    size = copies[0].image.shape[::-1]

    def moved(image: NDArray[np.generic], transform: NDArray[np.float32], flags: int) -> Image:
        return np.asarray(cv2.warpAffine(image, transform, size, flags=flags))

    back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    images, held = [], []
    for copy, transform in zip(copies, transforms, strict=True):
        images.append(moved(copy.image, transform, back))
        held.append(moved(copy.held.astype(np.float32), transform, back) > 0.99)
    return [
        None if part is None else moved(part.astype(np.uint8), transform, cv2.INTER_NEAREST) > 0
        for part, transform in zip(misfits(images, held), transforms, strict=True)
    ]


def _blank(slices: Sequence[ShownScene]) -> dict[int, str]:
    """Slices that show nothing, though most others do, and what they show."""
    usual = float(np.median([each.deviation for each in slices], axis=0))
    contrast = float(np.median([each.contrast for each in slices], axis=0))
    grain = min(each.grain[1] for each in slices)
    shades = {
        index: shade(each.copy.image)
        for index, each in enumerate(slices)
        if each.shows_nothing_beside(usual)
    }
    noise = {
        index: "noise"
        for index, each in enumerate(slices)
        if each.shows_noise_beside(contrast, grain)
    }
    return noise | shades


def shade(image: Image) -> str:
    """Describe an image that shows nothing, for people."""
    level = float(image.mean())
    return "black" if level < 0.1 else "white" if level > 0.9 else "of one colour"


def _judged(slices: Sequence[ShownScene]) -> list[int]:
    """Indices of the slices that have enough structure to be judged."""
    usual = float(np.median([each.contrast for each in slices], axis=0))
    return [index for index, each in enumerate(slices) if each.can_be_judged_beside(usual)]


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
    common = cv2.warpAffine(
        second.held, transform, (columns, rows), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    where = (common > 0) & (first.held > 0)
    if where.mean() < 0.25:
        return 0.0
    a, b = structure[where], moved[where]
    a, b = a - a.mean(), b - b.mean()
    energy = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / energy if energy > 0 else 0.0
