"""The interface of all focus-control agents: what is known in, the next focus window out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.types.frame import Window


@dataclass(frozen=True)
class Observation:
    """What an agent sees at time t: never an image, never ground truth.

    Attributes:
        frame: blur over I(t).
        fused: blur over J(t).
        source_position: (h, w) float32, lens positions that points of J(t) come from, metres: every
            pixel, or as many as are evenly spread over it.
        position: lens position of I(t), metres.
        stamp: time of I(t), nanoseconds.
        passed: what was seen since the last decision, while the lens was on its way.
    """

    frame: DefocusMap
    fused: DefocusMap
    source_position: NDArray[np.float32]
    position: float
    stamp: int = 0
    passed: tuple["Observation", ...] = ()

    @property
    def looks(self) -> tuple["Observation", ...]:
        """All that is new, in its order: what was passed, then this."""
        return (*self.passed, self)


@dataclass(frozen=True)
class Action:
    """What an agent decides.

    Attributes:
        position: absolute lens position of the next capture, metres; None to stop, because
            another capture would not improve J.
        window: where in the image that brings into focus; None if nowhere in particular.
        reason: why, for people.
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
        """Forget everything: a new scene begins."""
        ...

    def act(self, observation: Observation) -> Action:
        """Decide after frame I(t) has been fused and assessed."""
        ...
