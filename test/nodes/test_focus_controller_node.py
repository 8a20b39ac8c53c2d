import math

import numpy as np
import pytest
import rclpy
from bench import World
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from aif_ros.control.agent import Action
from aif_ros.nodes import focus_controller_node, loop_diagnostics
from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topic import StampedImage, StampedMaps
from aif_ros.nodes.topics import (
    AUTOFOCUS_BUSY,
    CONTROL_STATUS,
    CONTROL_WINDOW,
    DECISION,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    FUSED_IMAGE,
    FUSION_EPOCH,
    LENS_COMMANDS,
    LENS_FAULT,
    LENS_LIMITS,
    OVERLAY,
    OVERLAY_COMPRESSED,
    REMAINING_DEFOCUS,
)
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.control_step import Missing
from aif_ros.pipeline.decision_record import DecisionRecord, Evidence
from aif_ros.types.frame import Window

ENDLESS = [Action(n * 1e-4, None, f"move {n}") for n in range(1, 12)]


class Script:
    """An agent that acts as written down and remembers what it saw."""

    def __init__(self, actions):
        self.actions = list(actions)
        self.seen = []

    def reset(self):
        pass

    def act(self, observation):
        self.seen.append(observation)
        return self.actions.pop(0)


class Loop(World):
    """Camera, lens, fusion and autofocus, as the controller hears them."""

    def __init__(self, bench):
        super().__init__(bench, size=(640, 480))
        self._maps = {topic: bench.talk(topic) for topic in (DEFOCUS_MAPS, FUSED_DEFOCUS_MAPS)}
        self.commands = bench.listen(LENS_COMMANDS)
        self.statuses = bench.listen(CONTROL_STATUS)

    def send_maps(self, topic, stamp, values=(1e-4, 1e-5, 0.1, 0.07), source=2e-4):
        if topic is FUSED_DEFOCUS_MAPS:
            values = (*values, *36 * (source,))
        grid = np.tile(np.float32(values), (3, 4, 1))
        self._maps[topic](StampedMaps(DefocusMaps(grid, stamp), "camera"))

    def assessed_frame(self, position):
        """A frame at rest has been fused and assessed."""
        self.lens(position)
        self.now += 10_000_000
        stamp = self.now
        self.lens(position)
        self.send_maps(DEFOCUS_MAPS, stamp)
        self.send_maps(FUSED_DEFOCUS_MAPS, stamp)
        return stamp

    @property
    def state(self):
        values = (
            {pair.key: pair.value for pair in self.statuses[-1].values} if self.statuses else {}
        )
        return values.get("state")

    def value(self, key):
        values = self.statuses[-1].values if self.statuses else ()
        return {pair.key: pair.value for pair in values}.get(key)


@pytest.fixture
def act(monkeypatch):
    """Let the agent be a script."""

    def set_actions(*actions):
        script = Script(actions)
        monkeypatch.setattr(focus_controller_node, "make_agent", lambda *_, **__: script)
        return script

    return set_actions


def test_keeps_to_the_limits_of_the_lens(bench, act):
    act(Action(1e-3, None, "far up"), Action(None, None, "done"))
    node = bench.active(FocusControllerNode)
    loop = Loop(bench)
    bench.talk(LENS_LIMITS)((1e-4, 5e-4))
    bench.spin_until(lambda: node._model.limits == (1e-4, 5e-4))
    loop.info()
    loop.assessed_frame(2e-4)
    bench.spin_until(lambda: loop.commands)
    assert loop.commands == [5e-4]


def test_limits_that_the_calibration_does_not_cover_are_reported(bench, act, logged):
    act()
    bench.active(FocusControllerNode)
    bench.talk(LENS_LIMITS)((1.0, 2.0))
    bench.spin_until(lambda: logged.find("ERROR", "this one moves from 1 to 2 m: give the calib"))
    bench.talk(LENS_LIMITS)(Float64MultiArray(data=[2.0, 1.0]), raw=True)
    bench.spin_until(lambda: logged.find("WARN", r"lens/limits: .* must be \[low, high\]"))


def test_acts_on_the_maps_and_stops_when_the_agent_does(bench, act):
    window = Window(160, 120, 320, 240)
    script = act(Action(5e-4, window, "over there", 0.75), Action(None, None, "done"))
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    shares, windows = bench.listen(REMAINING_DEFOCUS), bench.listen(CONTROL_WINDOW)
    decisions = bench.listen(DECISION)
    loop.info()
    stamp = loop.assessed_frame(0.0)
    bench.spin_until(lambda: loop.commands == [5e-4])
    (seen,) = script.seen
    assert seen.position == 0.0
    assert seen.frame.image_size == (640, 480)
    # 90 px per millimetre at 3840 px, so 15 at 640.
    assert seen.frame.radius == pytest.approx(np.full((3, 4), 1.5))
    assert seen.fused.contrast == pytest.approx(np.full((3, 4), 0.07))
    assert seen.source_position == pytest.approx(np.full((18, 24), 2e-4))
    assert seen.fused.uncertainty == pytest.approx(np.full((3, 4), 0.15))
    bench.spin_until(lambda: shares == [0.75] and windows)
    points = [(point.x, point.y, point.z) for point in windows[-1].polygon.points]
    focal = 320 / np.tan(0.45)
    assert points[0] == pytest.approx(((160 - 319.5) / focal, (120 - 239.5) / focal, 1.0))
    assert len(points) == 4
    bench.spin_until(lambda: loop.value("window_px") == "160 120 320 240")
    assert loop.value("stamp_ns") == str(stamp)
    bench.spin_until(lambda: decisions)
    evidence = (Evidence(stamp, stamp, 0.0),)
    (decision,) = decisions
    made = decision.stamp
    assert decision == DecisionRecord(1, made, evidence, 5e-4, window, "over there", 0.75)
    assert made > 0
    loop.lens(5e-4, moving=True)
    loop.assessed_frame(5e-4)
    bench.spin_until(lambda: loop.state == "stopped")
    assert loop.statuses[-1].message == "done"
    assert loop.value("frames_captured") == "2"
    assert loop.commands == [5e-4]
    # The window stays where the lens is focused.
    bench.spin_until(lambda: len(windows) == 2)
    assert len(windows[-1].polygon.points) == 4
    # What comes later does not wake it up.
    loop.assessed_frame(5e-4)
    bench.spin_for(0.2)
    assert len(script.seen) == 2


def test_waits_for_a_frame_exposed_after_the_lens_settled(bench, act):
    script = act(*ENDLESS)
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: len(loop.commands) == 1)
    # Maps of a frame from before the lens has settled.
    loop.now += 10_000_000
    on_the_way = loop.now
    loop.lens(5e-5, moving=True)
    loop.lens(1e-4)
    loop.send_maps(DEFOCUS_MAPS, on_the_way)
    loop.send_maps(FUSED_DEFOCUS_MAPS, on_the_way)
    bench.spin_for(0.2)
    assert len(script.seen) == 1
    # Maps of a good frame, but not yet of the fused picture that holds it.
    loop.now += 10_000_000
    good = loop.now
    loop.send_maps(DEFOCUS_MAPS, good)
    bench.spin_for(0.2)
    assert len(script.seen) == 1
    loop.send_maps(FUSED_DEFOCUS_MAPS, good)
    bench.spin_until(lambda: len(script.seen) == 2)
    assert script.seen[1].position == pytest.approx(1e-4)


def test_decides_again_without_a_frame_where_the_command_does_not_move_the_lens(bench, act):
    script = act(
        Action(1e-7, None, "less than a step"),
        Action(0.0, None, "nothing"),
        Action(None, None, "end"),
    )
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    loop.info()
    loop.assessed_frame(0.0)

    def stopped():
        loop.lens(0.0)
        bench.spin_for(0.05)
        return loop.state == "stopped"

    bench.spin_until(stopped)
    assert script.seen[0] is script.seen[1] is script.seen[2]
    assert loop.value("frames_captured") == "1"


def test_a_lens_that_does_not_follow_ends_the_loop_with_a_reason(bench):
    bench.active(FocusControllerNode, agent="sweep")
    loop = Loop(bench)
    loop.info()
    loop.assessed_frame(0.7e-3)

    def say_that_it_rests():
        # A second has passed each time, and it is still where it was.
        loop.now += 1_000_000_000
        loop.lens(0.7e-3)
        bench.spin_for(0.02)
        return loop.state == "stopped"

    bench.spin_until(say_that_it_rests)
    assert "does not reach its commanded position" in loop.statuses[-1].message


def test_never_outside_the_limits(bench, act):
    act(Action(9.0, None, "far"), Action(-9.0, None, "near"))
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: loop.commands == [1.5e-3])
    loop.assessed_frame(1.5e-3)
    bench.spin_until(lambda: loop.commands == [1.5e-3, 0.0])


def test_maps_full_of_unknown_do_not_break_it(bench):
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    shares = bench.listen(REMAINING_DEFOCUS)
    loop.info()
    loop.lens(0.0)
    loop.lens(0.0)
    for topic in (DEFOCUS_MAPS, FUSED_DEFOCUS_MAPS):
        loop.send_maps(topic, loop.now, (np.nan, np.nan, np.nan, 0.0))
    bench.spin_until(lambda: loop.commands)
    assert 0.0 <= loop.commands[0] <= 1.5e-3
    bench.spin_until(lambda: shares)
    assert np.isnan(shares[0])


class TestWatchdog:
    @pytest.fixture
    def loop(self, bench, act):
        act(*ENDLESS)
        bench.active(FocusControllerNode, patience=0.3)
        return Loop(bench)

    def waits(self, bench, loop, words):
        bench.spin_until(lambda: loop.state == "waiting" and words in loop.statuses[-1].message)

    def keep_reporting(self, bench, loop, position, moving=False):
        """A timer reports the lens's state."""

        def report():
            loop.lens(position, moving)

        return bench.node.create_timer(0.05, report)

    def test_no_lens_state(self, bench, loop, diagnostics, logged):
        self.waits(bench, loop, "no lens state comes")
        bench.spin_until(lambda: diagnostics.find("focus_controller", "WARN", "no lens state"))
        assert logged.count("WARN", "no lens state") == 1
        assert loop.commands == []

    def test_waiting_for_long_is_an_error(self, bench, loop, diagnostics, monkeypatch):
        monkeypatch.setattr(loop_diagnostics, "_ERROR", math.inf)
        bench.spin_until(lambda: diagnostics.find("focus_controller", "WARN", "no lens state"))
        monkeypatch.setattr(loop_diagnostics, "_ERROR", 0.0)
        bench.spin_until(lambda: diagnostics.find("focus_controller", "ERROR", "no lens state"))

    def test_a_lens_that_has_a_fault(self, bench, loop):
        self.keep_reporting(bench, loop, 0.0)
        bench.talk(LENS_FAULT)("the lens has stalled")
        self.waits(bench, loop, "the lens has stalled")

    def test_a_lens_that_never_rests(self, bench, loop):
        self.keep_reporting(bench, loop, 0.0, moving=True)
        self.waits(bench, loop, "does not come to rest")

    def test_a_lens_that_does_not_obey(self, bench, act, diagnostics, monkeypatch):
        monkeypatch.setattr(focus_controller_node, "MESSAGE_REACTION", 0.02)
        act(*(Action(position, None, "on") for position in (5e-4, 6e-4) * 500))
        bench.active(FocusControllerNode, mode="dynamic")
        loop = Loop(bench)
        loop.info()

        def reported():
            loop.assessed_frame(0.0)
            bench.spin_for(0.05)
            words = "the lens has ignored .* commands in a row"
            return diagnostics.find("focus_controller", "ERROR", words)

        bench.spin_until(reported)

    @pytest.mark.parametrize("fault", [None, "the lens does not answer"])
    def test_a_lens_that_returns_gets_its_command_again(self, bench, act, fault):
        act(Action(5e-4, None, "on"), Action(None, None, "done"))
        node = bench.active(FocusControllerNode)
        loop, faults = Loop(bench), bench.talk(LENS_FAULT)
        faults("")
        loop.info()
        loop.assessed_frame(0.0)
        bench.spin_until(lambda: loop.commands == [5e-4])
        loop.lens(1e-4, moving=True)
        bench.spin_for(0.3)
        assert loop.commands == [5e-4]
        if fault is not None:
            faults(fault)
        faults("")
        bench.spin_until(lambda: loop.commands[:2] == [5e-4, 5e-4])
        loop.lens(3e-4, moving=True)
        loop.lens(5e-4)
        # Afterwards, what has been sent before arrives.
        bench.spin_until(lambda: node._step.missing is not Missing.SETTLED_LENS)
        bench.spin_for(0.4)
        sent = len(loop.commands)
        loop.assessed_frame(5e-4)
        bench.spin_until(lambda: loop.state == "stopped")
        assert len(loop.commands) == sent

    def test_no_camera(self, bench, loop):
        self.keep_reporting(bench, loop, 0.0)
        self.waits(bench, loop, "no camera info")

    def test_frames_that_stop_coming_and_come_again(self, bench, loop):
        loop.info()
        loop.assessed_frame(0.0)
        bench.spin_until(lambda: loop.commands)
        self.keep_reporting(bench, loop, loop.commands[0])
        self.waits(bench, loop, "no distance map comes")
        loop.lens(loop.commands[0])
        loop.send_maps(DEFOCUS_MAPS, loop.now)
        self.waits(bench, loop, "no distance map of the fused image")
        loop.send_maps(FUSED_DEFOCUS_MAPS, loop.now)
        bench.spin_until(lambda: loop.state == "running" and len(loop.commands) == 2)


class TestServices:
    def test_stop_and_start(self, bench, act):
        script = act(*ENDLESS)
        bench.active(FocusControllerNode)
        loop = Loop(bench)
        loop.info()
        assert bench.call(Trigger, "focus_controller/stop").success
        bench.spin_until(lambda: loop.state == "idle")
        loop.assessed_frame(0.0)
        bench.spin_for(0.2)
        assert script.seen == []
        assert bench.call(Trigger, "focus_controller/start").success
        loop.assessed_frame(0.0)
        bench.spin_until(lambda: loop.commands)

    def test_idle_from_the_start_if_so_wished(self, bench, act):
        act(*ENDLESS)
        bench.active(FocusControllerNode, autostart=False)
        loop = Loop(bench)
        bench.spin_until(lambda: loop.state == "idle")

    def test_start_after_the_end_begins_with_a_fresh_agent(self, bench, act):
        act(Action(None, None, "end"), Action(2e-4, None, "on"))
        node = bench.active(FocusControllerNode)
        loop = Loop(bench)
        loop.info()
        loop.assessed_frame(0.0)
        bench.spin_until(lambda: loop.state == "stopped")
        assert loop.value("frames_captured") == "1"
        node.set_parameters([rclpy.Parameter("agent", value="sweep")])
        bench.call(Trigger, "focus_controller/start")
        loop.assessed_frame(0.0)
        bench.spin_until(lambda: loop.commands == [2e-4] and loop.value("frames_captured") == "1")
        assert loop.value("agent") == "sweep"

    def test_reset_begins_with_the_fusion_too(self, bench, act):
        act(Action(None, Window(1, 2, 30, 40), "end"), Action(2e-4, None, "on"))
        windows = bench.listen(CONTROL_WINDOW)
        bench.active(FusionNode)
        bench.active(FocusControllerNode)
        loop = Loop(bench)
        loop.info()
        loop.assessed_frame(0.0)
        bench.spin_until(lambda: loop.state == "stopped")
        answer = bench.call(Trigger, "focus_controller/reset")
        assert (answer.success, answer.message) == (True, "the loop was restarted")
        bench.spin_until(lambda: loop.state == "running")
        # Withdrawn by the reset, and again by the fused image that begins with it.
        bench.spin_until(lambda: [len(each.polygon.points) for each in windows][:2] == [4, 0])
        # Maps from before the reset do not count, those after it do.
        bench.spin_for(0.1)
        assert loop.commands == []
        loop.assessed_frame(0.0)
        bench.spin_until(lambda: loop.commands == [2e-4])

    def test_reset_without_fusion_is_reported(self, bench, act):
        act(*ENDLESS)
        bench.active(FocusControllerNode)
        answer = bench.call(Trigger, "focus_controller/reset")
        assert not answer.success
        assert "fusion/reset is not available" in answer.message


@pytest.mark.parametrize("state", ["running", "stopped", "idle"])
def test_begins_anew_where_fusion_does(bench, act, state):
    first = Action(None, None, "end") if state == "stopped" else Action(5e-4, None, "on")
    script = act(first, Action(2e-4, None, "second run"))
    bench.active(FocusControllerNode)
    loop, epoch = Loop(bench), bench.talk(FUSION_EPOCH)
    begun = loop.now
    epoch(begun)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: loop.value("frames_captured") == "1")
    if state == "idle":
        assert bench.call(Trigger, "focus_controller/stop").success
    # The same again: the subscription was late, or fusion was only paused.
    epoch(begun)
    bench.spin_for(0.1)
    assert loop.value("frames_captured") == "1"
    epoch(loop.now + 1)
    bench.spin_until(lambda: "new fused image" in loop.statuses[-1].message)
    assert loop.value("frames_captured") == "0"
    assert loop.state == ("idle" if state == "idle" else "running")
    loop.assessed_frame(5e-4)
    if state != "idle":
        bench.spin_until(lambda: loop.commands and loop.commands[-1] == 2e-4)
        assert len(script.seen) == 2


def test_lends_the_lens_to_the_autofocus(bench, act):
    script = act(*ENDLESS)
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    busy = bench.talk(AUTOFOCUS_BUSY)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: len(loop.commands) == 1)
    busy(True)
    bench.spin_until(lambda: loop.state == "waiting")
    assert loop.statuses[-1].message == "the autofocus has the lens"
    loop.lens(7e-4, moving=True)
    loop.assessed_frame(7e-4)
    bench.spin_for(0.2)
    assert len(script.seen) == 1
    busy(False)
    bench.spin_until(lambda: loop.state == "running")
    loop.assessed_frame(7e-4)
    bench.spin_until(lambda: len(script.seen) == 2)
    assert script.seen[1].position == pytest.approx(7e-4)


def test_a_restarted_controller_joins(bench, act):
    script = act(*ENDLESS)
    loop = Loop(bench)
    first = bench.active(FocusControllerNode)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: script.seen)
    bench.remove(first)
    bench.active(FocusControllerNode)

    def joined():
        # The latched maps, a camera info and the lens at rest are all it needs.
        loop.info()
        loop.lens(0.0)
        bench.spin_for(0.05)
        return len(script.seen) > 1

    bench.spin_until(joined)


def test_the_overlay_is_drawn_for_subscribers_only(bench, act):
    act(Action(5e-4, Window(8, 8, 40, 30), "here"), *ENDLESS)
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    picture = bench.talk(FUSED_IMAGE)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: loop.commands)
    assert bench.node.count_subscribers(FUSED_IMAGE.name) == 0
    overlays, compressed = bench.listen(OVERLAY), bench.listen(OVERLAY_COMPRESSED)
    picture(StampedImage(np.zeros((48, 64), np.uint8), 7, "camera"))
    bench.spin_until(lambda: overlays and compressed)
    assert overlays[-1].stamp == compressed[-1].stamp == 7
    assert compressed[-1].image.shape == overlays[-1].image.shape
    assert tuple(overlays[-1].image[8, 20]) == (255, 200, 0)
    assert tuple(overlays[-1].image[37, 20]) == (255, 200, 0)


def test_a_failing_agent_is_reported_with_its_traceback(bench, act, logged, diagnostics):
    act()
    bench.active(FocusControllerNode)
    loop = Loop(bench)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: logged.find("ERROR", "Traceback.*\n(.*\n)*.*pop from empty list"))
    bench.spin_until(lambda: diagnostics.find("focus_controller", "ERROR", "pop from empty list"))
    assert loop.commands == []


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_in_dynamic_mode_the_agent_gets_observations_made_in_motion(bench, act, mode):
    script = act(*ENDLESS)
    step = bench.active(FocusControllerNode, mode=mode)._step
    loop = Loop(bench)
    loop.info()
    loop.assessed_frame(0.0)
    bench.spin_until(lambda: len(loop.commands) == 1)
    loop.lens(4e-5, moving=True)
    loop.now += 10_000_000
    stamp = loop.now
    loop.report(6e-5, moving=True)  # as long after the exposure as the other state is before it
    loop.send_maps(DEFOCUS_MAPS, stamp)
    loop.send_maps(FUSED_DEFOCUS_MAPS, stamp)
    # In whatever order they come: only then may the lens come to rest.
    bench.spin_until(
        lambda: (
            step._waiting[-1].stamp == step._fused_maps.stamp == stamp < step._states.newest.stamp
        )
    )
    assert len(script.seen) == 1
    loop.assessed_frame(1e-4)
    bench.spin_until(lambda: len(script.seen) == 2)
    passed = [(each.position, each.stamp) for each in script.seen[1].passed]
    assert passed == ([] if mode == "static" else [(pytest.approx(5e-5), stamp)])
