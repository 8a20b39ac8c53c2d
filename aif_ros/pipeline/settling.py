"""Has the lens obeyed: from a command to the lens at rest."""

from aif_ros.types.frame import LensState

HALF_STEP = 0.51
"""So many motor steps may a lens rest from where it was sent: it rests at whole steps only."""


class SettleDetector:
    """Follows a lens by its reports.

    Args:
        tolerance: distance from the commanded position that counts as having arrived, metres.
        reaction_timeout: seconds after which a lens that has not moved will not move any more;
            on a busy machine, a command can take long to get there.
    """

    def __init__(self, tolerance: float, *, reaction_timeout: float = 2.0) -> None:
        self._tolerance = tolerance
        self._reaction_timeout = round(reaction_timeout * 1e9)
        self._commanded_at = 0
        self._moved = False
        self.target: float | None = None
        """Last commanded position, metres."""
        self.state: LensState | None = None
        """Last report."""
        self.settled_at: int | None = None
        """When the lens was first seen at rest after the last command, nanoseconds, or None.

        0 if it has never been commanded nor seen in motion: all that is known of it still holds.
        """

    def command(self, position: float, now: int) -> None:
        """Note that the lens was sent to `position` (metres) at `now` (nanoseconds)."""
        self.target = position
        self._commanded_at = now
        self._moved = False
        self.settled_at = None

    def release(self) -> None:
        """Forget the last command: somebody else has moved the lens."""
        self.target = None
        self._moved = True
        self.settled_at = None

    def observe(self, state: LensState) -> None:
        """Take in what the lens reports."""
        first = self.state is None
        self.state = state
        if state.stamp <= self._commanded_at:
            return
        if state.moving:
            self._moved = True
            self.settled_at = None
        elif self.settled_at is None and (first or self._has_ended(state)):
            self.settled_at = 0 if first and self.target is None else state.stamp

    def _has_ended(self, state: LensState) -> bool:
        return (
            self._moved
            or self.target is None
            or abs(state.position - self.target) <= self._tolerance
            or state.stamp - self._commanded_at > self._reaction_timeout
        )
