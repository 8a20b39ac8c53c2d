"""Matching exposure and white balance between frames before they are merged.

Defocus moves light but keeps its sum, so averages of light over large cells agree between frames
that differ in focus alone. Their ratio, the median over the cells, is the gain of each channel:
things that move, and light that blur carries across a border of cells, hardly change a median.
Encoded values y stand for light y^2.25 here: cameras have exponents of 2.2 to 2.4. As much as that
is wrong, blur changes the average of what has contrast; smaller gains are ignored. Images that
were blurred by software keep the average of the encoded values instead. A change of exposure shows
in both averages; the smaller gain of the two is therefore the one that blur cannot explain.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.flicker import COLUMNS, ROWS, Bands, find_bands
from aif_ros.fusion.motion.geometry import Transform, translation
from aif_ros.types.image import Image

_SHOULDER = np.float32(0.94)
"""Encoded value from which on matched highlights approach their old value."""
_EXPONENT = 2.25
"""Light is about the encoded value to this power: between gamma 2.2 and the 2.4 of sRGB's curve."""
_LARGEST_OF_STACK = np.log(4.2)
"""Largest log gain between slices of a stack, which show one scene: two stops where values are
proportional to light, more where they are encoded."""


@dataclass(frozen=True)
class _Cells:
    """Cells over which light is averaged.

    Attributes:
        along: cells along the longer side. Blur must be small against a cell, and cells be many
            enough for a median: at 24, 40 px of blur radius are 1.5 cells in an image of 640 px.
        saturated: encoded value from which on a pixel counts as clipped.
        clipped: largest share of clipped pixels in a usable cell.
        dark: least light in a usable cell.
        least_usable: least share of usable cells for an estimate.
    """

    along: int = 24
    saturated: float = 0.985
    clipped: float = 0.02
    dark: float = 1e-3
    least_usable: float = 0.1


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


_CELLS = _Cells()
_ACCEPTANCE = _Acceptance()


@dataclass(frozen=True)
class LightMap:
    """Averages of light over cells.

    Attributes:
        light: (h, w, C) float32.
        encoded: (h, w, C) float32, averages of the encoded values.
        contrast: (h, w) float32, squared coefficient of variation of the light in a cell.
        usable: (h, w) bool, cells that are neither clipped nor dark.
        rows: (ROWS, COLUMNS) float32, averages of the encoded values of all channels, NaN where
            clipped or dark; see `find_bands`.
    """

    light: NDArray[np.float32]
    encoded: NDArray[np.float32]
    contrast: NDArray[np.float32]
    usable: NDArray[np.bool_]
    rows: NDArray[np.float32]


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
        clipped = reduce(cv2.max, cv2.split(image)) >= _CELLS.saturated * _full_scale(image)
        if not clipped.any():
            return valid
        lost = cv2.dilate(clipped.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
        return np.asarray(~lost if valid is None else valid & ~lost)


def _full_scale(image: NDArray[Any]) -> float:
    floating = np.issubdtype(image.dtype, np.floating)
    return 1.0 if floating else float(np.iinfo(image.dtype).max)


def light_map(image: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> LightMap:
    """Average the light of an image over cells.

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16 or float32 in [0, 1].
        valid: (H, W), pixels to use; None: all.
    """
    height, width = image.shape[:2]
    step = max(1, min(height, width) // (8 * _CELLS.along))
    # A sample of a large image will do.
    sample = image[::step, ::step].astype(np.float32) / np.float32(_full_scale(image))
    sample = sample[..., None] if sample.ndim == 2 else sample
    longer = max(height, width)
    size = (
        max(1, round(_CELLS.along * width / longer)),
        max(1, round(_CELLS.along * height / longer)),
    )
    planes = cv2.split(sample)
    # Operations on whole planes: those along the short last axis take several times as long.
    clipped = (reduce(cv2.max, planes) >= _CELLS.saturated).astype(np.float32)
    if valid is not None:
        clipped = np.maximum(clipped, ~valid[::step, ::step])
    sample = np.maximum(sample, 0)
    # y^2.25 by square roots, which are fast.
    light = _averages(sample * sample * np.sqrt(np.sqrt(sample)), size)
    total = np.square(reduce(cv2.add, (np.maximum(plane, 0) for plane in planes)) / len(planes))
    mean = _averages(total, size)[..., 0]
    contrast = _averages(total * total, size)[..., 0] / np.maximum(mean * mean, 1e-12) - 1
    share = cv2.resize(clipped, size, interpolation=cv2.INTER_AREA).reshape(size[::-1])
    usable = (share <= _CELLS.clipped) & (light > _CELLS.dark).all(axis=2)
    rows = _averages(np.sqrt(total), (COLUMNS, ROWS))[..., 0]
    row_share = cv2.resize(clipped, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    rows[(row_share > _CELLS.clipped) | (rows < _CELLS.dark ** (1 / _EXPONENT))] = np.nan
    return LightMap(light, _averages(sample, size), contrast.astype(np.float32), usable, rows)


def registered(light: LightMap, transform: Transform, size: tuple[int, int]) -> LightMap:
    """Bring the light map of a slice into the geometry of the fused image.

    Args:
        light: of the slice.
        transform: from the coordinates of the fused image to the slice's.
        size: (width, height) of the slice, pixels.
    """

    def moved(plane: NDArray[np.float32], outside: float = 0.0) -> NDArray[np.float32]:
        rows, columns = plane.shape[:2]
        cells = np.diag([columns / size[0], rows / size[1], 1.0])
        # Pixels and cells are counted by their middles.
        cells = translation(-0.5, -0.5) @ cells @ translation(0.5, 0.5)
        matrix = (cells @ transform @ np.linalg.inv(cells))[:2]
        result = cv2.warpAffine(
            plane,
            matrix,
            (columns, rows),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderValue=(outside,) * 4,
        )
        return np.asarray(result.reshape(plane.shape), np.float32)

    return LightMap(
        moved(light.light),
        moved(light.encoded),
        moved(light.contrast),
        moved(light.usable.astype(np.float32)) > 0.99,
        moved(light.rows, np.nan),
    )


def _without(light: LightMap, bands: Bands) -> LightMap:
    """Light of a frame without its bands."""
    count = len(light.usable)
    factors = bands.factors((np.arange(count) + 0.5) / count)[:, None, None]
    return replace(light, light=light.light / factors**_EXPONENT, encoded=light.encoded / factors)


def _averages(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Averages (h, w, C) over the cells of a plane (H, W, C)."""
    cells = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cells.reshape(*size[::-1], -1).astype(np.float32, copy=False))


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
        light = _without(light, bands)
    usable = light.usable & reference.usable
    if light.light.shape != reference.light.shape or usable.mean() < _CELLS.least_usable:
        return unknown
    ratios = np.log(light.light[usable] / reference.light[usable]) / _EXPONENT
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

    lights = deviations(light.light, reference.light) / _EXPONENT - gains
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
    if usable.mean() < _CELLS.least_usable or (usable & light.usable).mean() >= _CELLS.least_usable:
        return False
    encoded, expected = (np.maximum(each.encoded[usable], 1e-3) for each in (light, reference))
    return bool(np.median(np.abs(np.log(encoded / expected))) > _ACCEPTANCE.incomparable)


NO_GAIN = Gain(np.ones(1, np.float32), True)
"""Of a frame that is as bright as the others."""
