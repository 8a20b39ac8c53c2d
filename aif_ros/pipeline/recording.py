"""Recording of one run of the loop, of the library or of ROS nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import LensState, Window


@dataclass(frozen=True)
class RecordedFrame:
    """One frame that was captured and fused, with the results.

    Attributes:
        stamp: time of exposure, nanoseconds.
        position: lens position, metres.
        image: I(t) as captured, (H, W) or (H, W, 3) RGB, uint8 or uint16.
        fused: J(t), same shape, in the reference geometry.
        distance: (rows, columns) float32, travel to focus over I(t), metres; NaN unknown.
        fused_distance: the same over J(t).
        in_focus: (rows, columns) float32, probability of being in focus over I(t); NaN unknown.
        fused_in_focus: the same over J(t).
        window: where the next capture is to focus; None for nowhere in particular.
        reason: why the agent decided so.
    """

    stamp: int
    position: float
    image: NDArray[Any]
    fused: NDArray[Any]
    distance: NDArray[np.float32]
    fused_distance: NDArray[np.float32]
    in_focus: NDArray[np.float32]
    fused_in_focus: NDArray[np.float32]
    window: Window | None
    reason: str


@dataclass(frozen=True)
class LoopRecording:
    """One run of the loop.

    Attributes:
        scene: name of the scene.
        agent: name of the agent.
        lens_model: the lens in use.
        frames: the frames that were fused, at least one, by time.
        lens_track: what the lens reported, by time.
        reason: why the loop ended.
        doubt: why the images leave open whether the lens moves, for people; empty: they do not.
        left_out: frames that are not fused, or fused in part.
    """

    scene: str
    agent: str
    lens_model: LensModel
    frames: Sequence[RecordedFrame]
    lens_track: Sequence[LensState]
    reason: str
    doubt: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def start(self) -> int:
        """Stamp of the first frame, nanoseconds."""
        return self.frames[0].stamp

    @property
    def seconds(self) -> float:
        """Time from the first exposure to the last."""
        return (self.frames[-1].stamp - self.start) * 1e-9
