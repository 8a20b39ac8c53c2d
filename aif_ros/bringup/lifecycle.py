"""Takes the nodes of a graph through their lifecycle, in order.

As a program it is the lifecycle manager of the launch file:
``python -m aif_ros.bringup.lifecycle NAMESPACE NODE...`` ends with code 0 when all nodes are
active, and with code 1 and a line where one cannot be configured or activated.
"""

import sys
import time
from collections.abc import Sequence

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.task import Future

from aif_ros.bringup.graph import BringupError, Graph, NodeSpec
from aif_ros.bringup.observer import RunningGraph, observe
from aif_ros.process.interrupts import raising_interrupts
from aif_ros.process.parent import end_with_parent

# Seconds that a node may take to appear, and for a transition (it may load networks).
_APPEARANCE, _TRANSITION = 60.0, 120.0
# Seconds after which a response may be lost, and the node is asked for its state.
_RESPONSE = 5.0
# The transition that leads to a state, and its name.
_TRANSITIONS = {
    State.PRIMARY_STATE_INACTIVE: (Transition.TRANSITION_CONFIGURE, "configured"),
    State.PRIMARY_STATE_ACTIVE: (Transition.TRANSITION_ACTIVATE, "activated"),
}


class TransitionError(BringupError):
    """A node could not be configured or activated.

    Attributes:
        node: its name.
    """

    def __init__(self, node: str, what: str) -> None:
        super().__init__(f"{node} could not be {what}")
        self.node = node


def bring_up(running: RunningGraph) -> None:
    """Configure all nodes at once, then activate them one after the other.

    Raises:
        TransitionError: a node could not be configured or activated; it has logged why.
        BringupError: a node did not appear.
    """
    graph = running.graph
    clients = {
        node.name: running.node.create_client(ChangeState, f"{graph.full_name(node)}/change_state")
        for node in graph.nodes
    }
    try:
        if not running.spin_until(
            lambda: all(client.service_is_ready() for client in clients.values()), _APPEARANCE
        ):
            missing = [name for name, each in clients.items() if not each.service_is_ready()]
            raise BringupError(f"{', '.join(missing)} did not appear in {_APPEARANCE:g} s")
        futures = {
            name: _request(client, Transition.TRANSITION_CONFIGURE)
            for name, client in clients.items()
        }
        for name, future in futures.items():
            _await_state(running, name, future, clients[name], State.PRIMARY_STATE_INACTIVE)
        for name, client in clients.items():
            future = _request(client, Transition.TRANSITION_ACTIVATE)
            _await_state(running, name, future, client, State.PRIMARY_STATE_ACTIVE)
    finally:
        for client in clients.values():
            running.node.destroy_client(client)


def _await_state(
    running: RunningGraph, name: str, future: Future, client: Client, goal: int
) -> None:
    """Wait until the node has come to the state `goal`.

    On a busy computer a response can get lost while the participants are still discovering each
    other ("client will not receive response" in the node's log): then the node's state counts.
    """
    transition, what = _TRANSITIONS[goal]
    deadline = time.monotonic() + _TRANSITION
    states = running.node.create_client(GetState, client.srv_name.replace("change", "get"))
    try:
        while not running.spin_until(future.done, _RESPONSE):
            state = states.call_async(GetState.Request())
            responded = running.spin_until(state.done, _RESPONSE)
            if responded and state.result().current_state.id == goal:
                return
            if time.monotonic() > deadline:
                break
            if responded:
                future = _request(client, transition)
    finally:
        running.node.destroy_client(states)
    if not future.done() or not future.result().success:
        raise TransitionError(name, what)


def _request(client: Client, transition: int) -> Future:
    request = ChangeState.Request()
    request.transition.id = transition
    return client.call_async(request)


def main(arguments: Sequence[str]) -> int:
    """Bring up the nodes that a launch file has started.

    Args:
        arguments: namespace (may be empty) and names of the nodes, in the order of activation.

    Returns:
        The exit code.
    """
    namespace, *names = arguments
    graph = Graph(tuple(NodeSpec(name, "") for name in names), namespace, ())
    try:
        with raising_interrupts(), observe(graph) as running:
            bring_up(running)
    except BringupError as error:
        print(f"{error}: see its message above", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    print(f"{', '.join(names)} are active", flush=True)
    return 0


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1:]))
