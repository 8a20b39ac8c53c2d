"""The node of the loop as its services and its reports see it."""

import threading

from aif_ros.nodes.loop_state import LoopState
from aif_ros.nodes.pipeline_node import PipelineNode


class LoopNode(PipelineNode):
    """A node that runs the loop; its subclass implements what follows."""

    lock: threading.RLock
    """Held by callbacks, which run in several threads where nodes share a process."""

    @property
    def state(self) -> LoopState:
        """State of the loop."""
        raise NotImplementedError

    def begin(self, not_before: int = 0) -> None:
        """Forget all but what is exposed from `not_before` on; the lock is held."""
        raise NotImplementedError

    def enter(self, state: str, reason: str) -> None:
        """Enter a state of the loop; the lock is held."""
        raise NotImplementedError
