"""What a camera does to the light: exposure, noise, gamma, 8 bits, JPEG."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import DISPLAY_GAMMA, Image

_LEVELS = 65535


@lru_cache(maxsize=256)
def _encoding(gamma: float) -> NDArray[np.float32]:
    # A power of every pixel costs more than the blurring beside it; a table of it does not.
    return (np.linspace(0, 1, _LEVELS + 1) ** (1 / gamma)).astype(np.float32)


@dataclass(frozen=True)
class SensorModel:
    """How light becomes an 8-bit image.

    Attributes:
        exposure: factor on the light; what exceeds 1 is clipped.
        gamma: encoded = light ** (1 / gamma).
        read_noise: standard deviation, of the encoded full scale.
        shot_noise: standard deviation at full scale; it falls with the encoded value.
        jpeg_quality: 1..100, or None for no JPEG.
    """

    exposure: float = 1.0
    gamma: float = DISPLAY_GAMMA
    read_noise: float = 1.5 / 255
    shot_noise: float = 0.0
    jpeg_quality: int | None = None

    @classmethod
    def draw(cls, random: np.random.Generator) -> "SensorModel":
        """Draw any camera the estimator may meet."""
        kind = random.random()
        noise = 1.5 if kind < 0.3 else random.uniform(0, 3) if kind < 0.6 else random.uniform(0, 11)
        return cls(
            exposure=1.0 if random.random() < 0.4 else float(2 ** random.uniform(-2, 1)),
            gamma=round(random.uniform(1.8, 2.4), 2),
            read_noise=noise / 255,
            shot_noise=random.uniform(0, 0.02) if random.random() < 0.5 else 0.0,
            jpeg_quality=int(random.integers(60, 98)) if random.random() < 0.2 else None,
        )

    def capture(self, light: Image, random: np.random.Generator) -> NDArray[np.uint8]:
        """Take a picture of `light`, linear, (H, W)."""
        index = np.clip(light * np.float32(self.exposure * _LEVELS), 0, _LEVELS).astype(np.uint16)
        image = _encoding(self.gamma)[index]
        noise = random.standard_normal(image.shape, dtype=np.float32)
        if self.shot_noise:
            noise *= np.sqrt(np.float32(self.read_noise**2) + (self.shot_noise * image) ** 2)
        else:
            noise *= np.float32(self.read_noise)
        image += noise
        pixels = cv2.convertScaleAbs(np.clip(image, 0, 1), alpha=255)
        if self.jpeg_quality is not None:
            _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
            pixels = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
        return pixels
