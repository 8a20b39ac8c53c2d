"""What is seen on the topics becomes the recording of a run."""

import numpy as np
import pytest

from aif_ros.bringup.graph import BringupError
from aif_ros.bringup.recorder import Recorder, recording
from aif_ros.nodes.loop_state import LoopState
from aif_ros.nodes.topic import StampedImage, StampedMaps
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    FUSED_IMAGE,
    LENS_STATE,
    LOOP_STATE,
)
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.types.frame import LensState, Window

LENS = LensModel("test lens", 1e-6, (0.0, 1e-3), 9e4, 3840)
MS = 1_000_000
T0 = 1_700_000_000_000 * MS


class Listener:
    """Stands in for a node: keeps the subscriptions' callbacks to be called by the test."""

    def __init__(self):
        self.callbacks = {}

    def create_subscription(self, message_type, name, callback, qos):
        self.callbacks[name] = callback


@pytest.fixture
def pipeline():
    """A recorder, and what publishes to it."""
    listener = Listener()
    recorder = Recorder(listener)

    def publish(topic, value):
        listener.callbacks[topic.name](topic.encode(value))

    return recorder, publish


def picture(value, milliseconds):
    image = np.full((6, 8, 3), value, np.uint8)
    return StampedImage(image, T0 + milliseconds * MS, "camera")


def cells(value, milliseconds):
    values = np.full((2, 2, 4), value, np.float32)
    return StampedMaps(DefocusMaps(values, T0 + milliseconds * MS), "camera")


def status(state, reason, milliseconds, window):
    stamp = T0 + milliseconds * MS
    return LoopState(state, reason, "sweep", position=0.0, stamp=stamp, window=window)


def run_two_frames(publish):
    """Frames at 0 and 100 ms are fused, that at 50 ms is not; the lens moves in between."""
    for milliseconds in range(0, 140, 10):
        position = min(1e-4, milliseconds * 1e-6)
        publish(
            LENS_STATE,
            LensState(T0 + milliseconds * MS, position, moving=0 < milliseconds < 100),
        )
    for value, milliseconds in ((1, 0), (2, 50), (3, 100), (4, 110)):
        publish(CAMERA_IMAGE, picture(value, milliseconds))
    publish(FUSED_IMAGE, picture(10, 0))
    publish(FUSED_IMAGE, picture(30, 100))
    publish(FUSED_DEFOCUS_MAPS, cells(0.1, 0))
    publish(FUSED_DEFOCUS_MAPS, cells(0.3, 100))
    # Autofocus used the frame after the one that was fused.
    publish(DEFOCUS_MAPS, cells(0.5, 110))
    publish(LOOP_STATE, status("running", "go on", 0, Window(1, 2, 3, 4)))
    publish(LOOP_STATE, status("stopped", "enough", 110, None))


def test_frames_maps_and_decisions_are_joined(pipeline):
    recorder, publish = pipeline
    run_two_frames(publish)
    seen = recorder.recording("a scene", LENS)
    assert (seen.scene, seen.agent, seen.reason) == ("a scene", "sweep", "enough")
    assert seen.seconds == pytest.approx(0.1)
    first, second = seen.frames
    assert [frame.image[0, 0, 0] for frame in seen.frames] == [1, 3]
    assert [frame.fused[0, 0, 0] for frame in seen.frames] == [10, 30]
    assert (first.position, second.position) == pytest.approx((0.0, 1e-4))
    assert (first.window, second.window) == (Window(1, 2, 3, 4), None)
    assert (first.reason, second.reason) == ("go on", "enough")
    assert second.fused_distance[0, 0] == pytest.approx(0.3)
    assert second.distance[0, 0] == pytest.approx(0.5)
    assert np.isnan(first.distance).all()


def test_frames_may_come_after_the_fused_image(pipeline):
    recorder, publish = pipeline
    publish(LENS_STATE, LensState(T0, 0.0, False))
    publish(FUSED_IMAGE, picture(10, 0))
    assert not recorder.anything
    publish(CAMERA_IMAGE, picture(1, 0))
    assert recorder.anything


def test_complete_when_stopped_and_the_last_maps_have_come(pipeline):
    recorder, publish = pipeline
    run_two_frames(publish)
    assert recorder.complete
    publish(FUSED_IMAGE, picture(40, 200))
    assert not recorder.complete


def test_no_frames_is_an_error_with_a_reason(pipeline):
    recorder, publish = pipeline
    publish(LOOP_STATE, status("waiting", "no lens state comes", 0, None))
    with pytest.raises(BringupError, match="no lens state comes"):
        recorder.recording("a scene", LENS)


def test_recording_ends_cleanly():
    with recording() as recorder:
        assert not recorder.complete
