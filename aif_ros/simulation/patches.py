"""Patches of known blur, made from sharp photos and drawings by the forward model of a camera.

A crop is scaled down until it is sharp, brought to linear light, blurred with the transfer
function of a lens, and photographed again by a camera drawn at random. The Fourier transform of a
crop serves several radii. Labels are equivalent blur radii; see `aif_ros.optics.pupil`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from aif_ros.optics.pupil import MicroscopePupil, PointSpread
from aif_ros.simulation.drawings import DRAWINGS
from aif_ros.simulation.photos import sharpness
from aif_ros.simulation.random_lens import MICROSCOPE_REACH, draw_blur
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.types.image import Image

LARGEST_RADIUS = 64.0
"""Largest blur radius of training patches, pixels: the last class of the blur network."""
CELL = 64
"""Side of a labelled cell, pixels."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue, ITU-R BT.601."""
_SCALES = (0.35, 0.8)
"""Sizes that photos are reduced to, shares of their own: few are sharp to the pixel."""
_TRIES = 8
"""Crops that are tried of a photo before the next one is taken."""
_FEWEST_SHARP = 3
"""Quarters of cells that must be sharp in a crop."""


@dataclass(frozen=True)
class Mixture:
    """Shares of the kinds of training patches, chosen by hand.

    Attributes:
        drawings: crops that are drawings, not photos.
        low_contrast: crops whose contrast is lowered, by a factor down to `least_contrast`.
        least_contrast: see `low_contrast`.
        negative: crops turned into their negative (transmitted light).
        dark: crops whose darker half is black (fluorescence).
        two_depths: patches with two depths.
        slanted: patches that show a slanted surface.
        nothing_to_see: patches without any texture.
        dim: patches taken with a sixteenth to a quarter of the light.
    """

    drawings: float = 0.15
    low_contrast: float = 0.12
    least_contrast: float = 0.05
    negative: float = 0.05
    dark: float = 0.06
    two_depths: float = 0.1
    slanted: float = 0.05
    nothing_to_see: float = 0.04
    dim: float = 0.05


MIXTURE = Mixture()
_SLANT_PLANES = 5
"""Planes between which a slanted surface is interpolated."""


@dataclass(frozen=True)
class Patch:
    """A training example.

    Attributes:
        luma: (H, W) uint8.
        radius: (H / 64, W / 64) float32, true blur radius of each cell, pixels.
        weight: the same shape, how much each cell's label can be trusted: 0 where the photo
            itself is soft or two depths meet, else 1.
        one_depth: whether the patch as a whole has one radius.
    """

    luma: NDArray[np.uint8]
    radius: NDArray[np.float32]
    weight: NDArray[np.float32]
    one_depth: bool


def draw_radius(random: np.random.Generator) -> float:
    """Radii 0 to 64 px, denser near focus, where small errors matter."""
    kind = random.random()
    if kind < 0.07:
        return 0.0
    if kind < 0.5:
        return random.uniform(0, LARGEST_RADIUS)
    return 4 * float(np.expm1(random.uniform(0, np.log1p(LARGEST_RADIUS / 4))))


def draw_crop(
    photo: NDArray[np.uint8],
    size: int,
    random: np.random.Generator,
    scales: tuple[float, float] = _SCALES,
    least_sharp: float = 0.0,
) -> tuple[Image, NDArray[np.float32]] | None:
    """Cut a sharp piece out of a photo.

    Args:
        photo: (H, W, 3) uint8.
        size: side of the crop, pixels.
        random: source of randomness.
        scales: range of the factor the photo is scaled by.
        least_sharp: share of the texture that must be sharp.

    Returns:
        Mono crop (size, size) float32 in [0, 1], encoded, and the trust in each cell of it; None
        where no sharp piece was found.
    """
    # Any mixture of the colours is what some camera, mono or colour, would see.
    mixture = _LUMA if random.random() < 0.6 else random.dirichlet((1, 1, 1)).astype(np.float32)
    shortest = min(photo.shape[:2])
    for _ in range(_TRIES):
        scale = min(max(random.uniform(*scales), (size + 1) / shortest), 1.0)
        side = min(int(np.ceil(size / scale)), shortest)
        top = random.integers(photo.shape[0] - side + 1)
        left = random.integers(photo.shape[1] - side + 1)
        piece = cv2.transform(photo[top : top + side, left : left + side], mixture[None])
        crop = (
            cv2.resize(piece, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        )
        # Judged in quarters of a cell: the sharpest of them is what will be seen.
        textured, sharp = sharpness(crop, CELL // 2)
        if sharp.sum() < max(_FEWEST_SHARP, least_sharp * textured.sum()):
            continue
        soft = (textured & ~sharp).reshape(size // CELL, 2, size // CELL, 2).any(axis=(1, 3))
        seen = sharp.reshape(size // CELL, 2, size // CELL, 2).any(axis=(1, 3))
        weight = np.where(soft & ~seen, 0.0, np.where(soft, 0.3, 1.0)).astype(np.float32)
        if random.random() < 0.5:
            crop, weight = crop[:, ::-1], weight[:, ::-1]
        if random.random() < 0.5:
            crop, weight = crop.T, weight.T
        return np.ascontiguousarray(crop), np.ascontiguousarray(weight)
    return None


class Defocus:
    """Defocuses one crop by any radius up to `largest`."""

    def __init__(self, crop: Image, gamma: float, largest: float) -> None:
        margin = int(np.ceil(largest)) + 3
        side = fft.next_fast_len(crop.shape[0] + 2 * margin, real=True)
        before, after = margin, side - crop.shape[0] - margin
        light = cv2.pow(crop, gamma)
        light = cv2.copyMakeBorder(light, before, after, before, after, cv2.BORDER_REFLECT_101)
        self._shape = (side, side)
        self._inside = slice(before, before + crop.shape[0])
        self._spectrum = fft.rfft2(light)

    def __call__(self, defocus: float, spread: PointSpread) -> Image:
        """Linear light at `defocus`, pixels, signed, through a lens."""
        transfer = spread.transfer_function(defocus, self._shape)
        blurred = fft.irfft2(self._spectrum * transfer, s=self._shape)
        return np.asarray(blurred[self._inside, self._inside].astype(np.float32, copy=False))


def training_patches(
    photo: NDArray[np.uint8],
    size: int,
    count: int,
    random: np.random.Generator,
    *,
    largest: float = LARGEST_RADIUS,
) -> Iterator[Patch]:
    """Make `count` patches out of one crop of a photo, or of a drawing instead.

    Yields nothing where no part of the photo is sharp.

    Args:
        photo: (H, W, 3) uint8.
        size: side of the patches, pixels.
        count: number of patches.
        random: source of randomness.
        largest: largest blur radius, pixels.
    """
    if random.random() < MIXTURE.drawings:
        crop = DRAWINGS[str(random.choice(list(DRAWINGS)))](size, random)
        trust = np.ones((size // CELL, size // CELL), np.float32)
    else:
        drawn = draw_crop(photo, size, random)
        if drawn is None:
            return
        crop, trust = drawn
    defocus = Defocus(_varied(crop, random), random.uniform(1.8, 2.4), largest)
    share = largest / LARGEST_RADIUS
    for _ in range(count):
        spread, place, radius = draw_blur(draw_radius(random) * share, random, largest)
        light = defocus(place, spread)
        radii, weight = np.full(trust.shape, radius, np.float32), trust
        one_depth = True
        kind = random.random()
        if kind < MIXTURE.two_depths:
            reach = MICROSCOPE_REACH if isinstance(spread, MicroscopePupil) else largest
            other_place = min(draw_radius(random) * share, reach) * float(random.choice([-1, 1]))
            other = spread.blur_radius(other_place)
            mask = _edge_mask(size, max(min(radius, other), 0.5), random)
            light = light * mask + defocus(other_place, spread) * (1 - mask)
            covered = cv2.resize(mask, trust.shape, interpolation=cv2.INTER_AREA)
            radii = np.where(covered > 0.5, radius, other).astype(np.float32)
            weight = trust * (np.abs(covered - 0.5) > 0.45)
            one_depth = False
        elif kind < MIXTURE.two_depths + MIXTURE.slanted:
            ends = place + random.uniform(-0.5, 0.5) * (3 + abs(place)) * np.array([-1, 1])
            light, radii = _slanted(defocus, spread, np.clip(ends, -largest, largest), random)
            one_depth = False
        elif kind < MIXTURE.two_depths + MIXTURE.slanted + MIXTURE.nothing_to_see:
            light = np.full_like(light, random.random())
        camera = SensorModel.draw(random)
        if random.random() < MIXTURE.dim:
            camera = replace(camera, exposure=float(2 ** random.uniform(-4, -2)))
        pixels = camera.capture(np.maximum(light, 0), random)
        yield Patch(pixels, np.minimum(radii, LARGEST_RADIUS), weight, one_depth)


def _varied(crop: Image, random: np.random.Generator) -> Image:
    """At times lower the contrast, take the negative, or blacken the darker half."""
    kind = random.random()
    if kind < MIXTURE.low_contrast:
        factor = np.exp(random.uniform(np.log(MIXTURE.least_contrast), 0))
        mean = crop.mean()
        return np.asarray((mean + np.float32(factor) * (crop - mean)).astype(np.float32))
    if kind < MIXTURE.low_contrast + MIXTURE.negative:
        return 1 - np.minimum(crop, 1)
    if kind < MIXTURE.low_contrast + MIXTURE.negative + MIXTURE.dark:
        black = np.float32(np.quantile(crop, random.uniform(0.3, 0.9)))
        return np.asarray(
            np.maximum(crop - black, 0) / np.maximum(crop.max() - black, np.float32(0.1))
        )
    return crop


def _slanted(
    defocus: Defocus, spread: PointSpread, ends: NDArray[np.float64], random: np.random.Generator
) -> tuple[Image, NDArray[np.float32]]:
    """Light of a surface whose defocus goes from one end to the other, pixels, and its radii."""
    places = np.linspace(ends[0], ends[1], _SLANT_PLANES)
    planes = np.stack([defocus(float(place), spread) for place in places])
    size = planes.shape[1]
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    angle = random.uniform(0, 2 * np.pi)
    slope = axis[None] * np.float32(np.cos(angle)) + axis[:, None] * np.float32(np.sin(angle))
    height = (slope - slope.min()) / (slope.max() - slope.min()) * (_SLANT_PLANES - 1)
    light = np.zeros_like(planes[0])
    for index, plane in enumerate(planes):
        light += plane * np.maximum(1 - np.abs(height - index), 0)
    cells = (size // CELL, size // CELL)
    middle = cv2.resize(height, cells, interpolation=cv2.INTER_AREA)
    radii = [
        spread.blur_radius(float(place))
        for place in np.interp(middle.ravel(), range(_SLANT_PLANES), places)
    ]
    return light, np.array(radii, np.float32).reshape(cells)


def _edge_mask(size: int, softness: float, random: np.random.Generator) -> Image:
    """1 on one side of a random straight edge, 0 on the other."""
    angle, offset = random.uniform(0, 2 * np.pi), random.uniform(-0.25, 0.25) * size
    axis = np.arange(size, dtype=np.float32) - size / 2
    distance = axis[None] * np.float32(np.cos(angle)) + axis[:, None] * np.float32(np.sin(angle))
    return np.asarray(
        np.clip((distance + np.float32(offset)) / np.float32(2 * softness) + 0.5, 0, 1)
    )
