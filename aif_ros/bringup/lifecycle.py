"""The lifecycle of one node as seen from outside: its state, and the transitions to active."""

from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from aif_ros.bringup.graph import BringupError

# Seconds between two requests for the state of a node: that is being brought up, that is active.
_POLL_STARTING, _POLL_ACTIVE = 0.1, 0.5
# Seconds after which the response with a state counts as lost; of a node that is being brought up,
# this share of the time that it has taken so far, at least as long as a quick response takes: while
# participants discover each other, responses get lost ("client will not receive response").
_STATE_RESPONSE, _LOST_SHARE, _QUICK_RESPONSE = 1.0, 0.25, 0.2
# Requests whose responses are awaited at the same time, at most: late ones count, too.
_MOST_AWAITED = 5
# Seconds after which a transition is requested again: its response may have got lost, too.
_CHANGE_RESPONSE = 5.0
# Seconds that a transition may take (it may load networks).
_TRANSITION = 120.0
# The transition that leads on from a state, its name, and the state that it leads to.
_TRANSITIONS = {
    State.PRIMARY_STATE_UNCONFIGURED: (
        Transition.TRANSITION_CONFIGURE,
        "configured",
        State.PRIMARY_STATE_INACTIVE,
    ),
    State.PRIMARY_STATE_INACTIVE: (
        Transition.TRANSITION_ACTIVATE,
        "activated",
        State.PRIMARY_STATE_ACTIVE,
    ),
}


class TransitionError(BringupError):
    """A node could not be configured or activated.

    Attributes:
        node: its name.
    """

    def __init__(self, node: str, what: str) -> None:
        super().__init__(f"{node} could not be {what}")
        self.node = node


class _Call:
    """Calls a service, and again where no response has come in time.

    A response that comes later, as on a busy computer, counts as well.
    """

    def __init__(self, client: Client, timeout: float) -> None:
        self._client = client
        self.timeout = timeout
        self._futures: list[Future] = []
        self.pending = False
        """Whether a response is awaited that is not late."""
        self.sent_at = -timeout

    def send(self, request: Any, now: float) -> bool:
        """Send a request; false if there is no such service."""
        if not self._client.service_is_ready():
            return False
        while len(self._futures) >= _MOST_AWAITED:
            self._client.remove_pending_request(self._futures.pop(0))
        self._futures.append(self._client.call_async(request))
        self.pending, self.sent_at = True, now
        return True

    def take(self, now: float) -> Any | None:
        """Return the response to the last request, or to one before, if it has come."""
        done = [future for future in self._futures if future.done()]
        if done:
            self._futures.remove(done[-1])
            self.drop()
            return done[-1].result()
        self.pending = self.pending and now - self.sent_at <= self.timeout
        return None

    def drop(self) -> None:
        """Await no response any more."""
        while self._futures:
            self._client.remove_pending_request(self._futures.pop())
        self.pending = False


class Member:
    """A node of the graph, taken through its lifecycle without waiting for anything.

    Args:
        node: that calls the services.
        full_name: of the observed node, with its namespace.
    """

    def __init__(self, node: Node, full_name: str) -> None:
        self.full_name = full_name
        self.name = full_name.rpartition("/")[2]
        self._poll = _Call(node.create_client(GetState, f"{full_name}/get_state"), _STATE_RESPONSE)
        self._change = _Call(
            node.create_client(ChangeState, f"{full_name}/change_state"), _CHANGE_RESPONSE
        )
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Bring the node up: it has just been started."""
        self._poll.drop()
        self._change.drop()
        self._change.sent_at = now
        self.state: int | None = None
        """Of `lifecycle_msgs.msg.State`, as reported last; None: unknown."""
        self.starting = True
        """Whether it is being brought up. Afterwards a user may change its state."""
        self.appeared = False
        """Whether it has reported a state."""
        self.answered = now
        """When it reported its state last, or was heard otherwise, seconds."""
        self._begun = self._progress = now
        self._refused: int | None = None

    @property
    def active(self) -> bool:
        """Whether it is active, as far as known."""
        return bool(self.state == State.PRIMARY_STATE_ACTIVE)

    def step(self, now: float, *, may_activate: bool) -> None:
        """Take in responses and send the next requests.

        Args:
            now: seconds of any clock.
            may_activate: whether the nodes that it needs are active.

        Raises:
            TransitionError: it could not be configured or activated; it has logged why.
        """
        taken = _LOST_SHARE * (now - self._begun) if self.starting else _STATE_RESPONSE
        self._poll.timeout = min(max(taken, _QUICK_RESPONSE), _STATE_RESPONSE)
        response = self._poll.take(now)
        if response is not None:
            self._enter(response.current_state.id, now)
        period = _POLL_STARTING if self.starting else _POLL_ACTIVE
        if not self._poll.pending and now - self._poll.sent_at >= period:
            self._poll.send(GetState.Request(), now)
        if self.starting:
            self._advance(now, may_activate)

    def _enter(self, state: int, now: float) -> None:
        if state == self._refused:
            raise TransitionError(self.name, _TRANSITIONS[state][1])
        self._refused = None
        if state != self.state:
            self._change.drop()
            self._progress = now
        self.state, self.answered, self.appeared = state, now, True
        if self.active:
            self.starting = False

    def _advance(self, now: float, may_activate: bool) -> None:
        response = self._change.take(now)
        if response is not None and response.success and self.state in _TRANSITIONS:
            # A state that was asked for before may be older.
            self._poll.drop()
            self._enter(_TRANSITIONS[self.state][2], now)
        elif response is not None and self.state is not None:
            # It was refused; or a response got lost, and this was the second request. The state
            # as of now says which.
            self._refused, self.state = self.state, None
            self._poll.drop()
        if self.state in _TRANSITIONS:
            transition, what, _ = _TRANSITIONS[self.state]
            waits = transition == Transition.TRANSITION_ACTIVATE and not may_activate
            if waits:
                self._progress = now
            elif now - self._progress > _TRANSITION:
                raise TransitionError(self.name, f"{what} in {_TRANSITION:g} s")
            elif not self._change.pending and self.answered >= self._change.sent_at:
                # It has responded since the last request: it is not in the transition.
                request = ChangeState.Request()
                request.transition.id = transition
                self._change.send(request, now)
