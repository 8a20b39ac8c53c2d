"""The loop with devices of simulated time and parts whose answers are known beforehand.

The camera's "pictures" hold the blur radius of each pixel, 10 grey values a pixel, so that
fusing is a minimum and estimating is reading.
"""

import cv2
import numpy as np
import pytest

from aif_ros.control.agent import Action
from aif_ros.control.agents import make_agent
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError, EndOfRecording
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.scene_watch import Scene
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline import fuse_step
from aif_ros.pipeline.loop import AllInFocusPipeline, run_loop
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.frame import Frame, LensState
from aif_ros.types.image import ImageError

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
WIDTH, HEIGHT = 640, 48
FOCUS = np.linspace(0.2e-3, 1.3e-3, WIDTH)[None].repeat(HEIGHT, axis=0)


class Ramp:
    """A scene whose focus position rises from left to right."""

    size = (WIDTH, HEIGHT)

    def expose(self, position, seconds, travel=0.0):
        return (10 * np.abs(LENS.blur_radius(position, FOCUS, WIDTH))).clip(0, 255).astype(np.uint8)


class ReadOff:
    """An estimator that never errs."""

    def estimate(self, image):
        if image.shape[0] < 16:
            raise ImageError("too small")
        radius = image.reshape(3, HEIGHT // 3, 40, WIDTH // 40).mean(axis=(1, 3)) * 25.5
        in_focus = (radius <= 1.3).astype(np.float32)
        return DefocusMap(radius, np.full_like(radius, 0.3), in_focus, 0 * radius, (WIDTH, HEIGHT))


class SmallestBlur:
    """Fuses by the minimum."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.fused = None
        self.followed = []

    def add(self, image, position, valid=None):
        count = 1
        if self.fused is not None:
            image, count = np.minimum(image, self.fused.image), self.fused.frames + 1
        self.fused = Fused(image, 1 - image, np.full_like(image, position), count)
        return self.fused

    def follow(self, image, position):
        if self.fused is not None:
            self.followed.append(position)
        return self.fused


class Always:
    """An agent that always sends the lens to the same position."""

    def __init__(self, position):
        self.position = position
        self.shown = []

    def reset(self):
        pass

    def act(self, observation):
        self.shown.append(observation)
        return Action(self.position, None, "always")


class OneScene:
    """Maps of blur from different positions look like different scenes, and are not."""

    def __init__(self, lens_model):
        pass

    def add(self, image, position):
        return Scene.SAME


@pytest.fixture(autouse=True)
def one_scene(monkeypatch):
    monkeypatch.setattr(fuse_step, "SceneWatch", OneScene)


@pytest.fixture
def clock():
    return SimulatedClock(1_700_000_000 * 10**9)


@pytest.fixture
def lens(clock):
    return SimulatedLens(LENS, clock)


@pytest.fixture
def camera(clock, lens):
    return SimulatedCamera(Ramp(), clock, lens)


def pipeline(agent, **options):
    agent = make_agent(agent, LENS) if isinstance(agent, str) else agent
    return AllInFocusPipeline(LENS, SmallestBlur(), ReadOff(), agent, **options)


def frame(position, stamp, travel=0.0):
    return Frame(Ramp().expose(position, 0.0), stamp, position, travel)


def take(loop, frame):
    """The lens reports before and after the exposure, then the frame is taken in."""
    for stamp in (frame.stamp - 1, frame.stamp + 1):
        loop.observe(LensState(stamp, frame.position, frame.moving))
    step = loop.step(frame)
    if step.action is not None and step.action.position is not None:
        loop.commanded(step.action.position, frame.stamp + 1)
    return step


class TestStep:
    @pytest.fixture
    def loop(self):
        return pipeline(Always(0.9e-3))

    def test_fuses_assesses_and_decides(self, loop):
        take(loop, frame(0.1e-3, 1))
        step = take(loop, frame(0.9e-3, 2))
        assert step.unused is None
        assert step.fused.frames == 2
        assert step.fused is loop.fused
        assert step.reference.image.dtype == np.float32
        assert (step.fused_maps.distance <= step.maps.distance + 1e-6).all()
        assert step.action.position == 0.9e-3

    @pytest.mark.parametrize(
        "useless, reason",
        [
            (frame(0.5e-3, 20, travel=10e-6), "moved"),
            (frame(0.5e-3, 10), "not newer"),
            (frame(0.5e-3, 9), "not newer"),
        ],
    )
    def test_useless_frames_change_nothing_and_give_a_reason(self, loop, useless, reason):
        take(loop, frame(0.1e-3, 10))
        before = loop.fused
        step = take(loop, useless)
        assert reason in step.unused
        assert step.action is None
        assert loop.fused is before

    def test_a_frame_of_a_moving_lens_is_not_used_as_the_first_either(self, loop):
        assert take(loop, frame(0.1e-3, 10, travel=10e-6)).action is None
        assert loop.fused is None

    def test_a_still_scene_is_not_fused_twice_from_one_position(self, loop):
        take(loop, frame(0.1e-3, 10))
        before = loop.fused
        step = take(loop, frame(0.1e-3 + 5e-6, 20))
        assert "position" in step.unused
        assert loop.fused is before
        assert step.action.position == 0.9e-3  # the agent was asked all the same

    def test_a_changing_scene_is_followed_while_the_lens_moves(self):
        loop = pipeline(Always(0.9e-3), dynamic=True)
        assert take(loop, frame(0.1e-3, 10, travel=np.inf)).fused is None
        fused = take(loop, frame(0.1e-3, 20)).fused
        step = take(loop, frame(0.5e-3, 30, travel=np.inf))
        assert "moved" in step.unused
        assert step.action is None
        assert step.fused is fused
        assert loop._fuse._fuser.followed == [0.5e-3]
        assert step.maps is None
        assert step.fused_maps.stamp == 30

    def test_in_a_dynamic_scene_frames_of_slow_motion_are_fused_and_observed(self):
        agent = Always(0.9e-3)
        loop = pipeline(agent, dynamic=True)
        take(loop, frame(0.1e-3, 10))
        slow = LENS.half_depth_of_focus(WIDTH)
        step = take(loop, frame(0.5e-3, 20, travel=slow))
        assert (step.unused, step.action) == (None, None)
        assert step.fused.frames == 2
        take(loop, frame(0.7e-3, 30, travel=1.01 * slow))
        assert loop.fused.frames == 2
        assert len(agent.shown) == 1
        for stamp in (40, 50):
            take(loop, frame(0.9e-3, stamp))
        _, then, later = agent.shown
        assert [(each.position, each.stamp) for each in then.new_observations] == [
            (0.5e-3, 20),
            (0.9e-3, 40),
        ]
        assert later.passed == ()

    @pytest.mark.parametrize("stamp", [20, 15])
    def test_frames_of_slow_motion_are_not_fused_twice(self, stamp):
        loop = pipeline(Always(0.9e-3), dynamic=True)
        take(loop, frame(0.1e-3, 10))
        take(loop, frame(0.5e-3, 20, travel=1e-6))
        assert "not newer" in take(loop, frame(0.5e-3, stamp, travel=1e-6)).unused

    def test_a_changing_scene_is(self):
        loop = pipeline(Always(0.9e-3), dynamic=True)
        take(loop, frame(0.1e-3, 10))
        assert take(loop, frame(0.1e-3, 20)).fused.frames == 2

    def test_bad_images_are_errors_and_lose_nothing(self, loop):
        take(loop, frame(0.1e-3, 10))
        before = loop.fused
        with pytest.raises(ImageError):
            take(loop, Frame(np.zeros((0, 0), np.uint8), 20, 0.5e-3))
        assert loop.fused is before
        assert take(loop, frame(0.5e-3, 20)).fused.frames == 2

    def test_an_image_the_estimator_refuses_is_not_fused(self):
        loop = pipeline(Always(0.9e-3))
        with pytest.raises(ImageError, match="too small"):
            take(loop, Frame(np.zeros((8, 8), np.uint8), 1, 0.1e-3))
        assert loop.fused is None

    def test_reset_discards_the_state(self, loop):
        take(loop, frame(0.1e-3, 10))
        loop.reset()
        assert loop.fused is None
        assert take(loop, frame(0.1e-3, 5)).fused.frames == 1


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


class TestLoop:
    @pytest.mark.parametrize("agent", ["sweep", "rule_based", "planner"])
    def test_a_picture_that_never_changes_is_a_fault(self, clock, lens, agent):
        result = run_loop(SimulatedCamera(Unmoved(), clock, lens), lens, pipeline(agent), clock)
        assert "the image does not change" in str(result.fault)
        assert not result.stopped

    def test_a_picture_that_has_not_changed_in_few_frames_is_a_doubt(self, clock, lens):
        camera = SimulatedCamera(Textured(), clock, lens)
        result = run_loop(camera, lens, pipeline("sweep"), clock, max_frames=3)
        assert result.fault is None
        assert "3 are too few" in result.doubt

    @pytest.mark.parametrize(
        "subject, most", [(Unmoved(), 100), (Textured(), 3)], ids=["fault", "doubt"]
    )
    def test_slices_that_are_alike_are_reported_as_slices(self, clock, lens, subject, most):
        camera = SimulatedCamera(subject, clock, lens)
        result = run_loop(camera, lens, pipeline("sweep"), clock, max_frames=most, recorded=True)
        said = f"{result.fault or ''}{result.doubt}"
        assert "slices" in said
        assert "motor" not in said

    def test_a_picture_that_changes_is_none(self, clock, lens):
        camera = SimulatedCamera(Textured(moves=True), clock, lens)
        assert run_loop(camera, lens, pipeline("sweep"), clock, max_frames=3).doubt == ""

    @pytest.mark.parametrize("agent", ["sweep", "rule_based", "planner"])
    def test_brings_everything_into_focus_and_stops(self, camera, lens, clock, agent):
        loop, steps = pipeline(agent), []
        result = run_loop(camera, lens, loop, clock, steps.append, exposure_time=0.01)
        assert result.stopped
        assert result.fault is None
        assert result.frames == len(steps) == loop.fused.frames
        assert not any(step.frame.moving for step in steps)
        assert np.quantile(loop.fused.image * 25.5, 0.99) <= 2.0

    def test_a_changing_scene_is_watched_also_while_the_lens_moves(self, camera, lens, clock):
        class ToAndFro(Always):
            def act(self, observation):
                return Action(0.9e-3 if observation.position < 0.5e-3 else 0.1e-3, None, "on")

        loop, steps = pipeline(ToAndFro(0.0), dynamic=True), []
        run_loop(camera, lens, loop, clock, steps.append, exposure_time=0.01, max_frames=4)
        assert sum(step.action is not None for step in steps) == 4
        # Starting and settling are followed, what lies between is fused.
        assert 0 < len(loop._fuse._fuser.followed) == sum(step.unused is not None for step in steps)
        assert loop.fused.frames == sum(step.unused is None for step in steps) > 4
        # Every frame of the camera's schedule was taken: nothing is slower for it.
        between = np.diff([step.frame.stamp for step in steps])
        assert np.ptp(between) == 0

    def test_stops_at_the_frame_limit(self, camera, lens, clock):
        loop = pipeline("sweep")
        result = run_loop(camera, lens, loop, clock, max_frames=3)
        assert (result.frames, result.stopped) == (3, False)
        assert "3 frames" in result.reason
        assert loop.fused.frames == 3

    def test_a_stalling_lens_ends_it_and_keeps_what_was_fused(self, camera, lens, clock):
        loop = pipeline("sweep")

        def jam(step):
            if loop.fused.frames == 3:
                lens.stall()

        result = run_loop(camera, lens, loop, clock, jam)
        assert "stalled" in result.reason
        assert isinstance(result.fault, DeviceError)
        assert loop.fused.frames == result.frames == 3

    def test_a_lens_that_silently_stays_ends_it_with_the_reason(self, camera, lens, clock):
        lens.move_to = lambda position: None
        loop = pipeline("rule_based")
        result = run_loop(camera, lens, loop, clock)
        assert "does not reach its commanded position" in result.reason
        assert loop.fused.frames == 1

    def test_a_lens_that_never_rests_is_a_fault(self, camera, lens, clock):
        state = lens.state
        lens.state = lambda: type(state())(state().stamp, 0.1e-3, True)
        result = run_loop(camera, lens, pipeline("sweep"), clock, settle_timeout=1.0)
        assert "still moves after 1 s" in result.reason
        assert result.fault is not None

    def test_a_vanished_camera_ends_it_and_keeps_what_was_fused(self, camera, lens, clock):
        loop = pipeline("sweep")

        def unplug(step):
            if loop.fused.frames == 3:
                camera.close()

        result = run_loop(camera, lens, loop, clock, unplug)
        assert "closed" in result.reason
        assert loop.fused.frames == 3

    def test_the_end_of_a_recording_ends_it(self, camera, lens, clock):
        capture, loop = camera.capture, pipeline("sweep")

        def play():
            if loop.fused is not None and loop.fused.frames == 2:
                raise EndOfRecording("played to its end")
            return capture()

        camera.capture = play
        result = run_loop(camera, lens, loop, clock)
        assert isinstance(result.fault, EndOfRecording)
        assert loop.fused.frames == 2

    def test_frames_exposed_in_motion_are_not_fused(self, camera, lens, clock):
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
        result = run_loop(camera, lens, loop, clock, steps.append, exposure_time=0.01)
        assert result.stopped
        assert any("moved" in (step.unused or "") for step in steps)
        for step in steps:
            if step.unused is None:
                expected = Ramp().expose(step.frame.position, 0.0).astype(int)
                assert np.abs(step.frame.image - expected).max() <= 1
