"""Pictures for people: made for subscribers only, and not faster than they are wanted."""

import pytest

from aif_ros.nodes import publishers
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.publishers import LazyPublisher
from aif_ros.nodes.sim_camera_node import SimCameraNode
from aif_ros.nodes.topics import CAMERA_COMPRESSED, CAMERA_IMAGE, LENS_FAULT, LENS_STATE
from aif_ros.types.frame import LensState


class TopicPublisher:
    subscribers = 1

    def __init__(self):
        self.published = []

    def publish(self, value):
        self.published.append(value)


@pytest.fixture
def clock(monkeypatch):
    """Seconds, set by the test."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(publishers.time, "monotonic", lambda: Clock.now)
    return Clock


def test_the_newest_picture_is_shown_in_the_end(clock):
    publisher = TopicPublisher()
    lazy = LazyPublisher(publisher, rate=10.0)
    for number in range(5):
        lazy.show(lambda number=number: number)
        clock.now += 0.01
    assert publisher.published == [0]
    lazy.refresh()
    assert publisher.published == [0]
    clock.now += 0.1
    lazy.refresh()
    lazy.refresh()
    assert publisher.published == [0, 4]


def test_without_a_rate_every_picture_is_shown(clock):
    publisher = TopicPublisher()
    lazy = LazyPublisher(publisher)
    for number in range(3):
        lazy.show(lambda number=number: number)
    assert publisher.published == [0, 1, 2]


def test_nothing_is_made_without_subscribers_and_the_last_for_a_new_one(clock):
    publisher, made = TopicPublisher(), []
    publisher.subscribers = 0
    lazy = LazyPublisher(publisher)
    lazy.show(lambda: made.append("picture"))
    assert made == []
    publisher.subscribers = 1
    lazy.refresh()
    assert made == ["picture"]


def test_compressed_rate_limits_the_pictures_of_the_camera(bench):
    bench.active(SimCameraNode, scene="planes", width=96, frame_rate=30.0, compressed_rate=0.1)
    pictures, compressed = bench.listen(CAMERA_IMAGE), bench.listen(CAMERA_COMPRESSED)
    states = bench.talk(LENS_STATE)

    def several():
        states(LensState(bench.node.get_clock().now().nanoseconds, 1e-4, False))
        return len(pictures) > 5 and compressed

    bench.spin_until(several)
    assert len(compressed) == 1


def test_in_one_process_a_latched_value_waits_for_the_first_subscriber(bench):
    node = bench.active(LensNode, in_exchange=True)
    (publisher,) = (
        each for each in node.connections.publishers if each.topic.name == LENS_FAULT.name
    )
    publisher.publish("slow")
    publisher.publish("jammed")
    assert publisher.published == 0
    for _ in range(2):  # DDS holds it for the second one
        faults = bench.listen(LENS_FAULT)
        bench.spin_until(lambda faults=faults: faults == ["jammed"])
    assert publisher.published == 1
