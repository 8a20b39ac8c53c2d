"""What the loop publishes of itself, on a node that keeps it."""

import math
import threading
from types import SimpleNamespace

import pytest
from sensor_msgs.msg import CameraInfo

from aif_ros.control.agent import Action, Observation
from aif_ros.nodes.image_reports import subscribe_image_reports
from aif_ros.nodes.loop_state import FAULT, IDLE, RUNNING, STOPPED, WAITING, LoopState
from aif_ros.nodes.loop_status import LoopStatus
from aif_ros.nodes.topics import (
    CONTROL_STATUS,
    CONTROL_WINDOW,
    DECISION,
    IMAGE_DOUBT,
    IMAGE_FAULT,
    LEFT_OUT,
    LOOP_STATE,
    REMAINING_DEFOCUS,
)
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import Window

TARGET = 5e-4
STUCK = "the image does not change"


class Node:
    """Keeps what is published on each topic; `hear` passes on what comes on one."""

    def __init__(self):
        self.published, self.logged, self._callbacks = {}, [], {}
        self.lock = threading.RLock()
        self.diagnostics = SimpleNamespace(clear=lambda: self.logged.append("cleared"))

    def publisher(self, topic):
        heard = self.published.setdefault(topic.name, [])
        return SimpleNamespace(publish=heard.append)

    def lazy_publisher(self, topic):
        return SimpleNamespace(wanted=False)

    def subscribe(self, topic, callback):
        self._callbacks[topic.name] = callback

    def hear(self, topic, value):
        self._callbacks[topic.name](value)

    def get_logger(self):
        return SimpleNamespace(warning=self.logged.append, error=self.logged.append)

    def get_fully_qualified_name(self):
        return "/ns/focus_controller"

    def newest(self, topic):
        return self.published[topic.name][-1]


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def status(node):
    status = LoopStatus(node, LoopState(RUNNING, "started", "sweep"), "lens")
    status.start()
    subscribe_image_reports(node, status, lambda: TARGET)
    return status


def test_each_state_is_published_for_programs_and_for_people(node, status):
    status.enter(IDLE, "switched off", TARGET)
    state = node.newest(LOOP_STATE)
    assert (state.state, state.reason, state.target) == (IDLE, "switched off", TARGET)
    readable = node.newest(CONTROL_STATUS)
    assert (readable.name, readable.message) == ("ns/focus_controller", "switched off")


def test_what_is_late_is_logged_and_then_cleared(node, status):
    status.enter(WAITING, "no lens state comes", None)
    status.enter(RUNNING, "nothing is late any more", None)
    assert node.logged == ["no lens state comes", "cleared"]
    assert status.runs


def test_the_end_is_that_of_the_agent(node, status):
    status.end("all is in focus", TARGET)
    assert node.newest(LOOP_STATE).state == STOPPED
    assert not status.runs


@pytest.mark.parametrize("first", ["report", "end"])
def test_a_report_that_the_lens_does_not_move_makes_the_end_a_fault(node, status, first):
    """In whatever order both come."""
    steps = {
        "report": lambda: node.hear(IMAGE_FAULT, STUCK),
        "end": lambda: status.end("all is in focus", TARGET),
    }
    for name in sorted(steps, key=lambda name: name != first):
        steps[name]()
    state = node.newest(LOOP_STATE)
    assert (state.state, state.reason, state.target) == (FAULT, STUCK, TARGET)


def test_a_report_leaves_a_loop_that_runs_alone(node, status):
    node.hear(IMAGE_FAULT, STUCK)
    assert node.newest(LOOP_STATE).state == RUNNING


@pytest.mark.parametrize("first", ["report", "end"])
def test_a_doubt_belongs_to_the_end(node, status, first):
    steps = {
        "report": lambda: node.hear(IMAGE_DOUBT, "too few images"),
        "end": lambda: status.end("all is in focus", TARGET),
    }
    for name in sorted(steps, key=lambda name: name != first):
        steps[name]()
    assert node.newest(LOOP_STATE).doubt == "too few images"
    status.begin(LoopState(RUNNING, "started", "sweep"))
    status.end("all is in focus", TARGET)
    assert node.newest(LOOP_STATE).doubt == ""


def test_frames_that_are_left_out_are_kept_when_the_agent_begins_again(node, status):
    left_out = LeftOut((1e-4,), ("it shows nothing",))
    node.hear(LEFT_OUT, left_out)
    status.begin(LoopState(RUNNING, "started", "planner"))
    status.enter(RUNNING, "started", None)
    assert node.newest(LOOP_STATE).left_out == left_out


def test_a_decision_is_published_with_what_it_was_based_on(node, status):
    info = CameraInfo(width=640, height=480)
    info.k[0] = info.k[4] = 500.0
    status.take_info(info)
    seen = Observation(None, None, None, 3e-4, 10, (), 9)
    window = Window(8, 8, 40, 30)
    status.decided(1, 20, seen, Action(TARGET, window, "there", math.nan), 1)
    status.enter(RUNNING, "there", TARGET)
    decision = node.newest(DECISION)
    assert (decision.number, decision.stamp, decision.target) == (1, 20, TARGET)
    assert math.isnan(node.newest(REMAINING_DEFOCUS))
    state = node.newest(LOOP_STATE)
    assert (state.frames_captured, state.position, state.stamp) == (1, 3e-4, 10)
    assert (state.window, state.remaining_defocus) == (window, None)
    assert len(node.newest(CONTROL_WINDOW).polygon.points) == 4
    # After the stop, the lens is still focused where it was focused last.
    status.decided(2, 30, seen, Action(None, None, "end", 0.0), 2)
    assert len(node.newest(CONTROL_WINDOW).polygon.points) == 4
    status.begin(LoopState(RUNNING, "started", "sweep"))
    assert len(node.newest(CONTROL_WINDOW).polygon.points) == 0
