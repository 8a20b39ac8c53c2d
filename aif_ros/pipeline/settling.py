"""Settle detection: whether the lens has completed its last command."""

from aif_ros.pipeline.clock_jump import jumped_back
from aif_ros.types.frame import LensState

MESSAGE_REACTION = 2.0
"""Reaction timeout where commands are messages, seconds: on a busy computer they can be slow."""


class SettleDetector:
    """Follows a lens by its reported states.

    Args:
        tolerance: distance from the commanded position that counts as arrived, metres; see
            `LensModel.position_resolution`.
        reaction_timeout: seconds after a command until a lens that has neither moved nor arrived
            counts as settled. 0 where the lens is queried directly; more where commands are
            messages that take time.

    Example:
        >>> lens = SettleDetector(tolerance=1e-6, reaction_timeout=0.0)
        >>> lens.command(0.5e-3, now=0)
        >>> lens.observe(LensState(stamp=10, position=0.2e-3, moving=True))
        >>> lens.settled_at is None
        True
        >>> lens.observe(LensState(stamp=20, position=0.5e-3, moving=False))
        >>> lens.settled_at
        20
    """

    def __init__(self, tolerance: float, *, reaction_timeout: float) -> None:
        self._tolerance = tolerance
        self._reaction_timeout = round(reaction_timeout * 1e9)
        self.commanded_at = 0
        """When the last command was given, nanoseconds; 0: none yet."""
        self._moved = False
        self.ignored = 0
        """Number of commands in a row after which the lens neither moved nor arrived."""
        self.target: float | None = None
        """Last commanded position, metres."""
        self.state: LensState | None = None
        """Newest state; None before the first."""
        self.settled_at: int | None = None
        """Stamp of the first state at rest after the last command, nanoseconds; None: not settled.

        0 if the lens has neither been commanded nor seen in motion yet.
        """

    def command(self, position: float, now: int) -> None:
        """Note that the lens was sent to `position` (metres) at `now` (nanoseconds)."""
        self.target = position
        self.commanded_at = now
        self._moved = False
        self.settled_at = None

    def release(self) -> None:
        """Forget the last command, because something else has moved the lens."""
        self.target = None
        self._moved = True
        self.settled_at = None

    def observe(self, state: LensState) -> None:
        """Add a state; restarts where the clock has jumped back."""
        if self.state is not None and jumped_back(self.state.stamp, state.stamp):
            self.state, self.commanded_at = None, 0
            self.release()
        first = self.state is None
        self.state = state
        if state.stamp <= self.commanded_at:
            return
        if state.moving:
            self._moved = True
            self.settled_at = None
        elif self.settled_at is None and (first or self._has_ended(state)):
            obeyed = self._moved or self.target is None or self._has_arrived(state, self.target)
            self.ignored = 0 if obeyed else self.ignored + 1
            always = first and self.target is None and not self._moved
            self.settled_at = 0 if always else state.stamp

    def _has_ended(self, state: LensState) -> bool:
        return (
            self._moved
            or self.target is None
            or self._has_arrived(state, self.target)
            or state.stamp - self.commanded_at > self._reaction_timeout
        )

    def _has_arrived(self, state: LensState, target: float) -> bool:
        return abs(state.position - target) <= self._tolerance
