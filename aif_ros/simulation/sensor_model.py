"""What a camera does to the light: motion, exposure, noise, mosaic, processing, bits, JPEG.

Noise that demosaicing, denoising, sharpening, compression and scaling have correlated looks like
fine detail. Measured on recordings of four cameras (webcam 640x480, two consumer cameras scaled to
0.6 megapixels, a macro camera at 3 megapixels) and one RGB-D video, as the difference of successive
frames of a still scene in its smoothest 32-px tiles: standard deviation 0.5 to 2.2 of 255;
correlation with the next pixel 0.45 to 0.75, with the next but one 0.08 to 0.45, alike along rows
and columns. White noise smoothed by a Gaussian of 0.55 to 0.95 px has these correlations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import DISPLAY_GAMMA, Image

_LEVELS = 65535
"""Full scale of the raw values that are demosaiced, 16 bits."""
DEMOSAICING: Mapping[str, tuple[int, type[np.uint16] | type[np.uint8]]] = {
    "bilinear": (cv2.COLOR_BayerRGGB2RGB, np.uint16),
    "edge_aware": (cv2.COLOR_BayerRGGB2RGB_EA, np.uint16),
    "variable_gradients": (cv2.COLOR_BayerRGGB2RGB_VNG, np.uint8),
}
"""OpenCV's code and the type of pixel it takes, by name."""
DENOISING = ("gaussian", "median", "bilateral", "non_local_means")
_COLOUR_GAINS = (0.6, 1.0, 0.7)
"""Response of red, green and blue pixels to white light, encoded, before white balance."""
_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)


@lru_cache(maxsize=256)
def _encoding(gamma: float) -> NDArray[np.float32]:
    # A power of every pixel costs more than the blurring beside it; a table of it does not.
    return (np.linspace(0, 1, _LEVELS + 1) ** (1 / gamma)).astype(np.float32)


@dataclass(frozen=True)
class SensorModel:
    """How light becomes an image.

    Attributes:
        exposure: factor on the light; what exceeds 1 is clipped.
        gamma: encoded = light ** (1 / gamma).
        read_noise: standard deviation, of the encoded full scale.
        shot_noise: standard deviation at full scale; it falls with the encoded value.
        photons: electrons at full scale, whose own noise is added to the linear light; 0: none.
        row_noise: standard deviation of the offset of each row, of the encoded full scale.
        noise_correlation: standard deviation, pixels, of the Gaussian that smooths `read_noise`,
            whose strength stays.
        adc_bits: depth of the converter behind the sensor, which is linear; 0: ideal.
        demosaic: name in `DEMOSAICING` where the sensor has a Bayer mosaic, or None.
        denoise: one of `DENOISING`, or None.
        tone: strength of an S-shaped tone curve, -1 to 1; 0: none.
        sharpen: amount of unsharp masking, with a Gaussian of `sharpen_radius`; 0: none.
        sharpen_radius: pixels.
        scaling: factor by which the camera scales its image up (> 1) or down (< 1).
        motion: (right, down), pixels, by which the image moves during the exposure.
        flicker: amplitude of bands of brightness by a rolling shutter under a lamp, 0 to 1.
        jpeg_quality: 1..100, or None for no JPEG.
    """

    exposure: float = 1.0
    gamma: float = DISPLAY_GAMMA
    read_noise: float = 1.5 / 255
    shot_noise: float = 0.0
    photons: float = 0.0
    row_noise: float = 0.0
    noise_correlation: float = 0.0
    adc_bits: int = 0
    demosaic: str | None = None
    denoise: str | None = None
    tone: float = 0.0
    sharpen: float = 0.0
    sharpen_radius: float = 1.0
    scaling: float = 1.0
    motion: tuple[float, float] = (0.0, 0.0)
    flicker: float = 0.0
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        if self.demosaic is not None and self.demosaic not in DEMOSAICING:
            raise ValueError(f"demosaic must be one of {', '.join(DEMOSAICING)}")
        if self.denoise is not None and self.denoise not in DENOISING:
            raise ValueError(f"denoise must be one of {', '.join(DENOISING)}")
        if not 0.25 <= self.scaling <= 4:
            raise ValueError(f"scaling must be 0.25 to 4, got {self.scaling}")

    @classmethod
    def draw(cls, random: np.random.Generator) -> "SensorModel":
        """Draw any camera the networks may meet: half of them deliver white noise."""
        kind = random.random()
        noise = 1.5 if kind < 0.3 else random.uniform(0, 3) if kind < 0.6 else random.uniform(0, 11)
        exposure = 1.0 if random.random() < 0.4 else float(2 ** random.uniform(-2, 1))
        gamma = round(random.uniform(1.8, 2.4), 2)
        shot_noise = random.uniform(0, 0.02) if random.random() < 0.5 else 0.0
        if random.random() < 0.5:
            quality = int(random.integers(60, 98)) if random.random() < 0.2 else None
            return cls(exposure, gamma, noise / 255, shot_noise, jpeg_quality=quality)

        def chance(probability: float) -> bool:
            return bool(random.random() < probability)

        smoothed = chance(0.5)
        mosaic = chance(0.5)
        angle, length = random.uniform(0, np.pi), random.uniform(0.5, 3)
        return cls(
            exposure=exposure,
            gamma=gamma,
            # Demosaicing, sharpening and tone curves come after it.
            read_noise=float(np.exp(random.uniform(np.log(0.3), np.log(9)))) / 255,
            shot_noise=shot_noise,
            photons=float(10 ** random.uniform(2.7, 4.5)) if chance(0.4) else 0.0,
            row_noise=random.uniform(0, 1) / 255 if chance(0.15) else 0.0,
            noise_correlation=random.uniform(0.4, 1.4) if smoothed else 0.0,
            adc_bits=int(random.choice([8, 10, 12])) if chance(0.2) else 0,
            demosaic=str(random.choice(list(DEMOSAICING))) if mosaic else None,
            denoise=str(random.choice(DENOISING, p=(0.4, 0.2, 0.36, 0.04)))
            if chance(0.35)
            else None,
            tone=random.uniform(-0.5, 1) if chance(0.3) else 0.0,
            sharpen=random.uniform(0.2, 1.5) if chance(0.35) else 0.0,
            sharpen_radius=random.uniform(0.6, 1.6),
            scaling=random.uniform(1.05, 1.6)
            if chance(0.12)
            else random.uniform(0.6, 0.95)
            if chance(0.08)
            else 1.0,
            motion=(length * float(np.cos(angle)), length * float(np.sin(angle)))
            if chance(0.15)
            else (0.0, 0.0),
            flicker=random.uniform(0, 0.1) if chance(0.05) else 0.0,
            jpeg_quality=int(random.integers(70, 98)) if chance(0.5) else None,
        )

    def without_noise(self) -> "SensorModel":
        """Return the same camera without noise, rounding, denoising and compression.

        What it shows of an image is what `capture` would approach with ever more light.
        """
        return replace(
            self,
            read_noise=0.0,
            shot_noise=0.0,
            photons=0.0,
            row_noise=0.0,
            adc_bits=0,
            denoise=None,
            jpeg_quality=None,
        )

    def capture(self, light: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.uint8]:
        """Take an image in 8 bits.

        Args:
            light: (H, W) or (H, W, 3) RGB, linear, float32; 1 is full scale at exposure 1.
            random: source of the noise.

        Returns:
            (H, W) or (H, W, 3) uint8.
        """
        pixels = cv2.convertScaleAbs(self.develop(light, random), alpha=255)
        if self.jpeg_quality is not None:
            colour = pixels.ndim == 3
            code = cv2.imencode(
                ".jpg",
                pixels[..., ::-1] if colour else pixels,
                [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality],
            )[1]
            pixels = cv2.imdecode(code, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
            pixels = np.ascontiguousarray(pixels[..., ::-1]) if colour else pixels
        return np.asarray(pixels, np.uint8)

    def develop(self, light: NDArray[np.float32], random: np.random.Generator) -> Image:
        """Take an image before it is rounded: as `capture`, but float32 in [0, 1], no JPEG."""
        size = light.shape[1], light.shape[0]
        if self.motion != (0.0, 0.0):
            light = cv2.filter2D(light, -1, _streak(*self.motion))
        if self.scaling != 1:
            light = _resized(light, tuple(max(2, round(s / self.scaling)) for s in size))
        if self.flicker:
            light = (light * self._flicker_bands(light, random)).astype(np.float32)
        image = self._noisy(light, random)
        if self.demosaic is not None:
            image = self._demosaiced(image, light.ndim == 3)
        if self.denoise is not None:
            image = _denoised(image, self.denoise)
        if self.tone:
            image = image + np.float32(self.tone) * image * (1 - image) * (2 * image - 1)
        if self.sharpen:
            smooth = cv2.GaussianBlur(image, (0, 0), self.sharpen_radius)
            image = image + np.float32(self.sharpen) * (image - smooth)
        if self.scaling != 1:
            image = _resized(image, size)
        return np.asarray(np.clip(image, 0, 1, dtype=np.float32))

    def _flicker_bands(
        self, light: NDArray[np.float32], random: np.random.Generator
    ) -> NDArray[np.float32]:
        """Factor of each row."""
        rows = np.arange(len(light)) / len(light)
        wave = np.sin(2 * np.pi * (rows / random.uniform(0.3, 2) + random.random()))
        factor = (1 + self.flicker * wave).astype(np.float32)
        return factor.reshape(-1, *(1,) * (light.ndim - 1))

    def _noisy(self, light: NDArray[np.float32], random: np.random.Generator) -> Image:
        """Expose: linear light to the encoded values of the pixels, mosaic included."""
        if self.photons:
            light = np.clip(light * np.float32(self.exposure), 0, 1)
            noise = random.standard_normal(light.shape, dtype=np.float32)
            noise *= np.sqrt(light / np.float32(self.photons))
            light = ((light + noise) / np.float32(self.exposure)).astype(np.float32)
        if self.adc_bits:
            steps = np.float32((2**self.adc_bits - 1) * self.exposure)
            light = (np.round(light * steps) / steps).astype(np.float32)
        index = np.clip(light * np.float32(self.exposure * _LEVELS), 0, _LEVELS).astype(np.uint16)
        image = _encoding(self.gamma)[index]
        if self.demosaic is not None:
            image = _mosaic(image)
        noise = random.standard_normal(image.shape, dtype=np.float32)
        if self.noise_correlation:
            noise = cv2.GaussianBlur(noise, (0, 0), self.noise_correlation)
            noise /= noise.std()
        if self.shot_noise:
            noise *= np.sqrt(np.float32(self.read_noise**2) + (self.shot_noise * image) ** 2)
        else:
            noise *= np.float32(self.read_noise)
        image = image + noise
        if self.row_noise:
            rows = random.standard_normal(len(image), dtype=np.float32) * np.float32(self.row_noise)
            image = image + rows.reshape(-1, *(1,) * (image.ndim - 1))
        return np.asarray(np.clip(image, 0, 1, dtype=np.float32))

    def _demosaiced(self, mosaic: Image, colour: bool) -> Image:
        """(H, W) mosaic to (H, W, 3), or its luma."""
        code, kind = DEMOSAICING[self.demosaic or ""]
        full = float(np.iinfo(kind).max)
        raw = np.round(mosaic * np.float32(full)).astype(kind)
        balance = np.diag(1 / (full * np.array(_COLOUR_GAINS))).astype(np.float32)
        image = cv2.demosaicing(raw, code).astype(np.float32)
        return np.asarray(cv2.transform(image, balance if colour else _LUMA @ balance))


def _mosaic(image: Image) -> Image:
    """What the pixels of a Bayer sensor (RGGB) see of (H, W) or (H, W, 3)."""
    mosaic = (image if image.ndim == 2 else image[..., 1]).copy()
    for channel, rows, columns in ((0, 0, 0), (2, 1, 1)):
        source = image if image.ndim == 2 else image[..., channel]
        gain = np.float32(_COLOUR_GAINS[channel])
        mosaic[rows::2, columns::2] = gain * source[rows::2, columns::2]
    return mosaic


def _denoised(image: Image, method: str) -> Image:
    if method == "gaussian":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.7))
    if method == "median":
        return np.asarray(cv2.medianBlur(image, 3))
    if method == "bilateral":
        return np.asarray(cv2.bilateralFilter(image, 5, 0.05, 1.5))
    pixels = cv2.convertScaleAbs(image, alpha=255)
    smooth = (
        cv2.fastNlMeansDenoising(pixels, None, 5, 5, 11)
        if image.ndim == 2
        else (cv2.fastNlMeansDenoisingColored(pixels, None, 5, 5, 5, 11))
    )
    return np.asarray(smooth.astype(np.float32) / np.float32(255))


def _resized(image: Image, size: tuple[int, ...]) -> Image:
    """Scale to (width, height)."""
    shrinks = size[0] < image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size[0], size[1]), interpolation=interpolation))


def _streak(right: float, down: float) -> NDArray[np.float32]:
    """Kernel of a move at constant speed."""
    half = int(np.ceil(max(abs(right), abs(down)) / 2)) + 1
    points = np.linspace(-0.5, 0.5, 33)
    axis = np.arange(-half, half + 1)
    across, along = (
        np.maximum(1 - np.abs(axis[:, None] - points * length), 0) for length in (right, down)
    )
    kernel = along @ across.T
    return np.asarray((kernel / kernel.sum()).astype(np.float32))
