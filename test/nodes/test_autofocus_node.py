import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from bench import World, texture
from std_srvs.srv import SetBool, Trigger

from aif_ros.autofocus.search import Decision, FocusMeasurement
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.nodes import autofocus_node, focus_server
from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import (
    AUTOFOCUS_BUSY,
    CAMERA_IMAGE,
    DEPTH_IMAGE,
    DISTANCE_MAP,
    DISTANCE_UNCERTAINTY,
    FOCUS_CURVE,
    FOCUS_MAP,
    FOCUS_WINDOW,
    FUSED_DEFOCUS_MAPS,
    FUSED_DISTANCE_MAP,
    FUSED_DISTANCE_UNCERTAINTY,
    FUSED_IMAGE,
    FUSED_IN_FOCUS,
    IN_FOCUS,
    LEFT_OUT,
    LENS_COMMANDS,
    LENS_FAULT,
    LENS_LIMITS,
    LENS_STATE,
    SOURCE_SAMPLES,
)
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes import planes
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.frame import LensState, Window

SIZE = (640, 480)
FOCUS = 5e-4
SHAPES = []  # of the patches that the search has used


class Estimator:
    """Takes the brightness of a picture for its blur: grey 10 is a radius of 10 px."""

    def estimate(self, image):
        radius = np.full((2, 3), 255.0 * image.mean(), np.float32)
        radius[0, 0] = np.nan
        in_focus = np.where(np.isnan(radius), np.nan, radius < 2.0).astype(np.float32)
        return DefocusMap(
            radius, radius / 10, in_focus, 0 * radius, (image.shape[1], image.shape[0])
        )


LIMITS = {"search": (0.0, 1.5e-3)}
"""Metres that a search gets."""


class Search:
    """Goes to three places and takes the darkest patch for the sharpest."""

    def begin(self, position, limits, image_width):
        self.measurements = []
        self._ahead = [0.0, FOCUS, 1e-3]
        assert limits == LIMITS["search"]
        assert image_width == SIZE[0]

    def update(self, patch, position):
        SHAPES.append(patch.shape)
        self.measurements.append(FocusMeasurement(position, -float(patch.mean())))
        if self._ahead:
            return Decision(self._ahead.pop(0), False, None, "looking")
        best = max(self.measurements, key=lambda each: each.score)
        return Decision(best.position, True, True, "found")


def grey(level, size=SIZE):
    return np.full((size[1], size[0], 3), level, np.uint8)


class EndlessSearch(Search):
    """Looks at two places in turn."""

    def update(self, patch, position):
        self._ahead = [1e-3 if position == FOCUS else FOCUS]
        return super().update(patch, position)


@pytest.fixture
def parts(monkeypatch):
    """Stand-ins for estimator and search."""
    monkeypatch.setattr(autofocus_node, "make_estimator", lambda *_: Estimator())
    monkeypatch.setattr(focus_server, "make_search", lambda *_: Search())


@pytest.fixture
def endless(parts):
    """Searches end only when they are ended, until this is undone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(focus_server, "make_search", lambda *_: EndlessSearch())
        yield patch


class LiveWorld:
    """Camera and lens that run by themselves: the picture is darkest where it is in focus.

    The lens goes `reach` times as far as it is sent.
    """

    def __init__(self, bench, reach=1.0):
        self.reach = reach
        self.bench = bench
        self.position = 0.0
        self.shift = 0.0
        self.moves = []
        self._states, self._images = (
            bench.node.create_publisher(topic.message_type, topic.name, topic.publisher_qos)
            for topic in (LENS_STATE, CAMERA_IMAGE)
        )
        self._heard = bench.listen(LENS_COMMANDS)
        self._timer = bench.node.create_timer(0.01, self._tick)

    def picture(self):
        return grey(int(abs(self.position - FOCUS - self.shift) * 1e5))

    def _tick(self):
        now = self.bench.node.get_clock().now().nanoseconds
        moving = False
        while self._heard:
            self.moves.append(self._heard.pop(0))
            self.position = self.reach * self.moves[-1]
            moving = True
        state = LensState(now, self.position, moving)
        self._states.publish(LENS_STATE.encode(state))
        if not moving:
            # Stamped a little later, so that it lies between two states.
            picture = StampedImage(self.picture(), now + 1, "camera")
            self._images.publish(CAMERA_IMAGE.encode(picture))


class TexturedWorld(LiveWorld):
    """The picture is really blurred; without texture there is nothing to see in it."""

    def __init__(self, bench, textured=True):
        super().__init__(bench)
        flat = np.full((SIZE[1], SIZE[0], 3), 0.5, np.float32)
        self._plane = planes.texture(SIZE, np.random.default_rng(1)) if textured else flat
        self._lens = LensModel.load(DEFAULT_CALIBRATION)
        self._seen = {}

    def picture(self):
        if self.position not in self._seen:
            view = SceneView(self._plane, np.full(SIZE[::-1], FOCUS, np.float32))
            image = render(view, self._lens, self.position)
            self._seen[self.position] = Sensor().expose(image)
        return self._seen[self.position]


# A small window, which takes a loaded computer less time.
NETWORKS = {"search": "neural", "estimator": "neural", "window_size": 128}


class TestNetworks:
    """With the shipped networks, chosen by parameter."""

    def test_focus_a_window_and_map_distances(self, bench):
        bench.active(AutofocusNode, **NETWORKS)
        curve, in_focus = bench.listen(FOCUS_CURVE), bench.listen(IN_FOCUS)
        world = TexturedWorld(bench)
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert answer.success, answer.message
        # Half the depth of field at 640 px is a blur radius of 1 px.
        assert abs(world.position - FOCUS) <= 1 / 15e3
        bench.spin_until(
            lambda: curve and any(abs(each.position - FOCUS) <= 1 / 15e3 for each in curve[-1])
        )
        # Moves that only take up backlash come without an image.
        assert len(curve[-1]) <= 8
        in_focus.clear()
        bench.spin_until(lambda: in_focus)
        # At the limit of the depth of field, where the search may end, both answers are as likely.
        assert np.nanmedian(in_focus[-1].image) > 0.3

    def test_nothing_to_focus_on(self, bench):
        bench.active(AutofocusNode, **NETWORKS)
        world = TexturedWorld(bench, textured=False)
        world.position = 3e-4
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert not answer.success
        assert "nothing to focus on" in answer.message
        assert world.position == pytest.approx(3e-4)

    def test_a_window_too_small_for_them(self, bench):
        bench.active(AutofocusNode, **NETWORKS | {"window_size": 48})
        LiveWorld(bench)
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert not answer.success
        assert "less than 64 x 64 px, got 48 x 48" in answer.message


@pytest.mark.usefixtures("parts")
def test_distance_maps_of_the_picture(bench):
    bench.active(AutofocusNode)
    maps = {topic: bench.listen(topic) for topic in (DISTANCE_MAP, DISTANCE_UNCERTAINTY, IN_FOCUS)}
    stamp = World(bench).frame(grey(15), 0.0)
    bench.spin_until(lambda: all(maps.values()))
    distance, uncertainty, in_focus = (heard[0] for heard in maps.values())
    # 90 px of blur per millimetre of travel at 3840 px, so 15 at 640.
    assert distance.image[1] == pytest.approx([1e-3] * 3, rel=1e-3)
    assert uncertainty.image[1] == pytest.approx([1e-4] * 3, rel=1e-3)
    assert np.isnan(distance.image[0, 0])
    assert in_focus.image[1].tolist() == [0.0] * 3
    assert {each.stamp for each in (distance, uncertainty, in_focus)} == {stamp}
    assert distance.frame_id == "camera"


@pytest.mark.usefixtures("parts")
def test_distance_maps_of_the_fused_picture(bench):
    bench.active(AutofocusNode)
    distances, in_focus = bench.listen(FUSED_DISTANCE_MAP), bench.listen(FUSED_IN_FOCUS)
    maps = bench.listen(FUSED_DEFOCUS_MAPS)
    uncertainty = bench.listen(FUSED_DISTANCE_UNCERTAINTY)
    sources = np.full((96, 128), 3e-4, np.float32)
    bench.talk(FUSED_IMAGE)(StampedImage(grey(1), 77, "camera"))
    bench.talk(SOURCE_SAMPLES)(StampedImage(sources, 77, "camera"))
    bench.spin_until(lambda: distances and in_focus and uncertainty and maps)
    assert uncertainty[0].stamp == 77
    assert (uncertainty[0].image[1] > 0).all()
    assert maps[0].maps.stamp == 77
    assert (maps[0].maps.source_position == np.float32(3e-4)).all()
    assert distances[0].stamp == in_focus[0].stamp == 77
    assert distances[0].image[1] == pytest.approx([1 / 15e3] * 3, rel=1e-3)
    assert in_focus[0].image[1].tolist() == [1.0] * 3


@pytest.mark.usefixtures("parts")
def test_a_late_listener_gets_the_last_map(bench):
    bench.active(AutofocusNode)
    early = bench.listen(DISTANCE_MAP)
    stamp = World(bench).frame(grey(15), 0.0)
    bench.spin_until(lambda: early)
    late = bench.listen(DISTANCE_MAP)
    bench.spin_until(lambda: late)
    assert late[0].stamp == stamp


@pytest.mark.usefixtures("parts")
def test_pictures_taken_in_motion_are_not_judged(bench):
    bench.active(AutofocusNode)
    maps = bench.listen(DISTANCE_MAP)
    world = World(bench)
    world.frame(grey(15), 0.0, moving=True)
    stamp = world.frame(grey(15), 5e-4)
    bench.spin_until(lambda: maps)
    assert [each.stamp for each in maps] == [stamp]


@pytest.mark.usefixtures("parts")
def test_an_unusable_image_is_reported(bench, monkeypatch, diagnostics):
    def estimate(self, image):
        raise ValueError("expected at least 32x32 pixels")

    monkeypatch.setattr(Estimator, "estimate", estimate)
    bench.active(AutofocusNode)
    World(bench).frame(texture((16, 16)), 0.0)
    bench.spin_until(lambda: diagnostics.find("autofocus", "ERROR", "at least 32x32"))


@pytest.mark.usefixtures("parts")
class TestFocusOnce:
    def test_finds_the_focus_and_leaves_the_lens_there(self, bench):
        bench.active(AutofocusNode)
        busy, curve = bench.listen(AUTOFOCUS_BUSY), bench.listen(FOCUS_CURVE)
        bench.spin_until(lambda: busy == [False])
        world = LiveWorld(bench)
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert answer.success
        assert answer.message.startswith("found")
        assert world.position == FOCUS
        bench.spin_until(lambda: busy == [False, True, False])
        bench.spin_until(lambda: curve and len(curve[-1]) == 4)
        assert max(curve[-1], key=lambda each: each.score).position == FOCUS

    def test_uses_the_given_window(self, bench):
        node = bench.active(AutofocusNode)
        LiveWorld(bench)
        SHAPES.clear()
        bench.talk(FOCUS_WINDOW)(Window(10, 20, 50, 40))
        bench.spin_until(lambda: node._searches.window.width == 50)
        assert bench.call(Trigger, "autofocus/focus_once").success
        assert set(SHAPES) == {(40, 50, 3)}

    def test_without_a_window_at_the_centre(self, bench):
        bench.active(AutofocusNode, window_size=64)
        LiveWorld(bench)
        SHAPES.clear()
        assert bench.call(Trigger, "autofocus/focus_once").success
        assert set(SHAPES) == {(64, 64, 3)}

    def test_a_window_outside_the_picture_is_refused(self, bench):
        node = bench.active(AutofocusNode)
        LiveWorld(bench)
        bench.talk(FOCUS_WINDOW)(Window(600, 20, 50, 40))
        bench.spin_until(lambda: node._searches.window.width == 50)
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert not answer.success
        assert "does not lie within the image of 640x480" in answer.message

    def test_a_lens_that_moves_elsewhere_is_reported(self, bench):
        bench.active(AutofocusNode)
        LiveWorld(bench, reach=0.5)
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert not answer.success
        assert "sent to 0.000500 m but rests at 0.000250 m" in answer.message

    def test_gives_up_when_no_picture_comes(self, bench):
        bench.active(AutofocusNode, search_timeout=0.3)
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert not answer.success
        assert "given up after 0.3 s" in answer.message

    def test_one_at_a_time(self, bench, endless):
        bench.active(AutofocusNode)
        LiveWorld(bench)
        client = bench.node.create_client(Trigger, "autofocus/focus_once")
        bench.spin_until(client.service_is_ready)
        first, second = (client.call_async(Trigger.Request()) for _ in range(2))
        bench.spin_until(lambda: first.done() or second.done())
        assert bench.call(Trigger, "autofocus/cancel").success
        bench.spin_until(lambda: first.done() and second.done())
        messages = {each.result().message for each in (first, second)}
        assert messages == {"a search is in progress already", "cancelled"}

    def test_is_announced_before_it_can_end(self, bench):
        searches = bench.active(AutofocusNode)._searches
        publish, announced = searches._busy.publish, []

        def note(busy):
            announced.append((busy, searches.searching))
            publish(busy)

        searches._busy.publish = note
        assert searches.begin() is not None
        assert announced[0] == (True, False)

    def test_can_be_watched_and_cancelled(self, bench, endless):
        bench.active(AutofocusNode)
        curve, world = bench.listen(FOCUS_CURVE), LiveWorld(bench)
        client = bench.node.create_client(Trigger, "autofocus/focus_once")
        bench.spin_until(client.service_is_ready)
        answer = bench.call(Trigger, "autofocus/cancel")
        assert (answer.success, answer.message) == (False, "no search is in progress")
        outcome = client.call_async(Trigger.Request())
        bench.spin_until(lambda: curve)
        assert len(curve[0]) == 1
        assert bench.call(Trigger, "autofocus/cancel").success
        bench.spin_until(outcome.done)
        assert (outcome.result().success, outcome.result().message) == (False, "cancelled")
        moves = len(world.moves)
        bench.spin_for(0.3)
        assert len(world.moves) <= moves + 1
        # The next one is not affected.
        endless.undo()
        assert bench.call(Trigger, "autofocus/focus_once").success

    def test_keeps_to_the_limits_of_the_lens(self, bench, monkeypatch):
        monkeypatch.setitem(LIMITS, "search", (0.0, 8e-4))
        node = bench.active(AutofocusNode)
        world = LiveWorld(bench)
        bench.talk(LENS_LIMITS)(LIMITS["search"])
        bench.spin_until(lambda: node._searches._lens_model.limits == LIMITS["search"])
        assert bench.call(Trigger, "autofocus/focus_once").success
        assert max(world.moves) == 8e-4

    def test_the_cause_of_a_failure_is_said_at_once(self, bench, endless):
        bench.active(AutofocusNode)
        fault, world = bench.talk(LENS_FAULT), LiveWorld(bench)
        client = bench.node.create_client(Trigger, "autofocus/focus_once")
        bench.spin_until(client.service_is_ready)
        outcome = client.call_async(Trigger.Request())
        bench.spin_until(lambda: world.moves)
        fault("the lens has stalled")
        bench.spin_until(outcome.done)
        assert outcome.result().message == "the lens has stalled"

    def test_a_lens_that_falls_silent_ends_it(self, bench, monkeypatch):
        monkeypatch.setattr(focus_server, "_SILENCE", 0.5)
        bench.active(AutofocusNode)
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert not answer.success
        assert "no lens state comes" in answer.message

    def test_its_own_lateness_is_no_silence_of_the_lens(self, bench, monkeypatch):
        monkeypatch.setattr(focus_server, "_SILENCE", 1.0)
        bench.active(AutofocusNode)
        world, curve = LiveWorld(bench), bench.listen(FOCUS_CURVE)
        client = bench.node.create_client(Trigger, "autofocus/focus_once")
        bench.spin_until(client.service_is_ready)
        outcome = client.call_async(Trigger.Request())
        bench.spin_until(lambda: curve)
        # The executor, which takes the messages, is not reached meanwhile; the worker runs on.
        time.sleep(2.0)
        bench.spin_until(outcome.done)
        assert outcome.result().success
        assert outcome.result().message.startswith("found")
        assert world.position == FOCUS

    def test_an_inactive_node_refuses(self, bench):
        bench.make(AutofocusNode).trigger_configure()
        answer = bench.call(Trigger, "autofocus/focus_once")
        assert (answer.success, answer.message) == (False, "the node is not active")

    def test_deactivation_ends_it(self, bench):
        node = bench.active(AutofocusNode)
        client = bench.node.create_client(Trigger, "autofocus/focus_once")
        bench.spin_until(client.service_is_ready)
        answer = client.call_async(Trigger.Request())
        bench.spin_until(lambda: node._searches.searching)
        node.trigger_deactivate()
        bench.spin_until(answer.done)
        assert answer.result().message == "the node is being deactivated"


@pytest.mark.usefixtures("parts")
class TestContinuous:
    def test_refocuses_when_the_window_is_blurred_and_does_not_hunt(self, bench):
        bench.active(AutofocusNode)
        world = LiveWorld(bench)
        world.position = FOCUS
        assert bench.call(SetBool, "autofocus/continuous", data=True).success
        bench.spin_for(0.5)
        assert world.moves == []
        # The thing in the window goes away from focus.
        world.position = 9e-4
        bench.spin_until(lambda: len(world.moves) == 4)
        assert world.position == FOCUS
        bench.spin_for(0.5)
        assert len(world.moves) == 4
        assert bench.call(SetBool, "autofocus/continuous", data=False).success
        world.position = 9e-4
        bench.spin_for(0.5)
        assert len(world.moves) == 4


@pytest.mark.parametrize("parameters", [{}, NETWORKS], ids=["default", "networks"])
def test_continuous_autofocus_rests_in_a_still_scene(bench, parameters):
    """Also with an estimator that calls what is in focus blurred."""
    bench.active(AutofocusNode, **parameters)
    busy, world = bench.listen(AUTOFOCUS_BUSY), TexturedWorld(bench)
    assert bench.call(SetBool, "autofocus/continuous", data=True).success
    bench.spin_until(lambda: busy[-2:] == [True, False])
    # The last command may confirm where the lens is already.
    bench.spin_for(0.5)
    moves = len(world.moves)
    bench.spin_for(4.0)
    assert len(world.moves) == moves
    assert abs(world.position - FOCUS) < 1e-4


@pytest.mark.usefixtures("parts")
def test_threads_end_with_deactivation(bench):
    before = threading.active_count()
    node = bench.active(AutofocusNode)
    assert threading.active_count() > before
    node.trigger_deactivate()
    assert threading.active_count() == before


@pytest.mark.usefixtures("parts")
def test_in_dynamic_mode_frames_of_slow_motion_are_assessed(bench):
    bench.active(AutofocusNode, mode="dynamic")
    maps = bench.listen(DISTANCE_MAP)
    world = World(bench)
    world.frame(grey(15), 5e-4, moving=True, pace=1e-2)
    stamp = world.frame(grey(15), 5e-4, moving=True, pace=1e-5)
    bench.spin_until(lambda: maps)
    assert [each.stamp for each in maps] == [stamp]


def test_the_focus_map_combines_frames_at_different_positions(bench, parts):
    bench.active(AutofocusNode, mode="static")
    world = World(bench, SIZE)
    heard = bench.listen(FOCUS_MAP)
    # In focus at 0.6 mm; the lens blurs by 15 pixels for each millimetre.
    world.frame(grey(9), 0.0)
    bench.spin_until(lambda: heard)
    assert np.isnan(heard[-1].image).all()
    world.frame(grey(6), 1e-3)
    bench.spin_until(lambda: np.isfinite(heard[-1].image).any())
    focus_map = heard[-1].image
    assert focus_map.dtype == np.float32
    assert np.isnan(focus_map[0, 0])
    np.testing.assert_allclose(focus_map[1], 6e-4, atol=3e-5)


def test_frames_that_fusion_leaves_out_are_dropped_from_the_focus_map(bench, parts):
    node = bench.active(AutofocusNode, mode="static")
    world, left_out = World(bench, SIZE), bench.talk(LEFT_OUT)
    heard = bench.listen(FOCUS_MAP)
    # Three frames of a scene in focus at 1 mm, two of one at 0.6 mm.
    seen = ((12, 2e-4), (9, 4e-4), (6, 1.4e-3), (9, 0.0), (6, 1e-3))
    for level, position in seen:
        stamp = world.frame(grey(level), position)
        bench.spin_until(lambda stamp=stamp: heard and heard[-1].stamp == stamp)
    np.testing.assert_allclose(heard[-1].image[1], 1e-3, atol=1e-4)
    left_out(LeftOut((2e-4, 4e-4, 1.4e-3), ("it shows another scene",)))
    bench.spin_until(lambda: node._map_views._left_out.positions)
    stamp = world.frame(grey(0), 6e-4)
    bench.spin_until(lambda: heard[-1].stamp == stamp)
    np.testing.assert_allclose(heard[-1].image[1], 6e-4, atol=3e-5)


def test_a_depth_image_where_the_calibration_has_distances(bench, parts, tmp_path):
    calibration = tmp_path / "lens.yaml"
    distances = ((0.0, float("inf")), (1.2e-3, 0.5))
    replace(LensModel.load(DEFAULT_CALIBRATION), object_distances=distances).save(calibration)
    bench.active(AutofocusNode, mode="static", calibration=str(calibration))
    world = World(bench, SIZE)
    heard = bench.listen(DEPTH_IMAGE)
    world.frame(grey(9), 0.0)
    bench.spin_until(lambda: heard)
    world.frame(grey(6), 1e-3)
    bench.spin_until(lambda: heard and np.isfinite(heard[-1].image).any())
    depth = heard[-1].image
    assert depth.shape == SIZE[::-1]
    # Half of the table's reciprocal distance.
    assert np.nanmedian(depth) == pytest.approx(1.0, rel=0.06)
