"""Images of noise only, among images of detail and on their own."""

import numpy as np
import pytest
from pictures import defocused, texture

from aif_ros.autofocus.searches import make_search
from aif_ros.autofocus.shared_detail import SharedDetail
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 90000.0, 3840)
CONTRAST_SEARCHES = ("rule_based", "fibonacci", "sweep")
SHARP = 0.3 + 0.4 * texture(96)
FOCUS = 6.1e-4


def noise(seed, mean, deviation, size=96):
    image = np.random.default_rng(seed).normal(mean, deviation, (size, size))
    return np.clip(np.round(255 * image) / 255, 0, 1).astype(np.float32)


def searched(name, look, start=2e-4):
    """Run a search to its end; returns the last decision and the position there."""
    search, position = make_search(name, LENS), start
    search.begin(start, LENS.limits, 3840)
    for index in range(300):
        decision = search.update(look(index, position), position)
        if decision.done:
            return decision, position
        position = decision.position
    raise AssertionError("the search did not end")


def found(images):
    detail = SharedDetail()
    for image in images:
        detail.add(image, float(image.mean()), grain=10.0)
    return detail.found.tolist()


@pytest.mark.parametrize("size", [16, 96, 300])
@pytest.mark.parametrize("deviation", [0.01, 0.1])
def test_noise_shares_nothing(size, deviation):
    for seed in range(3):
        images = [noise((seed, index), 0.4, deviation, size) for index in range(5)]
        assert not any(found(images))


@pytest.mark.parametrize("blur", [0.0, 3.0, 8.0])
def test_detail_is_shared_also_out_of_focus(blur):
    images = [SHARP + noise(1, 0, 0.01), defocused(SHARP, blur) + noise(2, 0, 0.01)]
    assert found(images) == [True, True]


def test_periodic_detail_is_shared():
    grating = (0.5 + 0.3 * np.sin(np.arange(96) * 0.8) * np.ones((96, 1))).astype(np.float32)
    assert found([grating, grating + noise(1, 0, 0.01)]) == [True, True]


def test_an_image_that_is_replayed_proves_nothing():
    assert found([noise(1, 0.5, 0.05)] * 3) == [False] * 3


def test_dark_images_share_nothing_with_bright_ones():
    """Hot pixels and readout patterns are alike in all dark images."""
    pattern = noise(1, 0.02, 0.02)
    dark = [np.square(pattern + noise(index, 0, 0.002)) for index in (2, 3)]
    assert found([*dark, SHARP, SHARP + noise(4, 0, 0.01)]) == [False, False, True, True]


@pytest.mark.parametrize("name", CONTRAST_SEARCHES)
@pytest.mark.parametrize("mean", [0.02, 0.3])
def test_noise_of_varying_strength_is_no_focus(name, mean):
    strength = np.random.default_rng(0).uniform(0.005, 0.05, 400)
    decision, _ = searched(name, lambda index, _: noise(index, mean, strength[index]))
    assert not decision.focused


@pytest.mark.parametrize("name", CONTRAST_SEARCHES)
@pytest.mark.parametrize("noisy", [(0.02, 0.01), (0.5, 0.1)])
def test_images_of_noise_do_not_draw_the_search_away(name, noisy):
    """Some of the slices of a recording show nothing: a lens cap, or a blank image."""

    def look(index, position):
        if position < 1.5e-4:
            return noise(index, *noisy)
        own = np.random.default_rng(1000 + index).normal(0, 0.006, SHARP.shape)
        blur = abs(LENS.blur_radius(position, FOCUS, 3840))
        return np.clip(defocused(SHARP, blur) + own, 0, 1).astype(np.float32)

    decision, position = searched(name, look)
    assert decision.focused
    assert abs(position - FOCUS) <= 1.5 * LENS.half_depth_of_focus(3840)
