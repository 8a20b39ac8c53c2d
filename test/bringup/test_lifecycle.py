"""A node that is brought up by services that the test answers."""

import itertools
from types import SimpleNamespace

import pytest
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.task import Future

from aif_ros.bringup import lifecycle
from aif_ros.bringup.lifecycle import Member, TransitionError

STATES = {
    "unconfigured": State.PRIMARY_STATE_UNCONFIGURED,
    "inactive": State.PRIMARY_STATE_INACTIVE,
    "active": State.PRIMARY_STATE_ACTIVE,
}


class LateClient:
    """A service whose responses come when the test says."""

    def __init__(self):
        self.awaited = []

    def service_is_ready(self):
        return True

    def call_async(self, request):
        self.awaited.append(Future())
        return self.awaited[-1]

    def remove_pending_request(self, future):
        self.awaited.remove(future)


def made():
    """A member, and the clients that ask for its state and change it."""
    clients = LateClient(), LateClient()
    each = iter(clients)
    member = Member(SimpleNamespace(create_client=lambda *_: next(each)), "/ns/camera")
    return member, *clients


def answer(client, state=None, *, success=None):
    """Answer the oldest request of a client."""
    if success is None:
        response = GetState.Response(current_state=State(id=STATES[state]))
    else:
        response = ChangeState.Response(success=success)
    client.awaited.pop(0).set_result(response)


def test_responses_that_come_late_count():
    member, poll, change = made()
    times = itertools.count(1.0, 1.5)  # longer than a response counts as being in time
    for _ in range(3):
        member.step(next(times), may_activate=True)
    unconfigured = State(id=State.PRIMARY_STATE_UNCONFIGURED)
    poll.awaited.pop(0).set_result(GetState.Response(current_state=unconfigured))
    now = next(times)
    member.step(now, may_activate=True)
    assert (member.state, member.answered) == (State.PRIMARY_STATE_UNCONFIGURED, now)
    assert len(change.awaited) == 1
    for _ in range(10):
        member.step(next(times), may_activate=True)
    assert len(poll.awaited) == lifecycle._MOST_AWAITED


def test_a_node_is_configured_and_activated():
    member, poll, change = made()
    member.step(0.0, may_activate=True)
    answer(poll, "unconfigured")
    member.step(0.1, may_activate=True)
    for now in (0.2, 0.3):
        answer(change, success=True)
        member.step(now, may_activate=True)
    assert member.active
    assert not member.starting


def test_a_node_waits_for_those_that_it_needs():
    member, poll, change = made()
    member.step(0.0, may_activate=False)
    answer(poll, "inactive")
    for now in (0.1, 200.0):
        member.step(now, may_activate=False)
    assert change.awaited == []
    member.step(200.1, may_activate=True)
    assert len(change.awaited) == 1


def test_a_transition_that_fails_is_an_error_once_the_state_confirms_it():
    member, poll, change = made()
    member.step(0.0, may_activate=True)
    answer(poll, "unconfigured")
    member.step(0.1, may_activate=True)
    answer(change, success=False)
    member.step(0.2, may_activate=True)
    member.step(0.4, may_activate=True)
    answer(poll, "unconfigured")
    with pytest.raises(TransitionError, match="camera could not be configured"):
        member.step(0.5, may_activate=True)


def test_a_node_that_is_active_stays_as_a_user_sets_it():
    member, poll, change = made()
    member.step(0.0, may_activate=True)
    answer(poll, "active")
    member.step(0.1, may_activate=True)
    member.step(1.0, may_activate=True)
    answer(poll, "inactive")
    member.step(1.1, may_activate=True)
    assert not member.active
    assert change.awaited == []
