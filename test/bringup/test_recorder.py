"""What is seen on the topics becomes the recording of a run."""

from dataclasses import replace

import numpy as np
import pytest

from aif_ros.bringup.graph import BringupError
from aif_ros.bringup.recorder import Recorder, recording
from aif_ros.nodes.loop_state import LoopState
from aif_ros.nodes.topic import StampedImage, StampedMaps
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    DECISION,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    FUSED_IMAGE,
    LENS_STATE,
    LOOP_STATE,
)
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.decision_record import DecisionRecord, Evidence
from aif_ros.pipeline.left_out import LeftOut
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
def shown():
    """The decisions that were shown as they came."""
    return []


@pytest.fixture
def pipeline(shown):
    """A recorder, and what publishes to it."""
    listener = Listener()
    recorder = Recorder(listener, shown.append)

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


def decision(number, reason, milliseconds, target, window):
    stamp = T0 + milliseconds * MS
    evidence = (Evidence(stamp, stamp, 0.0),)
    return DecisionRecord(number, stamp, evidence, target, window, reason, None)


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
    publish(DECISION, decision(1, "go on", 0, 1e-4, Window(1, 2, 3, 4)))
    publish(DECISION, decision(2, "enough", 110, None, None))
    # The state after the first decision was lost.
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


def test_each_decision_is_shown_as_it_comes(pipeline, shown):
    recorder, publish = pipeline
    run_two_frames(publish)
    assert [each.reason for each in shown] == ["go on", "enough"]
    assert recorder.decisions == shown
    recorder.wait_for_last_decision()


def test_a_last_decision_that_never_comes_is_not_waited_for_for_ever(pipeline, monkeypatch):
    recorder, publish = pipeline
    monkeypatch.setattr("aif_ros.bringup.recorder._LAST_DECISION", 0.01)
    publish(LOOP_STATE, status("stopped", "enough", 110, None))
    recorder.wait_for_last_decision()


def test_what_a_user_should_know_is_recorded(pipeline):
    recorder, publish = pipeline
    run_two_frames(publish)
    left_out = LeftOut((1e-4,), ("it shows nothing",))
    doubtful = replace(
        status("stopped", "enough", 110, None), doubt="too few images", left_out=left_out
    )
    publish(LOOP_STATE, doubtful)
    seen = recorder.recording("a scene", LENS)
    assert (seen.doubt, seen.left_out) == ("too few images", left_out)


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
