"""Silence is noticed, named, and ended where a subscription was lost."""

import math

import pytest
from bench import World, texture
from PIL import Image

from aif_ros.nodes import subscriptions
from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.camera_node import CameraNode
from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.idleness import Arrivals, Rate
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_COMPRESSED, CAMERA_IMAGE, FUSED_IMAGE
from aif_ros.types.frame import LensState


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class TestArrivals:
    def test_idle_after_three_seconds_without_a_usable_message(self, clock):
        arrivals = Arrivals(clock)
        clock.now += 2.9
        assert not arrivals.idle
        clock.now += 0.2
        assert arrivals.idle
        assert arrivals.problem(0) == "no message for 3 s, because there is no publisher"
        assert "though there is a publisher" in arrivals.problem(1)
        arrivals.usable()
        assert not arrivals.idle

    def test_unusable_messages_are_counted_with_their_reason(self, clock):
        arrivals = Arrivals(clock)
        for reason in ("too small", "too large"):
            clock.now += 2.0
            arrivals.unusable(reason)
        assert arrivals.problem(1) == "2 messages came, none usable for 4 s: too large"

    def test_a_slow_topic_is_not_idle(self, clock):
        arrivals = Arrivals(clock)
        for _ in range(3):
            clock.now += 10.0
            arrivals.usable()
        clock.now += 25.0
        assert not arrivals.idle
        clock.now += 10.0
        assert arrivals.idle


def test_the_rate_is_measured_over_three_seconds(clock):
    rate = Rate(clock)
    for _ in range(8):
        rate.count()
    clock.now += 1.0
    assert rate.per_second is None
    clock.now += 3.0
    assert rate.per_second == pytest.approx(2.0)
    clock.now += 4.0
    assert rate.per_second == 0.0


@pytest.mark.parametrize(
    ("node_type", "topic"),
    [
        (FusionNode, "camera/image_raw"),
        (AutofocusNode, "camera/image_raw"),
        (FocusControllerNode, "camera/camera_info"),
    ],
)
def test_a_silent_camera_is_a_warning_and_then_an_error(
    node_type, topic, bench, diagnostics, monkeypatch
):
    monkeypatch.setattr("aif_ros.nodes.idleness._IDLE", 0.2)
    monkeypatch.setattr("aif_ros.nodes.idleness._ERROR", math.inf)
    bench.active(node_type)
    name, words = node_type.NAME, f"{topic}: no message for .* there is no publisher"
    bench.spin_until(lambda: diagnostics.find(name, "WARN", words))
    monkeypatch.setattr("aif_ros.nodes.idleness._ERROR", 0.0)
    bench.spin_until(lambda: diagnostics.find(name, "ERROR", words))


def test_a_subscription_that_hears_nothing_is_made_again(bench, logged, monkeypatch):
    monkeypatch.setattr("aif_ros.nodes.idleness._IDLE", 0.5)
    monkeypatch.setattr(subscriptions, "_AGAIN", 0.5)
    node = bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    world.frame(texture(), 1e-4)
    bench.spin_until(lambda: fused)
    (images,) = (each for each in node.connections.subscriptions if each.topic is CAMERA_IMAGE)
    # As after a pause of the process: the publisher is there, but its messages do not come.
    images._take = lambda message: None
    node.destroy_subscription(images._subscription)
    images._subscription = images._subscribe()
    del images._take
    bench.spin_until(lambda: logged.find("INFO", "camera/image_raw: subscribing again"))

    def fused_again():
        world.frame(texture(seed=1), 5e-4)
        bench.spin_for(0.2)
        return len(fused) > 1

    bench.spin_until(fused_again)


def test_a_camera_without_frames_is_reported(bench, diagnostics, monkeypatch, tmp_path):
    monkeypatch.setattr("aif_ros.nodes.idleness._IDLE", 0.2)
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    node = bench.make(CameraNode, camera_source=str(tmp_path))
    node.trigger_configure()
    monkeypatch.setattr(node._camera, "capture", lambda: node.workers.pause(60.0))
    node.trigger_activate()
    bench.spin_until(lambda: diagnostics.find_fault("camera", "no frame captured for"))


def test_a_lens_that_is_read_too_seldom_is_reported(bench, diagnostics, monkeypatch):
    monkeypatch.setattr("aif_ros.nodes.idleness._IDLE", 0.5)
    node = bench.make(LensNode)
    node.trigger_configure()

    def state():
        node.workers.pause(0.4)
        return LensState(node.now(), 0.0, False)

    monkeypatch.setattr(node._lens, "state", state)
    node.trigger_activate()
    words = "lens states per second: every"
    bench.spin_until(lambda: diagnostics.find("lens", "WARN", words))


@pytest.mark.parametrize("node_type", [FusionNode, AutofocusNode])
def test_compressed_camera_images_are_used_if_so_chosen(node_type, bench):
    node = bench.active(node_type, image_transport="compressed")
    images = bench.talk(CAMERA_COMPRESSED)
    images(StampedImage(texture(), 1_000_000_000, "camera"))
    bench.spin_until(lambda: node._input.frame_id == "camera")
