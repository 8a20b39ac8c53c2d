"""One decision of the loop and what it was based on, so that it can be made again.

Checked by hand: pydantic is a requirement of the networks, and the loop also runs without them.
"""

import dataclasses
import json
import math
from dataclasses import dataclass

from aif_ros.control.agent import Action, Observation
from aif_ros.types.frame import Window


@dataclass(frozen=True)
class Evidence:
    """One observation of the agent, named by the frames that it comes from.

    Attributes:
        stamp: of I(t), nanoseconds.
        fused_stamp: of the newest frame in J(t), nanoseconds.
        position: lens position of I(t), metres.
    """

    stamp: int
    fused_stamp: int
    position: float


@dataclass(frozen=True)
class DecisionRecord:
    """One decision.

    Attributes:
        number: of the decision, from 1 since the agent began.
        stamp: when it was made and the lens was sent off, nanoseconds.
        evidence: what the agent was shown, the newest last.
        target: next lens position, metres; None: stop.
        window: where the agent focuses, pixels; None: nowhere in particular.
        reason: for people.
        remaining: see `Action`; None: no estimate.
    """

    number: int
    stamp: int
    evidence: tuple[Evidence, ...]
    target: float | None
    window: Window | None
    reason: str
    remaining: float | None

    @classmethod
    def of(cls, number: int, stamp: int, seen: Observation, action: Action) -> "DecisionRecord":
        """Return the record of an agent's `action` at `stamp` on what it has `seen`."""
        return cls(
            number,
            stamp,
            tuple(
                Evidence(new.stamp, new.fused_stamp, new.position) for new in seen.new_observations
            ),
            action.position,
            action.window,
            action.reason,
            None if math.isnan(action.remaining) else action.remaining,
        )

    def to_json(self) -> str:
        """Return the JSON object with a field for each attribute."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "DecisionRecord":
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no such object.
        """
        try:
            content = json.loads(text)
            window = content["window"]
            return cls(
                number=int(content["number"]),
                stamp=int(content["stamp"]),
                evidence=tuple(Evidence(**each) for each in content["evidence"]),
                target=content["target"],
                window=None if window is None else Window(**window),
                reason=str(content["reason"]),
                remaining=content["remaining"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a decision: {text[:80]!r}") from error
