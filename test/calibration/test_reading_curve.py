from types import SimpleNamespace

import numpy as np

from aif_ros.calibration.reading_curve import reading_curve

POSITIONS = np.linspace(0.0, 1e-3, 41)


def curve(reading, side=64):
    """Of four windows in focus at half the travel; slices hold what is to be read of them."""
    blur = np.abs(POSITIONS - 0.5e-3) * 20e3
    stack = np.ones((41, 6 * side, 8 * side), np.float32) * reading(blur)[:, None, None]
    followed = [((slice(0, side), slice(k * side, (k + 1) * side)), 0.5e-3) for k in range(4)]
    reader = SimpleNamespace(
        estimate_patch=lambda image: SimpleNamespace(radius=float(image.mean()))
    )
    return reading_curve(stack, POSITIONS, followed, 20e3, reader)


def test_follows_the_readings():
    x, y = np.array(curve(lambda blur: np.float32(0.5 + 0.6 * blur))).T
    assert x[0] < 1 and x[-1] > 8
    np.testing.assert_allclose(y, 0.5 + 0.6 * x, atol=0.05)


def test_rises_where_readings_fall():
    x, y = np.array(curve(lambda blur: np.float32(blur - 0.09 * blur**2))).T
    assert (np.diff(x) > 0).all() and (np.diff(y) > 0).all()


def test_readings_all_alike_give_none():
    assert curve(lambda blur: np.full(41, 3.0, np.float32)) == ()


def test_windows_too_small_for_the_networks_give_none():
    assert curve(lambda blur: np.float32(blur), side=32) == ()
