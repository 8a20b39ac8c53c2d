"""The interface of all focus-control agents: from an observation to the next focus window."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.types.frame import Window


@dataclass(frozen=True)
class Observation:
    """Input of an agent at time t: no image, no ground truth.

    Attributes:
        frame: blur over I(t).
        fused: blur over J(t).
        source_position: (h, w) float32, lens positions that pixels of J(t) come from, metres: of
            all pixels, or of evenly spaced ones.
        position: lens position of I(t), metres.
        stamp: time of I(t), nanoseconds.
        passed: observations since the last decision, while the lens was in motion.
        fused_stamp: time of the newest frame in J(t), nanoseconds.
    """

    frame: DefocusMap
    fused: DefocusMap
    source_position: NDArray[np.float32]
    position: float
    stamp: int = 0
    passed: tuple["Observation", ...] = ()
    fused_stamp: int = 0

    @property
    def new_observations(self) -> tuple["Observation", ...]:
        """All new observations in their order: those of the moving lens, then this one."""
        return (*self.passed, self)


@dataclass(frozen=True)
class Action:
    """Decision of an agent.

    Attributes:
        position: absolute lens position of the next capture, metres; None to stop, because
            another capture would not improve J.
        window: the part of the image that this brings into focus; None: no part in particular.
        reason: text for people.
        remaining: remaining defocus: the agent's estimate of the share of the scene's parts with
            detail that J does not cover (see `coverage`), 0 to 1; NaN: no estimate.
    """

    position: float | None
    window: Window | None
    reason: str
    remaining: float = float("nan")


class Agent(Protocol):
    """Picks where to focus next."""

    def reset(self) -> None:
        """Discard all observations: a new scene begins."""
        ...

    def act(self, observation: Observation) -> Action:
        """Decide after frame I(t) has been fused and assessed."""
        ...
