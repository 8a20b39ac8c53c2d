"""What the loop waits for, once it has waited too long."""

from collections.abc import Callable

from aif_ros.nodes.loop_state import RUNNING, WAITING, LoopState
from aif_ros.pipeline.control_step import Missing

CHECK_PERIOD = 0.25
"""Seconds between two checks of what is late: short beside the parameter `patience`."""
NO_LENS_STATE = "no lens state comes: see that the lens node is active and the lens answers"
"""Message about a lens that is silent."""
_LATE = {
    Missing.SETTLED_LENS: "the lens does not come to rest",
    Missing.IMAGE_SIZE: "no camera info comes: see that the camera node is active",
    Missing.FRAME_MAPS: "no distance map comes: see that camera and autofocus are active",
    Missing.FUSED_MAPS: "no distance map of the fused image comes: see that fusion is active",
}


class Watchdog:
    """Measures how long lens states and decisions have not come.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._state_came = self._progress = clock()
        self._fault = ""
        self.lens_busy = False
        """Whether the autofocus moves the lens."""

    def state_came(self) -> None:
        """Note that a lens state has come."""
        self._state_came = self._clock()

    def take_fault(self, fault: str) -> None:
        """Note the fault that the lens node reports; empty: none."""
        self._fault = fault

    def progress(self) -> None:
        """Note that a decision was made, or restart the wait."""
        self._progress = self._clock()

    def change(
        self, state: LoopState, missing: Missing | None, patience: float
    ) -> tuple[str, str] | None:
        """Return state and reason to enter: waiting, or running again; None: no change.

        Args:
            state: of the loop.
            missing: what the next decision waits for.
            patience: how long it may wait, seconds.
        """
        if state.state not in (RUNNING, WAITING):
            return None
        late = self._late(missing, patience)
        if late is not None and (state.state, state.reason) != (WAITING, late):
            return WAITING, late
        if late is None and state.state == WAITING:
            return RUNNING, "nothing is late any more"
        return None

    def _late(self, missing: Missing | None, patience: float) -> str | None:
        """Return what is late and what to do about it; None: nothing."""
        if self._fault:
            return self._fault
        if self.lens_busy:
            return "the autofocus has the lens"
        now = self._clock()
        if now - self._state_came > patience:
            return NO_LENS_STATE
        return None if missing is None or now - self._progress <= patience else _LATE[missing]
