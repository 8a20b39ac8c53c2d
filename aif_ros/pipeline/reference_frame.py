"""A frame in the geometry that all steps share: focus breathing removed."""

from functools import cached_property

from aif_ros.optics.breathing import remove_breathing
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import Frame
from aif_ros.types.image import Image, check_image, to_float


class ReferenceFrame:
    """A frame and, computed when first needed, its image without focus breathing.

    Args:
        frame: as captured.
        lens_model: of the lens.

    Raises:
        ImageError: the captured image is unusable, see `check_image`.
    """

    def __init__(self, frame: Frame, lens_model: LensModel) -> None:
        check_image(frame.image)
        self.frame = frame
        self._lens_model = lens_model

    @cached_property
    def image(self) -> Image:
        """(H, W) or (H, W, 3), float32 in [0, 1], magnified as at the reference position."""
        image = to_float(self.frame.image)
        position = self._lens_model.within_limits(self.frame.position)
        return remove_breathing(image, self._lens_model.breathing_scale(position))
