"""Restarts the loop of a running pipeline."""

from std_srvs.srv import Trigger

from aif_ros.bringup.graph import BringupError
from aif_ros.bringup.observer import RunningGraph

_ANSWER = 10.0
"""Seconds until the focus controller must have been found, and must have answered."""


class LoopRestart:
    """Calls `focus_controller/reset`.

    Args:
        running: observes the pipeline.
    """

    def __init__(self, running: RunningGraph) -> None:
        self._running = running
        self._reset = running.node.create_client(Trigger, "focus_controller/reset")

    def restart(self) -> None:
        """Discard everything, J included, and run the loop; what it published before is forgotten.

        Raises:
            BringupError: the focus controller does not answer.
        """
        running = self._running
        future = None
        if running.spin_until(self._reset.service_is_ready, _ANSWER):
            future = self._reset.call_async(Trigger.Request())
        if future is None or not running.spin_until(future.done, _ANSWER):
            raise BringupError("focus_controller/reset does not answer: is the pipeline active?")
        running.forget()
