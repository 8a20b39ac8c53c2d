"""Contrast of one window over the images of a search, comparable between images."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image, check_image, to_gray


@dataclass(frozen=True)
class ContrastSettings:
    """Chosen with `benchmark autofocus`, unless a line gives another source.

    Attributes:
        block: side of the blocks, pixels, in which gradients are summed and saturated pixels are
            masked.
        saturated: grey level, full scale 1, from which on a pixel counts as saturated: what rounds
            to 255 in 8 bits, nearly.
        clipped: share of saturated pixels from which on a block is masked: single bright pixels are
            no edge.
        min_unsaturated: least share of the window that is unsaturated in all images; with less,
            contrast is undefined.
        decrease: share of the highest contrast, and of the largest saturated area, below which an
            image has much less of it.
        coarse_levels: pyramid levels by which images of faint windows are reduced: noise falls
            faster than texture.
        toe: encoded value below which light is proportional to it, about, as in sRGB (0.04): noise
            in black stays normally distributed.
        min_mean: least mean of the light that it is divided by, full scale 1: far below a level of
            8 bits.
        noise: largest relative variation of contrast over all images that counts as noise.
        pixel_noise: the same for n pixels, as this over sqrt(n): 6 standard deviations of the mean
            squared gradient of white noise, whose neighbours are correlated over about 2 x 2
            pixels.
    """

    block: int = 8
    saturated: float = 253.5 / 255
    clipped: float = 0.08
    min_unsaturated: float = 0.02
    decrease: float = 0.5
    coarse_levels: int = 2
    toe: float = 0.05
    min_mean: float = 1e-6
    noise: float = 0.15
    pixel_noise: float = 16.0


_SETTINGS = ContrastSettings()


@dataclass(frozen=True)
class _Measured:
    """Of one image: gradient energy of each block, fine and coarse, and what is saturated.

    Attributes:
        saturated: of each block, whether it is near a saturated area; None where nothing is.
        area: share of the pixels that are saturated.
    """

    fine: NDArray[np.float32]
    coarse: NDArray[np.float32]
    saturated: NDArray[np.bool_] | None
    area: float


class WindowContrast:
    """Tenengrad of each image, in light of mean 1, over the blocks that are saturated in none.

    Blur is a convolution of light, which attenuates every frequency, so that the gradients of light
    are strongest in focus. Those of encoded values are not: encoding brightens what a point spreads
    into the dark, and its gradients grow for a pixel or two of blur.

    Saturated parts have edges at any defocus, which move with it. Where the fine gradients vary no
    more than noise, those at a quarter of the resolution are used, which integrate a faint texture
    over more pixels. Saturated parts are used if nothing else has texture, or if they are saturated
    near focus only: points are, whose light spreads out of focus; lamps are not.
    """

    def __init__(self) -> None:
        self._measured: list[_Measured] = []

    def add(self, patch: Image) -> None:
        """Add an image, (H, W) or (H, W, 3), float32 in [0, 1]; all images have the same size.

        Raises:
            ImageError: the patch is unusable.
        """
        gray = to_gray(check_image(patch))
        # Linear light, about: the square is close to `DISPLAY_GAMMA`, and a tenth of the time.
        # Blur leaves its mean as it is; flicker and exposure do not.
        light = cv2.multiply(gray, gray + np.float32(_SETTINGS.toe))
        light /= max(float(light.mean()), _SETTINGS.min_mean)
        reduced = light
        for _ in range(_SETTINGS.coarse_levels):
            reduced = cv2.pyrDown(reduced)
        blocks = (
            max(gray.shape[1] // _SETTINGS.block, 1),
            max(gray.shape[0] // _SETTINGS.block, 1),
        )
        saturated, area = None, 0.0
        if gray.max() >= _SETTINGS.saturated:
            pixels = (gray >= _SETTINGS.saturated).astype(np.float32)
            area = float(pixels.mean())
            share = cv2.resize(pixels, blocks, interpolation=cv2.INTER_AREA)
            # Out of focus their light spreads beyond the saturated pixels.
            clipped = (share > _SETTINGS.clipped).astype(np.uint8)
            saturated = cv2.dilate(clipped, np.ones((5, 5), np.uint8)).astype(bool)
        measured = _Measured(_energy(light, blocks), _energy(reduced, blocks), saturated, area)
        if self._measured and measured.fine.shape != self._measured[0].fine.shape:
            self._measured = []
        self._measured.append(measured)

    @property
    def values(self) -> NDArray[np.float64]:
        """(n,) contrast of each image, at the resolution chosen as described in the class."""
        return self._choose()[0]

    @property
    def varies(self) -> bool:
        """Whether the contrast of the images varies by more than noise."""
        return self._choose()[1]

    @property
    def masked(self) -> bool:
        """Whether there are saturated parts and the contrast is that of the others."""
        return self._mask is not None and self._choose()[2]

    def saturated(self, index: int) -> float:
        """Share of the gradients of image `index` that lie in saturated parts, 0 to 1."""
        measured = self._measured[index]
        if measured.saturated is None:
            return 0.0
        return float(
            measured.fine[measured.saturated].sum() / max(float(measured.fine.sum()), 1e-12)
        )

    @property
    def _mask(self) -> NDArray[np.bool_] | None:
        """Blocks that are saturated in any image; None: all blocks count."""
        masks = [
            measured.saturated for measured in self._measured if measured.saturated is not None
        ]
        if not masks or self._is_concentrated():
            return None
        return np.asarray(np.logical_or.reduce(masks), np.bool_)

    def _is_concentrated(self) -> bool:
        """Whether what is saturated in the sharpest image is much less so in all blurred ones.

        The light of a point is spread out of focus, and no longer saturates the pixels; a lamp's
        saturated area grows.
        """
        energy = np.array([float(measured.fine.mean()) for measured in self._measured])
        area = np.array([measured.area for measured in self._measured])
        blurred = energy < _SETTINGS.decrease * energy.max()
        sharpest = area[energy.argmax()]
        return bool(
            blurred.any()
            and area.max() <= sharpest
            and np.all(area[blurred] < _SETTINGS.decrease * sharpest)
        )

    def _choose(self) -> tuple[NDArray[np.float64], bool, bool]:
        """Return contrasts, whether they vary, and whether saturated parts are left out."""
        fine, coarse = (
            [getattr(measured, name) for measured in self._measured] for name in ("fine", "coarse")
        )
        for energies, finer in ((fine, 1), (coarse, 4**_SETTINGS.coarse_levels)):
            values = self._mean(energies)
            if _varies(values, self._pixels / finer):
                return values, True, True
        values = np.array([float(energy.mean()) for energy in fine])
        everything = fine[0].size * float(_SETTINGS.block**2)
        return values, self._mask is not None and _varies(values, everything), False

    @property
    def _pixels(self) -> float:
        """Number of pixels that the contrast is taken from."""
        open_blocks = (
            self._measured[0].fine.size if self._mask is None else int((~self._mask).sum())
        )
        return max(open_blocks, 1) * float(_SETTINGS.block**2)

    def _mean(self, energies: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        if self._mask is None:
            return np.array([float(energy.mean()) for energy in energies])
        free = ~self._mask
        if free.mean() < _SETTINGS.min_unsaturated:
            return np.zeros(len(energies))
        return np.array([float(energy[free].mean()) for energy in energies])


def _energy(light: Image, blocks: tuple[int, int]) -> NDArray[np.float32]:
    """Mean squared Sobel gradient, per pixel, of each block (Tenengrad; Krotkov, IJCV 1988)."""
    right = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125)
    below = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125)
    energy = cv2.accumulateProduct(right, right, cv2.multiply(below, below))
    interpolation = cv2.INTER_AREA
    return np.asarray(cv2.resize(energy, blocks, interpolation=interpolation), np.float32)


def _varies(values: NDArray[np.float64], pixels: float) -> bool:
    noise = max(_SETTINGS.noise, _SETTINGS.pixel_noise / pixels**0.5)
    return bool(values.max() > (1 + noise) * max(float(values.min()), 1e-12))
