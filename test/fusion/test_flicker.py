"""Bands of a rolling shutter under a flickering lamp."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.exposure import match_exposure, stack_gains
from aif_ros.fusion.flicker import COLUMNS, ROWS, Bands, find_bands
from aif_ros.fusion.fuser import Fuser, make_method
from aif_ros.fusion.light_map import light_map
from aif_ros.simulation.scenes.planes import texture

SCENE = 0.2 + 0.6 * texture((320, 240), np.random.default_rng(5))
HEIGHTS = (np.arange(240) + 0.5) / 240


def banded(image, bands):
    return np.float32(image * bands.factors(HEIGHTS)[:, None, None])


def defocused(image, sigma):
    """Blurred in light, as by a lens."""
    return cv2.GaussianBlur(image**2.2, (0, 0), sigma) ** np.float32(1 / 2.2)


@pytest.mark.parametrize("frequency", [0.9, 2.0, 5.3])
@pytest.mark.parametrize("sigma", [0.0, 4.0])
def test_bands_are_measured_and_removed(frequency, sigma):
    bands = Bands(frequency, 0.05, -0.02)
    scene = defocused(SCENE, sigma) if sigma else SCENE
    gain = match_exposure(light_map(banded(scene, bands)), light_map(SCENE))
    assert gain.bands is not None and gain.even
    np.testing.assert_allclose(gain.bands.factors(HEIGHTS), bands.factors(HEIGHTS), atol=0.015)
    np.testing.assert_allclose(gain.remove(banded(scene, bands)), scene, atol=0.02)
    part = gain.remove(banded(scene, bands)[100:150], HEIGHTS[100:150])
    np.testing.assert_allclose(part, gain.remove(banded(scene, bands))[100:150], atol=1e-6)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 8.0])
def test_focus_alone_makes_no_bands(sigma):
    assert match_exposure(light_map(defocused(SCENE, sigma)), light_map(SCENE)).bands is None


@pytest.mark.parametrize("period", [30, 48, 80])
def test_a_blind_out_of_focus_is_no_flicker(period):
    """Its slats are as periodic along the rows as flicker is."""
    slats = np.where(np.arange(240) % period < period / 2, np.float32(0.45), np.float32(0.55))
    blind = np.repeat(np.repeat(slats[:, None, None], 320, 1), 3, 2)
    for sigma in (2.0, 6.0):
        assert match_exposure(light_map(defocused(blind, sigma)), light_map(blind)).bands is None


def test_a_shadow_is_no_flicker():
    shadow = SCENE.copy()
    shadow[120:150] *= 0.8
    assert match_exposure(light_map(shadow), light_map(SCENE)).bands is None


def test_too_few_rows_to_compare():
    rows = np.full((ROWS, COLUMNS), 0.5, np.float32)
    rows[: ROWS // 2] = np.nan
    assert find_bands(rows, np.full_like(rows, 0.5)) is None


@pytest.mark.parametrize(("last", "found"), [(1.0, True), (0.0, False)])
def test_columns_must_have_bands_alike(last, found):
    """Light that defocus carries differs from column to column."""
    rows = 0.05 * np.cos(2 * np.pi * 2 * (np.arange(ROWS) + 0.5) / ROWS)
    across = np.linspace(1.0, last, COLUMNS)
    reference = np.full((ROWS, COLUMNS), 0.5)
    bands = find_bands(reference * np.exp(rows[:, None] * across), reference)
    assert (bands is not None) == found


def test_slices_of_a_stack_come_to_what_they_have_in_common():
    bands = [Bands(3.0, 0.06 * np.cos(phase), 0.06 * np.sin(phase)) for phase in range(6)]
    gains = stack_gains([light_map(banded(SCENE, each)) for each in bands])
    for each, gain in zip(bands, gains, strict=True):
        np.testing.assert_allclose(gain.remove(banded(SCENE, each)), SCENE, atol=0.025)


def test_frame_by_frame_the_bands_average_out():
    fuser = Fuser(make_method("pyramid"))
    for phase in range(8):
        bands = Bands(3.0, 0.06 * np.cos(phase), 0.06 * np.sin(phase))
        fused = fuser.add(banded(SCENE, bands), 1e-3 * phase)
    assert np.abs(fused.image - SCENE).mean() < 0.008
