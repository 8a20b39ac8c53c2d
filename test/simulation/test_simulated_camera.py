import threading

import numpy as np
import pytest
from camera_contract import CameraContract

from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.simulated_camera import SimulatedCamera, follow_with_backlash
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.frame import LensState

LENS = LensModel("test", 1e-6, (0.0, 1.0e-3), 90000.0, 3840)


class Recorder:
    """A subject that remembers how it was exposed."""

    size = (4, 3)

    def __init__(self):
        self.exposures, self.travels = [], []

    def expose(self, position, seconds, travel=0.0):
        self.exposures.append((position, seconds))
        self.travels.append(travel)
        return np.full((3, 4, 3), len(self.exposures), np.uint8)

    @property
    def positions(self):
        return [position for position, _ in self.exposures]


@pytest.fixture
def clock():
    return SimulatedClock(1_700_000_000 * 10**9)


@pytest.fixture
def subject():
    return Recorder()


@pytest.fixture
def lens(clock):
    return SimulatedLens(LENS, clock, speed=1e-3, settling_time=0.0)


@pytest.fixture
def camera(subject, clock, lens):
    return SimulatedCamera(subject, clock, lens, frame_rate=20.0, exposure_time=0.01)


class TestContract(CameraContract):
    pass


def test_exposes_at_regular_times_and_stamps_the_middle(camera, subject, clock):
    opened = clock.now()
    stamps = [camera.capture().stamp - opened for _ in range(3)]
    assert stamps == [5 * 10**6, 55 * 10**6, 105 * 10**6]
    assert [seconds for _, seconds in subject.exposures] == pytest.approx([0.005, 0.055, 0.105])


def test_missed_frames_are_skipped(camera, clock):
    opened = clock.now()
    camera.capture()
    clock.sleep(0.101)
    assert camera.capture().stamp - opened == 155 * 10**6


def test_uses_the_lens_position_at_the_middle_of_the_exposure(camera, subject, lens):
    camera.capture()
    lens.move_to(1.0e-3)  # 1 um a millisecond, 45 ms before the middle of the next exposure
    camera.capture()
    assert subject.positions == pytest.approx([0.0, 45e-6], abs=1e-9)


def test_a_failing_lens_is_the_cameras_failure(camera, lens):
    lens.close()
    with pytest.raises(DeviceError, match="lens is closed"):
        camera.capture()


class TestBacklash:
    def test_play_operator(self):
        follower, path = 0.0, []
        for position in (0.5, 3.0, 2.5, 1.5, 0.0, 0.5, 2.0):
            follower = follow_with_backlash(position, follower, 2.0)
            path.append(follower)
        assert path == [0.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]

    def test_optics_lag_behind_the_motor(self, subject, clock, lens):
        camera = SimulatedCamera(subject, clock, lens, frame_rate=1.0, backlash=20e-6)
        for target in (0.0, 100e-6, 95e-6, 70e-6, 72e-6):
            lens.move_to(target)
            clock.sleep(1.0)
            camera.capture()
        assert subject.positions == pytest.approx([0.0, 90e-6, 90e-6, 80e-6, 80e-6])


class TestLensInAnotherProcess:
    @pytest.fixture
    def camera(self, subject, clock):
        return SimulatedCamera(
            subject, clock, frame_rate=20.0, exposure_time=0.01, backlash=20e-6, lens_timeout=0.05
        )

    def observe(self, camera, clock, *positions):
        for index, position in enumerate(positions):
            camera.observe(LensState(clock.now() + index * 10**6, position, False))

    def test_missing_lens_states_are_an_error(self, camera):
        with pytest.raises(DeviceError, match="no lens state"):
            camera.capture()

    def test_exposes_at_the_reported_position_behind_the_backlash(self, camera, subject, clock):
        self.observe(camera, clock, 0.0, 50e-6, 100e-6)
        camera.observe(LensState(clock.now() + 10**9, 100e-6, False))
        camera.capture()
        assert subject.positions == pytest.approx([90e-6])

    def test_old_reports_are_ignored(self, camera, subject, clock):
        camera.observe(LensState(clock.now() + 10**9, 100e-6, False))
        camera.observe(LensState(clock.now(), 0.0, False))
        camera.capture()
        assert subject.positions == pytest.approx([100e-6])

    def test_waits_for_the_report_after_the_exposure(self, subject, clock):
        camera = SimulatedCamera(subject, clock, lens_timeout=30.0)
        camera.observe(LensState(clock.now(), 100e-6, False))
        late = LensState(clock.now() + 10**9, 100e-6, False)
        reporter = threading.Timer(0.05, camera.observe, [late])
        reporter.start()
        camera.capture()
        reporter.join()
        assert subject.positions == pytest.approx([100e-6])

    def test_closing_ends_the_wait(self, subject, clock):
        camera = SimulatedCamera(subject, clock, lens_timeout=30.0)
        closer = threading.Timer(0.05, camera.close)
        closer.start()
        with pytest.raises(DeviceError, match="closed"):
            camera.capture()
        closer.join()


@pytest.mark.parametrize(
    "wrong",
    [
        {"backlash": -1.0},
        {"backlash": float("nan")},
        {"frame_rate": 0.0},
        {"exposure_time": 0.0},
        {"exposure_time": 0.1, "frame_rate": 20.0},
    ],
)
def test_numbers_out_of_range_are_refused_by_name(subject, clock, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SimulatedCamera(subject, clock, **wrong)


class TestSkippingMotion:
    def test_no_picture_shows_the_lens_in_motion(self, subject, clock):
        lens = SimulatedLens(LENS, clock, speed=1e-2, settling_time=0.0)
        camera = SimulatedCamera(
            subject, clock, lens, frame_rate=100.0, exposure_time=0.01, skip_moving=True
        )
        camera.capture()
        lens.move_to(8e-4)
        camera.capture()
        assert subject.positions == pytest.approx([0.0, 8e-4])
        # 80 ms of motion.
        assert clock.now() >= 80_000_000

    def test_by_default_all_are_delivered(self, subject, clock):
        lens = SimulatedLens(LENS, clock, speed=1e-2, settling_time=0.0)
        camera = SimulatedCamera(subject, clock, lens, frame_rate=100.0, exposure_time=0.01)
        camera.capture()
        lens.move_to(8e-4)
        camera.capture()
        assert 0.0 < subject.positions[1] < 8e-4


def test_the_subject_gets_the_travel_during_the_exposure(camera, subject, lens):
    camera.capture()
    lens.move_to(1e-3)
    camera.capture()
    # 1 mm/s for 10 ms.
    assert subject.travels == pytest.approx([0.0, 1e-5])
