"""Frames as all steps see them: of one full scale, and without focus breathing."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.breathing import remove_breathing
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import Frame
from aif_ros.types.image import Image, check_image, full_scale, full_scale_of_bits, to_float


class ReferenceFrame:
    """A frame and, computed when first needed, its image without focus breathing.

    Args:
        frame: as captured.
        lens_model: of the lens.
        scale: full scale of its samples; None: that of their type.

    Raises:
        ImageError: the captured image is unusable, see `check_image`.
    """

    def __init__(self, frame: Frame, lens_model: LensModel, scale: float | None = None) -> None:
        check_image(frame.image)
        self.frame = frame
        self.scale = scale
        self._lens_model = lens_model

    @property
    def sixteen_bit_scale(self) -> float | None:
        """Full scale of samples of 16 bits; None for 8 bits, which are as bright beside any."""
        return None if self.frame.image.dtype == np.uint8 else self.scale

    @cached_property
    def image(self) -> Image:
        """(H, W) or (H, W, 3), float32 in [0, 1], magnified as at the reference position."""
        image = to_float(self.frame.image, self.scale)
        position = self._lens_model.within_limits(self.frame.position)
        return remove_breathing(image, self._lens_model.breathing_scale(position))

    def without_breathing(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Convert a mask (H, W) of the captured frame to one of `image`."""
        position = self._lens_model.within_limits(self.frame.position)
        scale = self._lens_model.breathing_scale(position)
        return remove_breathing(mask.astype(np.float32), scale) > 0.01


class FrameStream:
    """Makes the reference frames of one camera, whose samples have one full scale.

    Args:
        lens_model: of the lens.
        bits_per_sample: in use; 0: as the camera says, else recognised by the largest sample
            so far (see `full_scale`).
    """

    def __init__(self, lens_model: LensModel, bits_per_sample: int = 0) -> None:
        self._lens_model = lens_model
        self._bits = bits_per_sample
        self._scale = full_scale_of_bits(bits_per_sample) if bits_per_sample else 0.0

    def reference(self, frame: Frame) -> ReferenceFrame:
        """Return the reference frame of a captured one.

        Raises:
            ImageError: the captured image is unusable, see `check_image`.
        """
        check_image(frame.image)
        if frame.bits and not self._bits:
            return ReferenceFrame(frame, self._lens_model, full_scale_of_bits(frame.bits))
        if frame.image.dtype == np.uint8:
            # Whatever bits others use: the slices of a stack may differ in depth.
            return ReferenceFrame(frame, self._lens_model)
        if not self._bits:
            self._scale = full_scale(frame.image, self._scale)
        return ReferenceFrame(frame, self._lens_model, self._scale)
