"""The loop with devices of simulated time and parts whose answers are known beforehand."""

import cv2
import numpy as np
import pytest
from known_blur import HEIGHT, LENS, WIDTH, Always, OneScene, Ramp, pipeline

from aif_ros.control.agent import Action
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError, EndOfRecording
from aif_ros.pipeline import still_scene
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.run_loop import run_loop
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens


@pytest.fixture(autouse=True)
def one_scene(monkeypatch):
    monkeypatch.setattr(still_scene, "SceneWatch", OneScene)


@pytest.fixture
def clock():
    return SimulatedClock(1_700_000_000 * 10**9)


@pytest.fixture
def lens(clock):
    return SimulatedLens(LENS, clock)


@pytest.fixture
def camera(clock, lens):
    return SimulatedCamera(Ramp(), clock, lens)


def rig_of(camera, lens, clock, **options):
    return Rig(camera, lens, clock, LENS, **options)


class Unmoved(Ramp):
    """A camera that looks through another lens than the one that moves."""

    def expose(self, position, seconds, travel=0.0):
        return super().expose(0.2e-3, seconds)


class Textured:
    """A texture that blurs with the lens, or does not."""

    size = (WIDTH, HEIGHT)

    def __init__(self, *, moves=False):
        self._moves = moves
        self._texture = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH), np.uint8)

    def expose(self, position, seconds, travel=0.0):
        return cv2.GaussianBlur(self._texture, None, 1 + 1e3 * position * self._moves)


@pytest.mark.parametrize("agent", ["sweep", "rule_based", "planner"])
def test_a_picture_that_never_changes_is_a_fault(clock, lens, agent):
    result = run_loop(rig_of(SimulatedCamera(Unmoved(), clock, lens), lens, clock), pipeline(agent))
    assert "the image does not change" in str(result.fault)
    assert not result.stopped


def test_a_picture_that_has_not_changed_in_few_frames_is_a_doubt(clock, lens):
    camera = SimulatedCamera(Textured(), clock, lens)
    result = run_loop(rig_of(camera, lens, clock), pipeline("sweep"), max_frames=3)
    assert result.fault is None
    assert "3 are too few" in result.doubt


@pytest.mark.parametrize(
    "subject, most", [(Unmoved(), 100), (Textured(), 3)], ids=["fault", "doubt"]
)
def test_slices_that_are_alike_are_reported_as_slices(clock, lens, subject, most):
    camera = SimulatedCamera(subject, clock, lens)
    result = run_loop(
        rig_of(camera, lens, clock), pipeline("sweep"), max_frames=most, recorded=True
    )
    said = f"{result.fault or ''}{result.doubt}"
    assert "slices" in said
    assert "motor" not in said


def test_a_picture_that_changes_is_none(clock, lens):
    camera = SimulatedCamera(Textured(moves=True), clock, lens)
    assert run_loop(rig_of(camera, lens, clock), pipeline("sweep"), max_frames=3).doubt == ""


@pytest.mark.parametrize("agent", ["sweep", "rule_based", "planner"])
def test_brings_everything_into_focus_and_stops(camera, lens, clock, agent):
    loop, steps = pipeline(agent), []
    result = run_loop(rig_of(camera, lens, clock, exposure_time=0.01), loop, steps.append)
    assert result.stopped
    assert result.fault is None
    assert result.frames == len(steps) == loop.fused.frames
    assert not any(step.frame.moving for step in steps)
    assert np.quantile(loop.fused.image * 25.5, 0.99) <= 2.0


def test_a_changing_scene_is_watched_also_while_the_lens_moves(camera, lens, clock):
    class ToAndFro(Always):
        def act(self, observation):
            return Action(0.9e-3 if observation.position < 0.5e-3 else 0.1e-3, None, "on")

    loop, steps = pipeline(ToAndFro(0.0), dynamic=True), []
    run_loop(rig_of(camera, lens, clock, exposure_time=0.01), loop, steps.append, max_frames=4)
    assert sum(step.action is not None for step in steps) == 4
    # Starting and settling are followed, what lies between is fused.
    assert 0 < len(loop._fuse._fuser.followed) == sum(step.unused is not None for step in steps)
    assert loop.fused.frames == sum(step.unused is None for step in steps) > 4
    # Every frame of the camera's schedule was taken: nothing is slower for it.
    between = np.diff([step.frame.stamp for step in steps])
    assert np.ptp(between) == 0


def test_stops_at_the_frame_limit(camera, lens, clock):
    loop = pipeline("sweep")
    result = run_loop(rig_of(camera, lens, clock), loop, max_frames=3)
    assert (result.frames, result.stopped) == (3, False)
    assert "3 frames" in result.reason
    assert loop.fused.frames == 3


def test_a_stalling_lens_ends_it_and_keeps_what_was_fused(camera, lens, clock):
    loop = pipeline("sweep")

    def jam(step):
        if loop.fused.frames == 3:
            lens.stall()

    result = run_loop(rig_of(camera, lens, clock), loop, jam)
    assert "stalled" in result.reason
    assert isinstance(result.fault, DeviceError)
    assert loop.fused.frames == result.frames == 3


def test_a_lens_that_silently_stays_ends_it_with_the_reason(camera, lens, clock):
    lens.move_to = lambda position: None
    loop = pipeline("rule_based")
    result = run_loop(rig_of(camera, lens, clock), loop)
    assert "does not reach its commanded position" in result.reason
    assert loop.fused.frames == 1


def test_a_lens_that_never_rests_is_a_fault(camera, lens, clock):
    state = lens.state
    lens.state = lambda: type(state())(state().stamp, 0.1e-3, True)
    result = run_loop(rig_of(camera, lens, clock, settle_timeout=1.0), pipeline("sweep"))
    assert "still moves after 1 s" in result.reason
    assert result.fault is not None


def test_a_vanished_camera_ends_it_and_keeps_what_was_fused(camera, lens, clock):
    loop = pipeline("sweep")

    def unplug(step):
        if loop.fused.frames == 3:
            camera.close()

    result = run_loop(rig_of(camera, lens, clock), loop, unplug)
    assert "closed" in result.reason
    assert loop.fused.frames == 3


def test_the_end_of_a_recording_ends_it(camera, lens, clock):
    capture, loop = camera.capture, pipeline("sweep")

    def play():
        if loop.fused is not None and loop.fused.frames == 2:
            raise EndOfRecording("played to its end")
        return capture()

    camera.capture = play
    result = run_loop(rig_of(camera, lens, clock), loop)
    assert isinstance(result.fault, EndOfRecording)
    assert loop.fused.frames == 2


def test_frames_exposed_in_motion_are_not_fused(camera, lens, clock):
    """A camera that hands over pictures from a queue gives some from before the move's end."""
    capture, queue = camera.capture, []

    def from_queue():
        while len(queue) < 3:
            queue.append(capture())
        return queue.pop(0)

    camera.capture = from_queue
    move_to = lens.move_to

    def move_to_and_shoot(position):
        move_to(position)
        queue[:] = [capture(), capture()]

    lens.move_to = move_to_and_shoot
    loop, steps = pipeline("sweep"), []
    result = run_loop(rig_of(camera, lens, clock, exposure_time=0.01), loop, steps.append)
    assert result.stopped
    assert any("moved" in (step.unused or "") for step in steps)
    for step in steps:
        if step.unused is None:
            expected = Ramp().expose(step.frame.position, 0.0).astype(int)
            assert np.abs(step.frame.image - expected).max() <= 1
