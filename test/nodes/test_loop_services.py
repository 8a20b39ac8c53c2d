"""What starts and stops the loop, on a node that notes what it is asked to do."""

import threading
from types import SimpleNamespace

import pytest
from std_srvs.srv import Trigger

from aif_ros.nodes.loop_services import offer_loop_services, restart_with_fusion
from aif_ros.nodes.loop_state import FAULT, IDLE, RUNNING, STOPPED, LoopState

NOW = 7


class Node:
    """Stands in for the node of the loop."""

    def __init__(self, state=RUNNING, *, fusion=True):
        self.lock = threading.RLock()
        self.state = LoopState(state, "as before", "sweep")
        self.done = []
        self.services = {}
        self.fusion = fusion

    def now(self):
        return NOW

    def begin(self, not_before=0):
        self.done.append(("begin", not_before))

    def enter(self, state, reason):
        self.done.append(state)

    def offer(self, service_type, name, callback):
        self.services[name] = callback

    def client(self, service_type, name):
        assert name == "fusion/reset"
        return SimpleNamespace(
            service_is_ready=lambda: self.fusion,
            call_async=lambda request: self.done.append(name),
        )

    def every(self, seconds, callback):
        self.check = callback

    def subscribe(self, topic, callback):
        self.hear = callback

    def call(self, name):
        return self.services[f"focus_controller/{name}"](Trigger.Request(), Trigger.Response())


@pytest.mark.parametrize(
    ("state", "done"),
    [
        (IDLE, [RUNNING]),
        (RUNNING, [RUNNING]),
        (STOPPED, [("begin", 0), RUNNING]),
        # What was fused until then was captured with a lens that did not move.
        (FAULT, [("begin", NOW), RUNNING, "fusion/reset"]),
    ],
)
def test_start(state, done):
    node = Node(state)
    offer_loop_services(node)
    assert node.call("start").success
    assert node.done == done


def test_stop():
    node = Node()
    offer_loop_services(node)
    assert node.call("stop").success
    assert node.done == [IDLE]


def test_reset_begins_with_what_is_exposed_from_now_on():
    node = Node(STOPPED)
    offer_loop_services(node)
    assert node.call("reset").success
    assert node.done == [("begin", NOW), RUNNING, "fusion/reset"]


def test_reset_without_fusion_says_what_is_missing_and_is_made_up_for():
    node = Node(fusion=False)
    offer_loop_services(node)
    response = node.call("reset")
    assert not response.success
    assert "fusion/reset is not available" in response.message
    node.check()
    assert node.done == [("begin", NOW), RUNNING]
    node.fusion = True
    for _ in range(2):
        node.check()
    assert node.done == [("begin", NOW), RUNNING, "fusion/reset"]


@pytest.mark.parametrize(
    ("state", "entered"), [(RUNNING, RUNNING), (STOPPED, RUNNING), (FAULT, RUNNING), (IDLE, IDLE)]
)
def test_the_loop_begins_with_each_new_fused_image(state, entered):
    node = Node(state)
    restart_with_fusion(node)
    for epoch in (3, 3):  # the one that there is
        node.hear(epoch)
    assert node.done == []
    node.hear(5)
    assert node.done == [("begin", 5), entered]
