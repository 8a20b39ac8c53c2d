"""Recordings, simulated time, and clocks that disagree."""

import threading

import numpy as np
import pytest
from bench import MILLISECOND, World, texture
from rosgraph_msgs.msg import Clock as ClockMessage
from std_srvs.srv import Trigger

from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.sim_camera_node import SimCameraNode
from aif_ros.nodes.stamps import to_time
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, FUSED_IMAGE, LENS_STATE
from aif_ros.types.frame import LensState

HOUR = 3600 * 10**9


def play(world, begin, count=3):
    """A recording: an image at each of `count` lens positions."""
    now = begin
    for index in range(count):
        for offset in (10, 20, 25, 30, 40):
            stamp = now + offset * MILLISECOND
            if offset == 25:
                world.images(StampedImage(texture(seed=index), stamp, "c"))
            else:
                world.states(LensState(stamp, index * 4e-4, False))
        now += 40 * MILLISECOND
        world.bench.spin_for(0.15)


@pytest.mark.parametrize("reset", [True, False])
def test_a_recording_is_fused_every_time_it_is_played(bench, reset):
    bench.active(FusionNode)
    fused, world = bench.listen(FUSED_IMAGE), World(bench)
    begin = world.now - 24 * HOUR
    play(world, begin)
    bench.spin_until(lambda: len(fused) == 3)
    if reset:
        assert bench.call(Trigger, "fusion/reset").success
    play(world, begin)
    # The first frame of so short a recording may be taken for one out of order.
    bench.spin_until(lambda: len(fused) >= (6 if reset else 5))


@pytest.mark.parametrize("node_type", [FusionNode, AutofocusNode])
@pytest.mark.parametrize("offset", [-1_700_000_000 * 10**9, -HOUR, HOUR], ids=str)
def test_stamps_of_another_clock_are_named(bench, diagnostics, node_type, offset):
    bench.active(node_type)
    world = World(bench)

    def named():
        world.lens(1e-4)
        stamp = max(0, world.now + offset)
        world.images(StampedImage(texture(), stamp, "c"))
        bench.spin_for(0.05)
        direction = "ahead of" if offset > 0 else "behind"
        words = f"images came, none usable.*stamps of the camera are .* {direction} those of"
        return diagnostics.find_fault(node_type.NAME, words)

    bench.spin_until(named)
    shown = float(diagnostics.last(node_type.NAME)["camera stamps ahead of lens states s"])
    assert shown == pytest.approx(max(offset, -world.now) * 1e-9, rel=0.01)


def test_once_the_stamps_are_right_again_frames_are_fused(bench, diagnostics):
    bench.active(FusionNode)
    fused, world = bench.listen(FUSED_IMAGE), World(bench)
    for wrong in (HOUR, -HOUR):
        for _ in range(3):
            world.lens(1e-4)
            world.images(StampedImage(texture(), world.now + wrong, "c"))
        world.states(LensState(world.now + wrong, 1e-4, False))
        before = len(fused)
        world.lens(1e-4)
        stamp = world.frame(texture(seed=1), 5e-4 if wrong > 0 else 9e-4)
        bench.spin_until(lambda before=before: len(fused) > before)
        bench.spin_until(lambda stamp=stamp: fused[-1].stamp == stamp)


class TestSimulatedTime:
    @pytest.fixture
    def tick(self, bench):
        publisher, now = bench.node.create_publisher(ClockMessage, "/clock", 10), [1000 * 10**9]

        def tick():
            now[0] += 20 * MILLISECOND
            publisher.publish(ClockMessage(clock=to_time(now[0])))

        return tick

    def test_devices_stamp_by_it_and_diagnostics_come(self, bench, diagnostics, tick):
        bench.active(LensNode, use_sim_time=True)
        bench.active(SimCameraNode, use_sim_time=True, scene="planes", width=64)
        images, states = bench.listen(CAMERA_IMAGE), bench.listen(LENS_STATE)
        bench.spin_until(lambda: diagnostics.last("lens"))
        bench.node.create_timer(0.02, tick)
        bench.spin_until(lambda: len(images) > 2 and states)
        for stamp in (images[-1].stamp, states[-1].stamp):
            assert 1000 * 10**9 < stamp < 2000 * 10**9

    @pytest.mark.parametrize("node_type", [LensNode, SimCameraNode, FusionNode])
    def test_nodes_end_without_simulated_time(self, bench, node_type):
        options = {"scene": "planes", "width": 64} if node_type is SimCameraNode else {}
        node = bench.active(node_type, use_sim_time=True, **options)
        bench.spin_for(0.2)
        threads = threading.active_count()
        assert node.trigger_deactivate().name == "SUCCESS"
        assert threading.active_count() < threads


def test_a_lens_state_an_hour_ahead_does_not_stop_the_simulated_camera(bench):
    node = bench.active(SimCameraNode, scene="planes", width=64)
    images, world = bench.listen(CAMERA_IMAGE), World(bench)
    world.states(LensState(world.now + HOUR, 1e-4, True))
    bench.spin_for(0.3)

    def seen():
        world.lens(3e-4)
        bench.spin_for(0.02)
        return len(images) > 3

    bench.spin_until(seen)
    assert np.ptp(images[-1].image) > 0
    world.states(LensState(world.now + HOUR, 1e-4, True))
    bench.spin_for(0.1)
    assert node.trigger_deactivate().name == "SUCCESS"
