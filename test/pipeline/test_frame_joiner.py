import threading

import numpy as np

from aif_ros.devices.device import Capture
from aif_ros.pipeline.frame_joiner import FrameJoiner
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.types.frame import LensState

MS = 1_000_000


def picture(ms):
    return Capture(np.full((2, 2), ms, np.uint8), ms * MS)


def source(**options):
    options = {"capacity": 4, "newest_first": True} | options
    return FrameJoiner(LensStateBuffer(exposure_time=0.004), **options)


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


def test_waiting_ends_when_the_state_comes():
    frames = source()
    frames.add_state(LensState(0, 0.0, False))
    frames.add_image(picture(10))
    timer = threading.Timer(0.02, frames.add_state, [LensState(20 * MS, 0.0, False)])
    timer.start()
    assert frames.next(10.0) is not None
    timer.join()
