"""AssessStep: the defocus maps of I(t) and J(t)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.defocus.defocus_map import BlurEstimator, DefocusMap
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.frame_use import FrameUse, frame_use
from aif_ros.pipeline.fusion_result import FusedImage
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.types.frame import Frame
from aif_ros.types.image import to_float

CHANNELS = ("distance", "uncertainty", "in_focus", "contrast")
"""First channels of `DefocusMaps.values`."""

SOURCES_PER_SIDE = 6
"""Source positions along each side of a cell of J that are passed on to focus control: as many as
the learned agent samples."""

# In a static scene, frames at one lens position are assessed again after this time, nanoseconds:
# a consumer may have missed the last maps.
_REPEAT = 500_000_000


@dataclass(frozen=True)
class DefocusMaps:
    """The maps of one image on their grid of cells; they travel as one multi-channel image.

    Attributes:
        values: (rows, columns, 4) float32 of I: travel to focus in metres, without sign; its
            standard deviation, metres; probability of being in focus; local contrast. Unknown
            values are NaN. Of J, (rows, columns, 4 + SOURCES_PER_SIDE ** 2): after these, the
            source positions of evenly spread points of each cell, metres.
        stamp: time of exposure of the (newest) frame, nanoseconds.
    """

    values: NDArray[np.float32]
    stamp: int

    def __post_init__(self) -> None:
        depths = (len(CHANNELS), len(CHANNELS) + SOURCES_PER_SIDE**2)
        if self.values.ndim != 3 or self.values.shape[2] not in depths:
            raise ValueError(
                f"defocus maps have {depths[0]} or {depths[1]} channels, "
                f"not the shape {self.values.shape}"
            )

    @classmethod
    def of(
        cls,
        blur: DefocusMap,
        lens_model: LensModel,
        stamp: int,
        source_samples: NDArray[np.float32] | None = None,
    ) -> "DefocusMaps":
        """Express blur as lens travel.

        Args:
            blur: of the image.
            lens_model: of the lens.
            stamp: of the image, nanoseconds.
            source_samples: (h, w) source positions of evenly spread pixels, metres (J only).
        """
        width = blur.image_size[0]
        distance = lens_model.distance(blur.radius, width)
        uncertainty = blur.uncertainty * lens_model.travel(1.0, width)
        maps = [distance, uncertainty, blur.in_focus, blur.contrast]
        values = np.stack(maps, axis=-1).astype(np.float32, copy=False)
        if source_samples is not None:
            values = np.concatenate([values, _per_cell(source_samples, blur.shape)], axis=-1)
        return cls(values, stamp)

    @property
    def distance(self) -> NDArray[np.float32]:
        """(rows, columns) travel to focus, metres."""
        return self.values[..., 0]

    @property
    def uncertainty(self) -> NDArray[np.float32]:
        """(rows, columns) standard deviation of `distance`, metres."""
        return self.values[..., 1]

    @property
    def in_focus(self) -> NDArray[np.float32]:
        """(rows, columns) probability of being in focus."""
        return self.values[..., 2]

    @property
    def source_position(self) -> NDArray[np.float32]:
        """(rows * n, columns * n) source positions of evenly spread points of J, metres."""
        sources = self.values[..., len(CHANNELS) :]
        rows, columns, n = *sources.shape[:2], SOURCES_PER_SIDE
        points = sources.reshape(rows, columns, n, n).swapaxes(1, 2)
        return points.reshape(rows * n, columns * n)

    def blur(self, lens_model: LensModel, image_size: tuple[int, int]) -> DefocusMap:
        """Return the maps as blur in pixels of an image of that (width, height).

        Args:
            lens_model: gives the blur radius of a distance.
            image_size: (width, height), pixels.
        """
        gain = np.float32(lens_model.blur_gain(image_size[0]))
        contrast = self.values[..., 3]
        return DefocusMap(
            self.distance * gain, self.uncertainty * gain, self.in_focus, contrast, image_size
        )


def _per_cell(samples: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) -> (rows, columns, n * n): the samples nearest to evenly spread points of cells."""
    (rows, columns), n = shape, SOURCES_PER_SIDE
    points = cv2.resize(samples, (columns * n, rows * n), interpolation=cv2.INTER_NEAREST)
    return np.asarray(
        points.reshape(rows, n, columns, n).swapaxes(1, 2).reshape(rows, columns, n * n)
    )


class AssessStep:
    """Estimates the defocus maps of those frames that focus control can use, and of J.

    Args:
        estimator: estimates blur.
        lens_model: of the lens.
        dynamic: whether camera or scene may move. In a static scene a further frame at the same
            lens position is assessed again only after half a second.
    """

    def __init__(self, estimator: BlurEstimator, lens_model: LensModel, *, dynamic: bool) -> None:
        self._estimator = estimator
        self._lens_model = lens_model
        self._dynamic = dynamic
        self._last: Frame | None = None

    def reset(self) -> None:
        """Discard the last frame."""
        self._last = None

    def frame(self, reference: ReferenceFrame, *, repeat: bool = False) -> DefocusMaps | None:
        """Return the maps of a frame; None where they would not help.

        Args:
            reference: the frame.
            repeat: assess it even if the last one shows the same.

        Raises:
            ImageError: the image is unusable, or too small for the estimator.
        """
        frame = reference.frame
        use = frame_use(frame, self._lens_model, dynamic=self._dynamic)
        if use not in (FrameUse.DECIDE, FrameUse.PASS):
            return None
        if self._last is not None and not repeat and self._shows_the_same(frame, self._last):
            return None
        blur = self._estimator.estimate(reference.image)
        self._last = frame
        return DefocusMaps.of(blur, self._lens_model, frame.stamp)

    def fused(self, fused: FusedImage) -> DefocusMaps:
        """Return the maps of J.

        Raises:
            ImageError: the image is unusable, or too small for the estimator.
        """
        blur = self._estimator.estimate(to_float(fused.image))
        return DefocusMaps.of(blur, self._lens_model, fused.stamp, fused.source_samples)

    def _shows_the_same(self, frame: Frame, last: Frame) -> bool:
        if frame.stamp == last.stamp:
            return True
        if self._dynamic or not 0 < frame.stamp - last.stamp < _REPEAT:
            return False
        return self._lens_model.same_position(frame.position, last.position, frame.size[0])
