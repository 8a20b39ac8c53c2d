"""The state of the loop as programs read it: a dataclass and its JSON form.

Checked by hand: pydantic is a requirement of the networks, and the nodes also run without them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from aif_ros.nodes.json_object import from_json, to_json
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import Window

RUNNING, WAITING, STOPPED, FAULT, IDLE = "running", "waiting", "stopped", "fault", "idle"
"""Running; waiting for something that is late; ended by the agent; ended, but the images show
that the lens has not moved; switched off by a user."""

ENDED = (STOPPED, FAULT)
"""The states in which the loop has ended by itself."""


@dataclass(frozen=True)
class LoopState:
    """State of the focus controller and its reason.

    Attributes:
        state: one of RUNNING, WAITING, STOPPED, FAULT, IDLE.
        reason: for people.
        agent: name of the agent.
        frames_captured: number of frames decided on.
        remaining_defocus: estimated share of the scene that J does not cover (see
            `control.coverage`), 0 to 1; None: unknown.
        target: last commanded lens position, metres; None: none.
        position: lens position of the frame decided on last, metres; None: none yet.
        stamp: of that frame, nanoseconds; None: none yet.
        fused_stamp: of the J decided on, nanoseconds; None: none yet. After the stop, J is complete
            once the fused image of this stamp, or a later one, has come.
        doubt: once the agent has stopped, why the images leave open whether the lens moves, for
            people; empty: they do not.
        window: where the agent focuses, pixels; None: nowhere in particular.
        left_out: frames that are not fused, or fused in part, because they do not show the scene.
    """

    state: str
    reason: str
    agent: str
    frames_captured: int = 0
    remaining_defocus: float | None = None
    target: float | None = None
    position: float | None = None
    stamp: int | None = None
    fused_stamp: int | None = None
    window: Window | None = None
    doubt: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)

    def __post_init__(self) -> None:
        if self.state not in (RUNNING, WAITING, STOPPED, FAULT, IDLE):
            raise ValueError(f"there is no loop state '{self.state}'")
        if not all(isinstance(text, str) for text in (self.reason, self.agent, self.doubt)):
            raise ValueError("reason, agent and doubt of a loop state must be text")
        if not isinstance(self.frames_captured, int):
            raise ValueError("frames_captured of a loop state must be an integer")
        for name in ("remaining_defocus", "target", "position", "stamp", "fused_stamp"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
                raise ValueError(f"{name} of a loop state must be a finite number, got {value!r}")

    @property
    def warnings(self) -> list[str]:
        """What a user should know of the result, beside the reason for its end."""
        return [text for text in (self.left_out.warning, self.doubt) if text]

    def to_json(self) -> str:
        """Return the JSON object with a field for each attribute."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "LoopState":
        """Read what `to_json` wrote; unknown fields are ignored.

        Raises:
            ValueError: it is no such object.
        """
        readers = {"window": _window, "left_out": LeftOut.of_fields}
        return from_json(text, cls, "a loop state", readers)


def _window(fields: Mapping[str, int] | None) -> Window | None:
    return None if fields is None else Window(**fields)
