"""What starts and stops the loop: services of the focus controller, and a new J."""

from std_srvs.srv import Trigger

from aif_ros.nodes.loop_node import LoopNode
from aif_ros.nodes.loop_state import FAULT, IDLE, RUNNING, STOPPED
from aif_ros.nodes.topics import FUSION_EPOCH
from aif_ros.nodes.trigger import offer_trigger

# Seconds between two checks whether fusion can be reset, where it could not be.
_AGAIN = 0.25


def offer_loop_services(node: LoopNode) -> None:
    """Offer `focus_controller/start`, `stop` and `reset` until the node is deactivated."""
    reset_fusion = node.client(Trigger, "fusion/reset")
    is_due = False

    def reset_fusion_if_due() -> None:
        # A node that has just been started may not have discovered the others yet. Without a new J
        # the loop would wait for ever: in a static scene J does not change where the lens rests.
        nonlocal is_due
        if is_due and reset_fusion.service_is_ready():
            is_due = False
            reset_fusion.call_async(Trigger.Request())

    def start() -> tuple[bool, str]:
        """Run the loop; after the agent has stopped, with a new agent; after a fault, reset."""
        with node.lock:
            if node.state.state == FAULT:
                # What was fused until then was captured with a lens that did not move.
                return reset()
            if node.state.state == STOPPED:
                node.begin()
            node.enter(RUNNING, "started")
        return True, "the loop runs"

    def stop() -> tuple[bool, str]:
        """Stop the loop; the lens stays where it is."""
        with node.lock:
            node.enter(IDLE, "switched off")
        return True, "the loop is switched off"

    def reset() -> tuple[bool, str]:
        """Discard everything, J included, and run the loop."""
        with node.lock:
            node.begin(not_before=node.now())
            node.enter(RUNNING, "restarted")
        nonlocal is_due
        is_due = True
        reset_fusion_if_due()
        if is_due:
            return False, "the loop waits for a new J: fusion/reset is not available yet"
        return True, "the loop was restarted"

    node.every(_AGAIN, reset_fusion_if_due)
    offer_trigger(node, "focus_controller/start", start)
    offer_trigger(node, "focus_controller/stop", stop)
    offer_trigger(node, "focus_controller/reset", reset)


def restart_with_fusion(node: LoopNode) -> None:
    """Start again with each new J, which does not contain what was captured for the old one."""
    current: int | None = None

    def take(epoch: int) -> None:
        nonlocal current
        with node.lock:
            before, current = current, epoch
            if before in (None, epoch):
                return
            state = IDLE if node.state.state == IDLE else RUNNING
            node.begin(not_before=epoch)
            node.enter(state, "a new fused image was started")

    node.subscribe(FUSION_EPOCH, take)
