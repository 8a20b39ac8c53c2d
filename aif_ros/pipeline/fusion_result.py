"""What the fusion of one frame gives: J, and why a frame was not merged."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.image import to_uint8, to_uint16

IN_MOTION = "the lens moved during the exposure"
REPEATED = "at the lens position of the frame before"
OTHER_SCENE = "it shows another scene than the other frames"
NOTHING = "it shows nothing: it is black, white, of one colour, or noise"

_SAMPLES = slice(2, None, 5)
"""Focus control samples the source positions of J at every fifth pixel: at least six points along
each side of an estimator's cell of 32 px."""


@dataclass(frozen=True)
class FusedImage:
    """J as it leaves the step, to be published and assessed.

    Attributes:
        image: (H, W) or (H, W, 3), uint8, or uint16 of its whole range.
        source_samples: (h, w) float32, source positions of evenly spread pixels, metres.
        stamp: of the frame that it is as of, nanoseconds.
    """

    image: NDArray[Any]
    source_samples: NDArray[np.float32]
    stamp: int

    @classmethod
    def of(cls, fused: Fused, stamp: int, *, sixteen_bit: bool) -> "FusedImage":
        """Return J as of the frame of that stamp.

        Args:
            fused: J.
            stamp: time of the newest frame in it, nanoseconds.
            sixteen_bit: whether to return 16 bits, not 8.
        """
        image = to_uint16(fused.image) if sixteen_bit else to_uint8(fused.image)
        samples = np.ascontiguousarray(fused.source_position[_SAMPLES, _SAMPLES])
        return cls(image, samples, stamp)


@dataclass(frozen=True)
class Fusion:
    """Effect of one frame on J.

    Attributes:
        fused: J as of this frame; None before the first.
        unused: why the frame was not merged into J; None if it was.
        image: J if it has changed, by the merge or because it has moved along with the scene, or if
            the frame from this lens position does not belong to its scene: it is published and
            assessed then, and only then. Else None.
        left_out: the frames until now that are not fused because they do not belong to its scene.
    """

    fused: Fused | None
    unused: str | None
    image: FusedImage | None
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def outside_scene(self) -> bool:
        """Whether the frame was not merged because it shows another scene, or nothing."""
        return self.unused in (OTHER_SCENE, NOTHING)
