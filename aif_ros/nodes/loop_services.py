"""Services of the focus controller: start, stop and reset the loop."""

from typing import TYPE_CHECKING

from std_srvs.srv import Trigger

from aif_ros.nodes.loop_state import IDLE, RUNNING, STOPPED

if TYPE_CHECKING:
    from aif_ros.nodes.focus_controller_node import FocusControllerNode


def offer_loop_services(node: "FocusControllerNode") -> None:
    """Offer `focus_controller/start`, `stop` and `reset` until the node is deactivated."""
    reset_fusion = node.client(Trigger, "fusion/reset")

    def start() -> tuple[bool, str]:
        """Run; after the agent has stopped, with an agent that has forgotten everything."""
        with node.lock:
            if node.state.state == STOPPED:
                node.begin()
            node.enter(RUNNING, "started")
        return True, "the loop runs"

    def stop() -> tuple[bool, str]:
        """Leave the lens where it is."""
        with node.lock:
            node.enter(IDLE, "switched off")
        return True, "the loop is switched off"

    def reset() -> tuple[bool, str]:
        """Forget everything, J included, and run."""
        with node.lock:
            node.begin(not_before=node.now())
            node.enter(RUNNING, "begun anew")
        if not reset_fusion.service_is_ready():
            return False, "the loop begins anew, but fusion/reset is not there"
        reset_fusion.call_async(Trigger.Request())
        return True, "the loop begins anew"

    node.trigger("focus_controller/start", start)
    node.trigger("focus_controller/stop", stop)
    node.trigger("focus_controller/reset", reset)
