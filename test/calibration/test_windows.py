import numpy as np
import pytest
from sweep_photographs import SIZE, photograph

from aif_ros.calibration.windows import WindowBlurs, focus_position, follow, sharpest, windows
from aif_ros.optics.lens_model import LensModel

PLACE = (slice(60, 160), slice(80, 220))
POSITIONS = np.linspace(0.0, 1e-3, 9)
# Without focus breathing: the windows of a sweep need no registration.
LENS = LensModel("still", 1e-6, (0.0, 1e-3), 20e3, SIZE[0])


@pytest.fixture(scope="module")
def sweep():
    """(N, H, W) slices, in focus at 0.45 mm."""
    return np.stack([photograph(z, 0.45e-3, lens=LENS)[..., 1] for z in POSITIONS])


def test_windows_cover_an_image_once():
    count = np.zeros((47, 61), int)
    for place in windows(count.shape):
        count[place] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("radius", [2.0, 6.0, 14.0])
def test_blur_between_two_photographs(radius):
    sharp = photograph(0.0, lens=LENS)[..., 1]
    blurred = photograph(radius / 20e3, seed=1, lens=LENS)[..., 1]
    assert WindowBlurs(sharp, PLACE).radius(blurred) == pytest.approx(radius, rel=0.05)


def test_another_picture_matches_at_no_radius():
    sharp = photograph(0.0, lens=LENS)[..., 1]
    assert WindowBlurs(sharp, PLACE).radius(sharp[::-1]) is None


def test_a_window_is_followed_through_a_sweep(sweep):
    slope, peak, blurs = follow(sweep, POSITIONS, PLACE)
    assert slope == pytest.approx(20e3, rel=0.05)
    assert abs(peak - 0.45e-3) < 0.07e-3
    for position, radius in blurs.items():
        assert radius == pytest.approx(abs(position - peak) * 20e3, abs=1.5)


def test_focus_lies_between_slices(sweep):
    assert focus_position(sweep, POSITIONS, PLACE) == pytest.approx(0.45e-3, abs=0.02e-3)


def test_without_texture_no_slice_is_the_sharpest():
    assert sharpest(np.full((3, 240, 320), 0.5, np.float32), PLACE) is None
    assert follow(np.full((3, 240, 320), 0.5, np.float32), POSITIONS[:3], PLACE) is None
