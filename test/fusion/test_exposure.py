"""Matching of exposure and white balance between frames."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.exposure import Gain, match_exposure, stack_gains
from aif_ros.fusion.light_map import light_map, registered
from aif_ros.fusion.motion.geometry import translation
from aif_ros.simulation.scenes.planes import texture

SCENE = 0.7 * texture((320, 240), np.random.default_rng(5))


def defocused(image, sigma):
    """Blurred in light, as by a lens."""
    return cv2.GaussianBlur(image**2.2, (0, 0), sigma) ** np.float32(1 / 2.2)


def gain(image, reference=SCENE):
    return match_exposure(light_map(image), light_map(reference))


@pytest.mark.parametrize("sigma", [0.5, 3.0, 5.0])
def test_focus_alone_is_no_gain(sigma):
    assert gain(defocused(SCENE, sigma)).negligible


@pytest.mark.parametrize("factors", [(1.1, 1.1, 1.1), (0.8, 1.0, 1.2), (1.4, 1.4, 1.4)])
def test_gains_of_each_channel_are_measured_and_removed(factors):
    brighter = np.float32(defocused(SCENE, 4.0) * factors)
    measured = gain(brighter)
    np.testing.assert_allclose(measured.factors, factors, rtol=0.01)
    below = brighter < 0.94
    np.testing.assert_allclose(
        measured.remove(brighter)[below], defocused(SCENE, 4.0)[below], atol=0.01
    )
    assert measured.even


def test_a_moving_object_does_not_pull():
    other = SCENE.copy()
    other[60:140, 40:140] = 1 - other[60:140, 40:140]
    assert gain(other).negligible


def test_light_that_changes_in_parts_is_reported():
    ramp = np.linspace(0.6, 1.3, 320, dtype=np.float32)[None, :, None]
    assert not gain(SCENE * ramp).even


def beads():
    """Points of full brightness on black."""
    random, image = np.random.default_rng(6), np.full((240, 320, 3), 0.05, np.float32)
    for x, y in random.integers((0, 0), (320, 240), (40, 2)):
        cv2.circle(image, (int(x), int(y)), 3, (0.1, 0.9, 0.2), -1, cv2.LINE_AA)
    return image


def board():
    """Squares of 24 pixels."""
    rows, columns = np.mgrid[:240, :320] // 24
    return np.float32(0.15 + 0.7 * ((rows + columns) % 2))[..., None].repeat(3, axis=2)


@pytest.mark.parametrize("scene", [beads, board])
def test_blur_that_carries_light_to_other_cells_is_not_uneven_light(scene):
    """Blurred in light or, as by software, in encoded values; by more from left to right."""
    for blurred in (defocused, lambda image, sigma: cv2.GaussianBlur(image, (0, 0), sigma)):
        levels = np.stack([blurred(scene(), 0.3 + 1.5 * level) for level in range(6)])
        columns = np.arange(320) * 6 // 320
        slices = [
            levels[np.abs(columns - index), :, np.arange(320)].swapaxes(0, 1) for index in range(6)
        ]
        assert all(each.even for each in stack_gains([light_map(image) for image in slices]))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_frames_without_usable_light_are_unchanged(level):
    assert gain(np.full_like(SCENE, level)).negligible


def test_the_odd_slice_is_corrected_not_the_others():
    slices = [defocused(SCENE, 1.0 + index) for index in range(5)]
    slices[2] = np.float32(1.3 * slices[2])
    gains = stack_gains([light_map(image) for image in slices])
    assert [each.negligible for each in gains] == [True, True, False, True, True]
    assert gains[2].factors[0] == pytest.approx(1.3, rel=0.01)


@pytest.mark.parametrize("factor", [0.3, 0.5, 2.0])
def test_slices_of_a_stack_may_differ_by_two_stops(factor):
    slices = [0.45 * defocused(SCENE, 1.0 + index) for index in range(5)]
    slices[2] = np.float32(factor * slices[2])
    gains = stack_gains([light_map(image) for image in slices])
    assert [each.negligible for each in gains] == [True, True, False, True, True]
    assert all(each.even for each in gains)
    assert gains[2].factors[0] == pytest.approx(factor, rel=0.01)


@pytest.mark.parametrize("factor", [0.002, 8.0])
def test_a_slice_too_clipped_or_too_dark_to_be_measured_is_reported(factor):
    slices = [defocused(SCENE, 1.0 + index) for index in range(5)]
    slices[2] = np.minimum(np.float32(factor * slices[2]), 1)
    gains = stack_gains([light_map(image) for image in slices])
    assert all(each.negligible for each in gains)
    assert [each.even for each in gains] == [True, True, False, True, True]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_measured_alike(dtype):
    full = np.iinfo(dtype).max
    one, other = ((full * image).astype(dtype) for image in (SCENE, np.float32(1.2 * SCENE)))
    np.testing.assert_allclose(gain(other, one).factors, 1.2, rtol=0.01)


def test_highlights_of_a_brighter_frame_stay_white_without_a_step():
    ramp = np.linspace(0, 1, 201, dtype=np.float32)[None]
    for factor in (1.02, 1.4):
        matched = Gain(np.full(1, factor, np.float32), True).remove(ramp)[0]
        assert matched[-1] == 1
        np.testing.assert_allclose(matched[:188], ramp[0, :188] / factor, rtol=1e-4)
        assert (np.diff(matched) > 0).all()
        assert np.diff(matched).max() < 0.06


@pytest.mark.parametrize("dtype, full", [(np.float32, 1), (np.uint8, 255), (np.uint16, 65535)])
def test_clipped_parts_of_a_brighter_frame_are_not_used(dtype, full):
    image = np.full((40, 60, 3), 0.5)
    image[10:20, 10:30, 1] = 1.0
    image = (image * full).astype(dtype)
    brighter = Gain(np.full(3, 1.3, np.float32), True)
    unclipped = brighter.unclipped(image, None)
    assert not unclipped[9:21, 9:31].any() and unclipped[:9].all() and unclipped[:, 31:].all()
    right = np.arange(60)[None] >= 20
    np.testing.assert_array_equal(brighter.unclipped(image, right), unclipped & right)
    for factor in (1.0, 0.7):
        as_bright = Gain(np.full(3, factor, np.float32), True)
        assert as_bright.unclipped(image, None) is None


def test_mono():
    gray = SCENE[..., 1]
    measured = gain(np.float32(0.9 * gray), gray)
    assert measured.factors.shape == (1,)
    np.testing.assert_allclose(measured.remove(np.float32(0.9 * gray)), gray, atol=0.01)


def test_drift_is_no_change_of_exposure():
    """Cells of drifting slices show other things, unless they are registered first."""
    scene = 0.7 * texture((360, 280), np.random.default_rng(5))
    moves = [translation(-10.0 * index, -14.0 * index) for index in range(4)]
    slices = [scene[14 * k : 14 * k + 200, 10 * k : 10 * k + 300] for k in range(4)]
    maps = [
        registered(light_map(image), move, (300, 200))
        for image, move in zip(slices, moves, strict=True)
    ]
    gains = np.concatenate([gain.factors for gain in stack_gains(maps)])
    assert np.abs(gains - 1).max() < 0.02
    brighter = registered(light_map(np.minimum(slices[3] * 1.2, 1)), moves[3], (300, 200))
    gain = stack_gains([*maps[:3], brighter])[3]
    np.testing.assert_allclose(gain.factors, 1.2, rtol=0.03)
