"""Matching exposure and white balance between frames before they are merged.

Defocus moves light but keeps its sum, so averages of light over large cells agree between frames
that differ in focus alone. Their ratio, the median over the cells, is the gain of each channel:
things that move, and light that blur carries across a border of cells, hardly change a median.
Encoded values y stand for light y^2.25 here: cameras have exponents of 2.2 to 2.4. As much as that
is wrong, blur changes the average of what has contrast; smaller gains are ignored. Images that
were blurred by software keep the average of the encoded values instead. A change of exposure shows
in both averages; the smaller gain of the two is therefore the one that blur cannot explain.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.flicker import Bands, find_bands
from aif_ros.fusion.light_map import CELLS, EXPONENT, LightMap, full_scale
from aif_ros.types.image import Image

_SHOULDER = np.float32(0.94)
"""Encoded value from which on matched highlights approach their old value."""
_LARGEST_OF_STACK = np.log(4.2)
"""Largest log gain between slices of a stack, which show one scene: two stops where values are
proportional to light, more where they are encoded."""


@dataclass(frozen=True)
class _Acceptance:
    """Which gains count as a change of exposure; log factors. Chosen on test images.

    Attributes:
        negligible: smaller ones are within the error of measurement.
        largest: larger ones are no change of exposure between frames of one scene.
        contrast: how much of a difference of contrast, in squared coefficients of variation of
            light, may come out as a log gain: half of (a - 1) / 2, a = 2.25 / 2.4, and as much
            again.
        agreement: largest difference between the gains of light and of encoded values that
            contrast explains; then that of light, the more exact one, is used. Test images of full
            contrast reach 0.03.
        uneven: median absolute deviation of the cells' gains from which on the light has not
            changed evenly.
        incomparable: median difference between the log averages of encoded values from which on a
            frame too clipped or too dark to be compared is of another exposure.
        overexposed: gain, a factor, from which on clipped pixels are not used: with less, what is
            clipped is nearly right, and may be sharp in this frame only.
    """

    negligible: float = 0.01
    largest: float = float(np.log(1.6))
    contrast: float = 0.03
    agreement: float = 0.04
    uneven: float = 0.06
    incomparable: float = 0.2
    overexposed: float = 1.1


_ACCEPTANCE = _Acceptance()


@dataclass(frozen=True)
class Gain:
    """By how much a frame is brighter than a reference.

    Attributes:
        factors: (C,) float32, of encoded values, of each channel; 1 where they agree, or where
            they cannot be compared.
        even: whether the whole image has changed alike, as far as can be said, and by a gain that
            can be measured.
        bands: by which it is brighter besides, row by row; None: none.
    """

    factors: NDArray[np.float32]
    even: bool
    bands: Bands | None = None

    @property
    def negligible(self) -> bool:
        """Whether there is nothing to correct."""
        return bool((self.factors == 1).all()) and self.bands is None

    def remove(self, image: Image, heights: NDArray[np.floating] | None = None) -> Image:
        """Return the frame as bright as the reference; what is white stays white.

        Highlights above `_SHOULDER` approach their old value smoothly: clipped pixels that are
        darkened would turn grey, and pixels that are left out there get rings around them.

        Args:
            image: (H, W) or (H, W, 3), float32 in [0, 1].
            heights: (H,), where its rows are in the frame, shares of the frame's height; None: it
                is the whole frame.
        """
        if self.negligible:
            return image
        factors = 1 / self.factors if image.ndim == 3 else 1 / self.factors[0]
        if self.bands is not None:
            if heights is None:
                heights = (np.arange(len(image)) + 0.5) / len(image)
            rows = self.bands.factors(heights).reshape(-1, *[1] * (image.ndim - 1))
            factors = factors / rows
        matched = np.minimum(image * factors, np.float32(1.0))
        if factors.min() >= 1:
            return matched
        share = np.clip((image - _SHOULDER) * np.float32(1 / (1 - _SHOULDER)), 0, 1)
        share *= share * (3 - 2 * share)
        return np.asarray(np.maximum(matched, matched + share * (image - matched)))

    def unclipped(
        self, image: NDArray[Any], valid: NDArray[np.bool_] | None
    ) -> NDArray[np.bool_] | None:
        """Exclude where a brighter frame is clipped: the reference may show more there.

        Args:
            image: (H, W) or (H, W, 3), uint8, uint16 or float32 in [0, 1], before `remove`.
            valid: (H, W), pixels that hold data; None: all.

        Returns:
            `valid` without the clipped pixels and those next to them, over which demosaicing and
            scaling spread them.
        """
        if self.factors.max() <= _ACCEPTANCE.overexposed:
            return valid
        clipped = reduce(cv2.max, cv2.split(image)) >= CELLS.saturated * full_scale(image)
        if not clipped.any():
            return valid
        lost = cv2.dilate(clipped.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
        return np.asarray(~lost if valid is None else valid & ~lost)


def match_exposure(
    light: LightMap,
    reference: LightMap,
    least: float = _ACCEPTANCE.negligible,
    largest: float = _ACCEPTANCE.largest,
    still: bool = True,
) -> Gain:
    """Measure by how much a frame is brighter than a reference that shows the same.

    Args:
        light: of the frame.
        reference: of the same shape.
        least: smaller log gains are ignored.
        largest: larger log gains are no change of exposure.
        still: whether the scene stays, so that bands of flickering light can be measured.
    """
    channels = light.light.shape[2]
    unknown = Gain(np.ones(channels, np.float32), True)
    bands = find_bands(light.rows, reference.rows) if still else None
    if bands is not None:
        light = light.without(bands)
    usable = light.usable & reference.usable
    if light.light.shape != reference.light.shape or usable.mean() < CELLS.least_usable:
        return unknown
    ratios = np.log(light.light[usable] / reference.light[usable]) / EXPONENT
    gains = np.median(ratios, axis=0)
    encoded = np.median(np.log(light.encoded[usable] / reference.encoded[usable]), axis=0)
    smaller = np.where(gains * encoded > 0, np.clip(encoded, -abs(gains), abs(gains)), 0)
    gains = np.where(abs(gains - encoded) <= _ACCEPTANCE.agreement, gains, smaller)
    spread = float(np.median(np.abs(ratios - gains)))
    even = _unevenness(light, reference, usable, gains) <= _ACCEPTANCE.uneven
    if np.abs(gains).max() > largest:
        return Gain(unknown.factors, False)
    contrast = float(np.median(np.abs(light.contrast - reference.contrast)[usable]))
    uncertain = max(least, spread / np.sqrt(usable.sum()), _ACCEPTANCE.contrast * contrast)
    # Cells that disagree measure no gain, be it for uneven light or for blur.
    measured = np.abs(gains).max() > uncertain and spread <= _ACCEPTANCE.uneven
    return Gain(np.exp(gains).astype(np.float32) if measured else unknown.factors, even, bands)


def _unevenness(
    light: LightMap,
    reference: LightMap,
    usable: NDArray[np.bool_],
    gains: NDArray[np.floating],
) -> float:
    """Median deviation of the log gains of the cells that blur cannot explain.

    Blur carries light to the cells around; and either the light or the encoded values keep their
    average, so that only what shows in both is a change of the light.
    """

    def deviations(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[Any]:
        wide = [
            cv2.blur(each * usable[..., None].astype(np.float32), (3, 3)).reshape(each.shape)[
                usable
            ]
            for each in (one, other)
        ]
        return np.asarray(np.log(np.maximum(wide[0], 1e-6) / np.maximum(wide[1], 1e-6)))

    lights = deviations(light.light, reference.light) / EXPONENT - gains
    encoded = deviations(light.encoded, reference.encoded) - gains
    both = np.where(lights * encoded > 0, np.minimum(np.abs(lights), np.abs(encoded)), 0)
    return float(np.median(both))


def stack_gains(maps: list[LightMap]) -> list[Gain]:
    """Measure the gains of the slices of a registered stack against what most of them agree on."""
    light, encoded = (
        np.asarray(np.median(planes, axis=0), np.float32)
        for planes in ([each.light for each in maps], [each.encoded for each in maps])
    )
    rows = np.median([each.rows for each in maps], axis=0)
    usable = np.mean([each.usable for each in maps], axis=0) >= 0.5
    contrast = np.median([each.contrast for each in maps], axis=0)
    reference = LightMap(light, encoded, np.asarray(contrast, np.float32), usable, rows)
    return [
        Gain(np.ones(light.shape[2], np.float32), False)
        if _incomparable(each, reference)
        else match_exposure(each, reference, largest=_LARGEST_OF_STACK)
        for each in maps
    ]


def _incomparable(light: LightMap, reference: LightMap) -> bool:
    """Whether a slice is of another exposure, but too clipped or too dark to measure its gain."""
    usable = reference.usable
    if usable.mean() < CELLS.least_usable or (usable & light.usable).mean() >= CELLS.least_usable:
        return False
    encoded, expected = (np.maximum(each.encoded[usable], 1e-3) for each in (light, reference))
    return bool(np.median(np.abs(np.log(encoded / expected))) > _ACCEPTANCE.incomparable)


NO_GAIN = Gain(np.ones(1, np.float32), True)
"""Of a frame that is as bright as the others."""
