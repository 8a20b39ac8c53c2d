"""Frame source, lens watch and exchange: no ROS needed."""

import threading

import numpy as np

from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.frame_source import FrameSource
from aif_ros.nodes.topics import StampedImage
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.settling import SettleDetector
from aif_ros.types.frame import LensState

MS = 1_000_000


def picture(ms):
    return StampedImage(np.full((2, 2), ms, np.uint8), ms * MS, "camera")


def source(**options):
    options = {"capacity": 4, "newest_first": True} | options
    return FrameSource(LensStateBuffer(exposure_time=0.004), **options)


def test_a_frame_waits_for_the_lens_state_after_its_exposure():
    frames = source()
    frames.add_state(LensState(0, 1e-4, False))
    frames.add_image(picture(10))
    assert frames.next(0.0) is None
    frames.add_state(LensState(11 * MS, 1e-4, False))
    assert frames.next(0.0) is None
    frames.add_state(LensState(12 * MS, 1e-4, False))
    frame = frames.next(0.0)
    assert (frame.stamp, frame.position, frame.moving) == (10 * MS, 1e-4, False)
    assert frames.next(0.0) is None
    assert frames.frame_id == "camera"


def test_a_frame_exposed_in_motion_is_marked():
    frames = source()
    frames.add_state(LensState(0, 1e-4, False))
    frames.add_image(picture(10))
    frames.add_state(LensState(20 * MS, 2e-4, True))
    assert frames.next(0.0).moving


def test_newest_first_skips_older_ones():
    frames = source()
    frames.add_state(LensState(0, 0.0, False))
    for ms in (10, 20, 30):
        frames.add_image(picture(ms))
    frames.add_state(LensState(25 * MS, 0.0, False))
    assert frames.next(0.0).stamp == 20 * MS
    assert frames.dropped == 0
    frames.add_state(LensState(35 * MS, 0.0, False))
    assert frames.next(0.0).stamp == 30 * MS


def test_newest_first_prefers_a_lens_at_rest():
    frames = source()
    frames.add_state(LensState(0, 0.0, False))
    frames.add_image(picture(10))
    frames.add_state(LensState(15 * MS, 0.0, False))
    frames.add_image(picture(20))
    frames.add_state(LensState(25 * MS, 1e-4, True))
    frame = frames.next(0.0)
    assert (frame.stamp, frame.moving) == (10 * MS, False)
    frames.add_image(picture(30))
    frames.add_state(LensState(35 * MS, 2e-4, True))
    assert frames.next(0.0).stamp == 30 * MS


def test_in_order_none_is_skipped_but_the_queue_is_bounded():
    frames = source(newest_first=False)
    frames.add_state(LensState(0, 0.0, False))
    for ms in (10, 20, 30, 40, 50, 60):
        frames.add_image(picture(ms))
    frames.add_state(LensState(100 * MS, 0.0, False))
    assert [frames.next(0.0).stamp // MS for _ in range(4)] == [30, 40, 50, 60]
    assert frames.dropped == 2
    assert frames.received == 6


def test_waiting_ends_when_the_state_comes():
    frames = source()
    frames.add_state(LensState(0, 0.0, False))
    frames.add_image(picture(10))
    timer = threading.Timer(0.02, frames.add_state, [LensState(20 * MS, 0.0, False)])
    timer.start()
    assert frames.next(10.0) is not None
    timer.join()


class TestLensWatch:
    def watch(self):
        watch = SettleDetector(1e-6, reaction_timeout=0.5)
        watch.observe(LensState(1, 0.0, False))
        return watch

    def test_a_lens_at_rest_from_the_start_has_always_been(self):
        assert self.watch().settled_at == 0

    def test_a_lens_first_seen_in_motion_has_not_settled(self):
        watch = SettleDetector(1e-6)
        watch.observe(LensState(10, 0.0, True))
        assert watch.settled_at is None
        watch.observe(LensState(20, 0.0, False))
        assert watch.settled_at == 20

    def test_settled_after_a_move(self):
        watch = self.watch()
        watch.command(1e-4, 10 * MS)
        assert watch.settled_at is None
        # What was sent before the command, and what the lens says before it reacts, do not count.
        watch.observe(LensState(9 * MS, 0.0, False))
        watch.observe(LensState(15 * MS, 0.0, False))
        assert watch.settled_at is None
        watch.observe(LensState(20 * MS, 5e-5, True))
        assert watch.settled_at is None
        watch.observe(LensState(30 * MS, 1e-4, False))
        assert watch.settled_at == 30 * MS
        watch.observe(LensState(40 * MS, 1e-4, False))
        assert watch.settled_at == 30 * MS

    def test_a_move_too_quick_to_be_seen(self):
        watch = self.watch()
        watch.command(1e-4, 10 * MS)
        watch.observe(LensState(20 * MS, 1e-4, False))
        assert watch.settled_at == 20 * MS

    def test_a_lens_that_ends_elsewhere(self):
        watch = self.watch()
        watch.command(1e-4, 10 * MS)
        watch.observe(LensState(20 * MS, 5e-5, True))
        watch.observe(LensState(30 * MS, 5e-5, False))
        assert watch.settled_at == 30 * MS

    def test_a_lens_that_does_not_react(self):
        watch = self.watch()
        watch.command(1e-4, 10 * MS)
        watch.observe(LensState(500 * MS, 0.0, False))
        assert watch.settled_at is None
        watch.observe(LensState(520 * MS, 0.0, False))
        assert watch.settled_at == 520 * MS

    def test_moved_by_somebody_else(self):
        watch = self.watch()
        watch.command(1e-4, 10 * MS)
        watch.observe(LensState(20 * MS, 1e-4, False))
        watch.observe(LensState(30 * MS, 2e-4, True))
        assert watch.settled_at is None
        watch.observe(LensState(40 * MS, 3e-4, False))
        assert watch.settled_at == 40 * MS
        watch.release()
        assert watch.settled_at is None
        watch.observe(LensState(50 * MS, 3e-4, False))
        assert watch.settled_at == 50 * MS


class TestExchange:
    def test_by_reference_to_everybody(self):
        exchange = Exchange()
        first, second = [], []
        exchange.advertise("topic")
        exchange.subscribe("topic", first.append)
        exchange.subscribe("topic", second.append)
        image = np.zeros(3)
        exchange.publish("topic", image)
        assert first[0] is image
        assert second[0] is image

    def test_only_what_is_advertised_is_offered(self):
        exchange = Exchange()
        assert not exchange.offers("topic")
        exchange.advertise("topic")
        assert exchange.offers("topic")

    def test_late_subscribers_get_what_is_latched_until_it_is_withdrawn(self):
        exchange = Exchange()
        exchange.advertise("topic")
        late = []
        exchange.publish("topic", 1)
        exchange.subscribe("topic", late.append)
        assert late == []
        exchange.unsubscribe("topic", late.append)
        exchange.publish("topic", 2, latch=True)
        exchange.subscribe("topic", late.append)
        assert late == [2]
        exchange.withdraw("topic")
        exchange.subscribe("topic", late.append)
        assert late == [2]
