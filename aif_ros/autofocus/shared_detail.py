"""Which images of a window show detail: what another image of it shows, too.

Noise has gradients as detail has, and of nearly black images, divided by their mean, strong ones.
But it is fine, and another one in each image: its correlation between two images is near zero.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image


@dataclass(frozen=True)
class DetailSettings:
    """When two images show the same; chosen on rendered windows and on noise.

    Attributes:
        side: images are reduced until a further halving would make the shorter side smaller,
            pixels.
        bands: upper limits of the spatial frequencies that are compared, cycles per pixel of the
            reduced images: what blur leaves of one image may lie in the lowest band only.
        shading: lower limit, cycles per shorter side: images of nothing may share uneven light.
        shift: largest shift between two images, pixels of the reduced ones.
        deviations: least correlation, as a multiple of its standard deviation between images of
            noise of the same spectra; the largest of all shifts and bands is taken.
        correlation: sufficient correlation ...
        certain: ... where the standard deviation is no larger than this.
        compared: images before a new one that it is compared with.
        dark: least mean light of an image, as a share of the largest.
        grain: an image of less grain than this shows detail, whatever the others show. White noise
            has 42, smoothed by a Gaussian of 1 px 5.5, a photograph in focus less than 1.
    """

    side: int = 128
    bands: tuple[float, ...] = (0.75, 0.25, 0.125, 0.0625)
    shading: float = 3.0
    shift: int = 3
    deviations: float = 7.0
    correlation: float = 0.6
    certain: float = 0.1
    compared: int = 6
    dark: float = 0.05
    grain: float = 2.0


_SETTINGS = DetailSettings()


class SharedDetail:
    """Compares each image of a window with those before it."""

    def __init__(self) -> None:
        self._images: list[_Spectrum] = []
        self._detail: list[bool] = []
        self._means: list[float] = []

    def add(self, light: Image, mean: float, grain: float) -> None:
        """Add an image.

        Args:
            light: (H, W); all images have the same size.
            mean: of the light, before it was divided by anything.
            grain: gradient energy at full resolution, as a multiple of that at a quarter of it.
        """
        new = _Spectrum(light)
        self._images.append(new)
        self._detail.append(grain < _SETTINGS.grain)
        self._means.append(mean)
        # The latest ones are most like it.
        before = range(len(self._images) - 1)[-_SETTINGS.compared :]
        for index in reversed(before):
            if new.shows_the_same_as(self._images[index]):
                self._detail[index] = self._detail[-1] = True
                break

    @property
    def found(self) -> NDArray[np.bool_]:
        """(n,) whether each image shows detail."""
        means = np.array(self._means)
        return np.asarray(np.array(self._detail) & (means >= _SETTINGS.dark * means.max()))


class _Spectrum:
    """Spectrum of the gradients of a reduced image, and its power averaged over directions."""

    def __init__(self, light: Image) -> None:
        while min(light.shape) >= 2 * _SETTINGS.side:
            light = cv2.pyrDown(light)
        planes = [cv2.Sobel(light, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
        spectrum = np.fft.fft2(np.stack(planes)).astype(np.complex64)
        rings, _ = _frequencies(light.shape)
        power = np.square(np.abs(spectrum)).sum(axis=0)
        sums = np.bincount(rings.ravel(), power.ravel())
        self._spectrum = spectrum
        self._power = (sums / np.maximum(np.bincount(rings.ravel()), 1))[rings]

    def shows_the_same_as(self, other: "_Spectrum") -> bool:
        """Whether two images show the same detail; one that is replayed proves nothing."""
        if np.array_equal(self._spectrum, other._spectrum):
            return False
        product = (np.conj(self._spectrum) * other._spectrum).sum(axis=0)
        _, bands = _frequencies(product.shape)
        for band in bands:
            energy = float(self._power[band].sum()) * float(other._power[band].sum())
            if energy <= 0:
                continue
            # Of noise, the correlation varies as that of two random series (Bartlett, 1935).
            deviation = (float((self._power[band] * other._power[band]).sum()) / energy) ** 0.5
            sufficient = _SETTINGS.deviations * deviation
            if deviation <= _SETTINGS.certain:
                sufficient = min(sufficient, _SETTINGS.correlation)
            if sufficient < 1 and _largest(product * band) >= sufficient * energy**0.5:
                return True
        return False


def _largest(product: NDArray[np.complexfloating]) -> float:
    """Largest sum of products at shifts of few pixels, from their cross-spectrum."""
    sums = np.fft.ifft2(product).real * product.size
    reach = [min(_SETTINGS.shift, side // 2) for side in sums.shape]
    near = [np.r_[0 : each + 1, -each:0] for each in reach]
    return float(sums[np.ix_(*near)].max())


@lru_cache(maxsize=4)
def _frequencies(shape: tuple[int, int]) -> tuple[NDArray[np.intp], list[NDArray[np.bool_]]]:
    """Of each element of a spectrum, its ring of equal frequency; and the bands, as masks."""
    down, right = (np.fft.fftfreq(side) for side in shape)
    frequency = np.hypot(down[:, None], right)
    shading = _SETTINGS.shading / min(shape)
    bands = [(frequency >= shading) & (frequency < limit) for limit in _SETTINGS.bands]
    return np.rint(frequency * min(shape) / 2).astype(np.intp), bands
