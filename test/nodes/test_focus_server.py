"""The searches of the autofocus node, without ROS: time passes as the test says."""

from types import SimpleNamespace

import numpy as np
import pytest

from aif_ros.autofocus.search import Decision, FocusMeasurement, FocusRun
from aif_ros.nodes import focus_server
from aif_ros.nodes.focus_server import FocusServer
from aif_ros.nodes.topics import AUTOFOCUS_BUSY, FOCUS_CURVE, LENS_COMMANDS
from aif_ros.nodes.watchdog import NO_LENS_STATE
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.types.frame import Frame, LensState, Window

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 20e3, 64)
SIZE = (64, 48)
MILLISECOND = 1_000_000


class Search:
    """Looks at two places and takes the second."""

    def __init__(self):
        self.shapes, self.limits = [], None

    def begin(self, position, limits, image_width):
        self.measurements, self.limits = [], limits
        self._ahead = [3e-4, 6e-4]

    def update(self, patch, position):
        self.shapes.append(patch.shape)
        self.measurements.append(FocusMeasurement(position, float(patch.mean())))
        if self._ahead:
            return Decision(self._ahead.pop(0), False, None, "looking")
        return Decision(position, True, True, "found")


class Node:
    """What a focus server needs of its node."""

    executor = None

    def __init__(self):
        self.seconds = 10.0
        self.parameters = {
            "search": "fibonacci",
            "device": "cpu",
            "window_size": 32,
            "bits_per_sample": 0,
            "camera_backend": "device",
            "search_timeout": 60.0,
        }
        self.published = []
        self.warnings, self.notes = [], {}
        self.diagnostics = SimpleNamespace(warn=self.warnings.append, note=self.notes.__setitem__)

    def publisher(self, topic):
        return SimpleNamespace(publish=lambda value: self.published.append((topic.name, value)))

    def value(self, name):
        return self.parameters[name]

    def now(self):
        return round(self.seconds * 1e9)

    def listening(self):
        return self.seconds

    def sent(self, topic):
        return [value for name, value in self.published if name == topic.name]


class World:
    """A focus server, and a lens that goes where it is sent."""

    def __init__(self, monkeypatch):
        self.node, self.searches = Node(), []
        clock = SimpleNamespace(monotonic=lambda: self.node.seconds)
        monkeypatch.setattr(focus_server, "time", clock)
        monkeypatch.setattr(focus_server, "make_search", self._make_search)
        self.server = FocusServer(self.node, LENS)
        self.server.start()
        self.position = 0.0
        self.follows = True

    def _make_search(self, name, lens_model, device):
        assert (name, device) == ("fibonacci", "cpu")
        self.searches.append(Search())
        return self.searches[-1]

    def state(self, moving):
        self.server.observe(LensState(self.node.now(), self.position, moving))

    def step(self, seconds=0.1):
        """A state, a frame exposed after it, and whatever the lens is sent to do."""
        self.node.seconds += seconds
        self.state(False)
        before = len(self.node.sent(LENS_COMMANDS))
        # Another image at each position: the lens is seen to move.
        random = np.random.default_rng(round(1e6 * self.position))
        image = random.integers(0, 256, SIZE[::-1], np.uint8)
        frame = Frame(image, self.node.now() + MILLISECOND, self.position, 0.0)
        self.server.advance(frame)
        commands = self.node.sent(LENS_COMMANDS)
        if len(commands) > before and self.follows:
            self.node.seconds += 0.01
            self.state(True)
            self.position = commands[-1]

    def run(self, steps=30):
        """Steps until the search has ended; returns its outcome."""
        search = self.server.begin()
        for _ in range(steps):
            if not self.server.searching:
                break
            self.step()
        return search.outcome.result()


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_a_search_ends_where_it_found_focus(world):
    focused, reason = world.run()
    assert focused
    assert reason.startswith("found")
    assert world.position == pytest.approx(6e-4)
    assert world.node.sent(LENS_COMMANDS)[:2] == [3e-4, 6e-4]
    assert world.node.sent(AUTOFOCUS_BUSY) == [False, True, False]
    assert [len(curve) for curve in world.node.sent(FOCUS_CURVE)] == [1, 2, 3]
    assert world.node.notes["last search"] == reason
    assert world.node.warnings == []


def test_one_at_a_time_and_another_after_it(world):
    assert world.server.begin() is not None
    assert world.server.begin() is None
    world.server.cancel()
    world.step()
    assert not world.server.searching
    assert world.run()[0]


def test_cancelling_without_a_search_does_nothing(world):
    assert not world.server.cancel()
    focused, reason = world.run()
    assert focused
    assert reason.startswith("found")


def test_what_ends_a_search_is_its_reason_and_a_warning(world):
    search = world.server.begin()
    assert world.server.cancel()
    world.step()
    assert search.outcome.result() == (False, "cancelled")
    assert world.node.warnings == ["cancelled"]
    assert world.node.sent(LENS_COMMANDS) == []


def test_a_fault_before_a_search_does_not_end_it(world):
    world.server.fault("the lens has stalled")
    focused, reason = world.run()
    assert focused
    assert reason.startswith("found")


def test_a_fault_ends_the_search_but_its_end_does_not(world):
    search = world.server.begin()
    world.server.fault("")
    world.step()
    assert world.server.searching
    world.server.fault("the lens has stalled")
    world.step()
    assert search.outcome.result() == (False, "the lens has stalled")


def test_time_is_limited(world):
    world.node.parameters["search_timeout"] = 5.0
    world.follows = False
    search = world.server.begin()
    for _ in range(6):
        assert world.server.searching
        world.node.seconds += 0.99
        world.state(True)
        world.server.advance(None)
    assert search.outcome.result() == (False, "given up after 5 s")


def test_a_silent_lens_ends_it(world):
    search = world.server.begin()
    world.node.seconds += 2.9
    world.server.advance(None)
    assert world.server.searching
    world.node.seconds += 0.2
    world.server.advance(None)
    assert search.outcome.result() == (False, NO_LENS_STATE)


def test_states_from_before_the_search_do_not_count(world):
    """The lens has settled before; the search waits for states of its own."""
    for _ in range(5):
        world.state(False)
    world.server.begin()
    frame = Frame(np.zeros((48, 64), np.uint8), world.node.now() + MILLISECOND, 0.0, 0.0)
    world.server.advance(frame)
    assert world.node.sent(LENS_COMMANDS) == []


def test_bad_windows_end_it_with_the_message(world):
    world.server.window = Window(40, 40, 50, 50)
    focused, reason = world.run()
    assert not focused
    assert "does not lie within the image of 64x48" in reason


@pytest.mark.parametrize(
    ("window", "shape"), [(Window(0, 0, 0, 0), (32, 32)), (Window(4, 5, 20, 10), (10, 20))]
)
def test_the_window_is_the_given_one_or_a_square_at_the_centre(world, window, shape):
    world.server.window = window
    world.run()
    assert set(world.searches[0].shapes) == {shape}


def test_limits_of_the_lens_hold_from_the_next_search_on(world):
    world.server.keep_to((0.0, 8e-4))
    world.run()
    world.server.keep_to((0.0, 1.0))
    world.run()
    assert [search.limits for search in world.searches] == [(0.0, 8e-4), (0.0, 1.5e-3)]


def test_the_reason_of_a_search_in_doubt_names_the_doubt(world, monkeypatch):
    run = FocusRun(6e-4, True, "found", [], "the image does not change")
    monkeypatch.setattr(focus_server.FocusStep, "advance", lambda step, frame: None)
    search = world.server.begin()
    search.step.run = run
    world.step()
    assert search.outcome.result() == (True, "found; the image does not change")


def test_stopping_ends_the_search_and_accepts_no_more(world):
    search = world.server.begin()
    world.server.stop()
    assert search.outcome.result() == (False, "the node is being deactivated")
    assert not world.server.active
    world.server.stop()
    assert world.node.sent(AUTOFOCUS_BUSY) == [False, True, False]


def maps(sharp):
    """Of a window at its focus, or 0.4 mm beside it."""
    cell = (0.0, 1e-5, 0.9, 0.1) if sharp else (4e-4, 1e-5, 0.1, 0.1)
    return DefocusMaps(np.full((3, 4, 4), cell, np.float32), stamp=0)


class TestContinuous:
    def watch(self, world, *, sharp, times=10):
        for _ in range(times):
            world.node.seconds += 0.5
            world.server.watch(maps(sharp), SIZE)

    def test_a_blurred_window_is_searched(self, world):
        world.server.continuous = True
        self.watch(world, sharp=True)
        assert not world.server.searching
        self.watch(world, sharp=False)
        assert world.server.searching

    def test_only_when_it_is_switched_on(self, world):
        self.watch(world, sharp=False)
        assert not world.server.searching
