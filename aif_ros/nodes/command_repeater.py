"""Repeats the last command to a lens that has returned."""

import time

from aif_ros.pipeline.control_step import Missing

# Seconds for which the command is repeated: the node of the lens may not have been discovered yet.
# Less than a lens has to react (`MESSAGE_REACTION`).
_DURATION = 1.5


class CommandRepeater:
    """Finds that a lens has returned, and when it has to be commanded again.

    A lens has returned when its node was started again, or reports that its fault has gone.
    """

    def __init__(self) -> None:
        self._heard = False
        self._until = 0.0

    def take_fault(self, fault: str) -> bool:
        """Take in the fault of the lens, empty if it has none; return whether it has returned."""
        returned = self._heard and not fault
        self._heard = True
        return returned

    def begin(self) -> None:
        """Repeat the command from now on."""
        self._until = time.monotonic() + _DURATION

    def is_due(self, allowed: bool, missing: Missing | None) -> bool:
        """Whether to repeat the command now; no longer once the lens moves or has arrived.

        Args:
            allowed: whether the lens may be commanded.
            missing: what the loop waits for.
        """
        if time.monotonic() > self._until:
            return False
        if allowed and missing is Missing.SETTLED_LENS:
            return True
        self._until = 0.0
        return False
