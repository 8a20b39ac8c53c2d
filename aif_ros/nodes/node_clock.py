"""The clock of a node, for devices: real time, or simulated time with use_sim_time."""

import time

from aif_ros.nodes.pipeline_node import PipelineNode

# Seconds between two reads of a simulated clock.
_POLL = 0.005


class NodeClock:
    """A `Clock` that follows the node's.

    Args:
        node: whose clock it is.
    """

    def __init__(self, node: PipelineNode) -> None:
        self._node = node

    def now(self) -> int:
        """Return the time, nanoseconds."""
        return self._node.now()

    def sleep(self, seconds: float) -> None:
        """Wait; no longer than until the node's workers must end."""
        if seconds <= 0:
            return
        if not self._node.value("use_sim_time"):
            time.sleep(seconds)
            return
        end = self.now() + round(seconds * 1e9)
        while self.now() < end and not self._node.workers.stopping:
            self._node.workers.pause(_POLL)
