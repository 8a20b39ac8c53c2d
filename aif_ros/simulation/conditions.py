"""Named conditions to measure estimators and searches in: lens, camera and subject."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from aif_ros.optics.psf import Aperture
from aif_ros.optics.pupil import GaussianSpread, MicroscopePupil, PointSpread, Pupil
from aif_ros.simulation.drawings import DRAWINGS
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.types.image import Image

_FAR = 20.0
"""Defocus, pixels, at which point-spread functions are scaled alike."""


@dataclass(frozen=True)
class Condition:
    """What differs from the standard: a disk, white noise of 1.5/255, sharp photos.

    Attributes:
        spread: point-spread function of the lens.
        camera: sensor and processing.
        drawing: name in `DRAWINGS` of the subject, or None for photos.
        contrast: factor on the contrast.
    """

    spread: PointSpread = field(default_factory=Aperture)
    camera: SensorModel = field(default_factory=SensorModel)
    drawing: str | None = None
    contrast: float = 1.0

    @cached_property
    def scale(self) -> float:
        """Factor on the defocus so that, far from focus, it is the equivalent blur radius."""
        return _FAR / self.spread.blur_radius(_FAR)

    def blur_radius(self, defocus: float) -> float:
        """Equivalent blur radius, pixels, at a `defocus` that is scaled by `scale`."""
        return self.spread.blur_radius(self.scale * defocus)

    def draw(self, size: int, random: np.random.Generator) -> Image | None:
        """Draw the subject, (size, size) float32; None for photos."""
        return None if self.drawing is None else DRAWINGS[self.drawing](size, random)

    def faded(self, crop: Image) -> Image:
        """Return `crop` with the contrast of this condition."""
        if self.contrast == 1:
            return crop
        mean = crop.mean()
        return np.asarray(mean + np.float32(self.contrast) * (crop - mean), np.float32)


_CONSUMER_CAMERA = SensorModel(
    read_noise=3 / 255, demosaic="edge_aware", denoise="bilateral", sharpen=0.8, jpeg_quality=88
)
"""Noise of 2 of 255 after processing, correlated as measured; see `sensor_model`."""

CONDITIONS: Mapping[str, Condition] = {
    "standard": Condition(),
    "hexagon": Condition(Aperture(blades=6)),
    "gaussian": Condition(GaussianSpread()),
    "spherical": Condition(Pupil(spherical=3.0)),
    "coma": Condition(Pupil(coma=1.0, astigmatism=1.0, angle=0.7)),
    "soft_rim": Condition(Pupil(falloff=3.0)),
    "annular": Condition(Pupil(obstruction=0.5)),
    "cat_eye": Condition(Pupil(vignetting=0.7, angle=0.7)),
    "microscope": Condition(MicroscopePupil(0.5, pixel=0.6)),
    "camera_noise": Condition(camera=_CONSUMER_CAMERA),
    "smoothed_noise": Condition(camera=SensorModel(read_noise=3 / 255, noise_correlation=0.8)),
    "bayer_noise": Condition(camera=SensorModel(read_noise=8 / 255, demosaic="bilinear")),
    "bayer_denoised": Condition(
        camera=SensorModel(read_noise=8 / 255, demosaic="bilinear", denoise="bilateral")
    ),
    "jpeg_80": Condition(camera=SensorModel(jpeg_quality=80)),
    "motion_2": Condition(camera=SensorModel(motion=(1.6, 1.2))),
    "lettering": Condition(drawing="lettering"),
    "noisy_lettering": Condition(camera=_CONSUMER_CAMERA, drawing="lettering"),
    "small_text": Condition(drawing="small_text"),
    "points": Condition(drawing="points"),
    "grating": Condition(drawing="grating"),
    "checkerboard": Condition(drawing="checkerboard"),
    "low_contrast": Condition(contrast=0.05),
}
"""All of them, by name."""
