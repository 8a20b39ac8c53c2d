"""Which slices of a stack show another scene than the rest, or nothing, and which areas differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice
from aif_ros.fusion.motion.photo_consistency import Mask, inconsistent_areas
from aif_ros.fusion.scene_view import SceneView, describe_blank
from aif_ros.types.image import Image

_GROUPS = 3
"""Groups whose latest slice is compared with a new one, besides the largest group; chosen by hand:
slices of one scene mostly follow each other."""


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


def match_scenes(thumbnails: Sequence[DownscaledSlice]) -> SceneMatch:
    """Group the slices of a stack by the scene that they show."""
    slices = [SceneView(thumbnail) for thumbnail in thumbnails]
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
    thumbnails: Sequence[DownscaledSlice], transforms: Sequence[NDArray[np.float32]]
) -> SceneMatch:
    """Find the slices that match neither of their neighbours, registered as they are.

    Args:
        thumbnails: of the slices, without areas that are known to be inconsistent.
        transforms: (2, 3) each, from the coordinates of the fused image to those of each thumbnail.
    """
    slices = [SceneView(thumbnail) for thumbnail in thumbnails]
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


def inconsistent_slice_areas(
    thumbnails: Sequence[DownscaledSlice], transforms: Sequence[NDArray[np.float32]]
) -> list[Mask | None]:
    """Find the areas of each slice that are inconsistent with the others.

    See `inconsistent_areas`.

    Args:
        thumbnails: of the slices.
        transforms: (2, 3) each, from the coordinates of the fused image to those of each thumbnail.

    Returns:
        For each slice (h, w), in its own coordinates; None: nowhere.
    """
    size = thumbnails[0].image.shape[::-1]

    def moved(image: NDArray[np.generic], transform: NDArray[np.float32], flags: int) -> Image:
        return np.asarray(cv2.warpAffine(image, transform, size, flags=flags))

    back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    images, valid = [], []
    for thumbnail, transform in zip(thumbnails, transforms, strict=True):
        images.append(moved(thumbnail.image, transform, back))
        valid.append(moved(thumbnail.valid_mask.astype(np.float32), transform, back) > 0.99)
    return [
        None if part is None else moved(part.astype(np.uint8), transform, cv2.INTER_NEAREST) > 0
        for part, transform in zip(inconsistent_areas(images, valid), transforms, strict=True)
    ]


def _blank(slices: Sequence[SceneView]) -> dict[int, str]:
    """Slices that show nothing, though most others do, and what they show."""
    usual = float(np.median([each.deviation for each in slices], axis=0))
    contrast = float(np.median([each.contrast for each in slices], axis=0))
    grain = min(each.grain[1] for each in slices)
    shades = {
        index: describe_blank(each.thumbnail.image)
        for index, each in enumerate(slices)
        if each.shows_nothing_beside(usual)
    }
    noise = {
        index: "noise"
        for index, each in enumerate(slices)
        if each.shows_noise_beside(contrast, grain)
    }
    return noise | shades


def _judged(slices: Sequence[SceneView]) -> list[int]:
    """Indices of the slices that have enough structure to be judged."""
    usual = float(np.median([each.contrast for each in slices], axis=0))
    return [index for index, each in enumerate(slices) if each.has_structure_beside(usual)]
