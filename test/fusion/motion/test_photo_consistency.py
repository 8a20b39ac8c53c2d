"""Areas in which registered images of one scene are inconsistent."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.photo_consistency import inconsistent_area, inconsistent_areas, residual
from aif_ros.simulation.scenes.planes import texture

SIZE = (160, 120)
WHOLE = np.ones(SIZE[::-1], bool)
PART = (slice(30, 80), slice(40, 100))
"""Rows and columns of what lies in front of the scene."""


def scene(blur=0.0, seed=0):
    image = cv2.cvtColor(texture(SIZE, np.random.default_rng(seed)), cv2.COLOR_RGB2GRAY)
    image = 0.3 + 0.4 * image
    return cv2.GaussianBlur(image, (0, 0), blur) if blur else image


def covered(image, part=PART, value=0.02):
    image = image.copy()
    image[part] = value
    return image


def inside(mask, part=PART, border=8):
    """Share of the part, without its border, that a mask covers."""
    rows, columns = (slice(each.start + border, each.stop - border) for each in part)
    return mask[rows, columns].mean()


@pytest.mark.parametrize("blur", [0.0, 2.0, 5.0])
def test_a_dark_area_does_not_fit(blur):
    found = inconsistent_area(scene(), covered(scene(blur)), WHOLE)
    assert found.dtype == bool
    assert inside(found) > 0.95
    assert found.mean() < 0.45


@pytest.mark.parametrize("blur", [1.0, 3.0, 6.0])
def test_defocus_fits(blur):
    assert inconsistent_area(scene(), scene(blur), WHOLE) is None


@pytest.mark.parametrize("gain", [0.5, 1.4])
def test_another_exposure_fits(gain):
    assert inconsistent_area(scene(), np.float32(gain) * scene(1.0), WHOLE) is None


@pytest.mark.parametrize("small", [(40, 24), (24, 40)])
def test_images_that_are_too_small_are_not_judged(small):
    one = cv2.resize(scene(), small)
    other = covered(one, (slice(5, 20), slice(5, 20)))
    assert inconsistent_area(one, other, np.ones(one.shape, bool)) is None


def test_too_little_in_common_is_not_judged():
    common = np.zeros_like(WHOLE)
    common[:30] = True
    assert inconsistent_area(scene(), covered(scene()), common) is None


def test_images_without_range_are_not_judged():
    flat = np.full(SIZE[::-1], 0.5, np.float32)
    assert inconsistent_area(flat, covered(scene()), WHOLE) is None


def test_the_residual_is_least_for_what_is_registered():
    shifted = np.roll(scene(), 6, axis=1)
    assert residual(scene(), scene(), WHOLE) < 0.01
    assert residual(scene(), scene(1.0), WHOLE) < residual(scene(), shifted, WHOLE) <= 1.0


def test_what_is_not_common_counts_as_different():
    common = WHOLE.copy()
    common[:60] = False
    assert residual(scene(), scene(), common) == pytest.approx(0.5, abs=0.02)


def test_one_covered_slice_of_a_stack_is_found():
    copies = [scene(blur) for blur in (4.0, 2.0, 0.0, 2.0, 4.0)]
    copies[1] = covered(copies[1])
    found = inconsistent_areas(copies, [WHOLE] * 5)
    assert [mask is not None for mask in found] == [False, True, False, False, False]
    assert inside(found[1]) > 0.95


def test_a_stack_that_only_goes_out_of_focus_fits():
    copies = [scene(blur) for blur in (5.0, 3.0, 1.0, 0.0, 1.0, 3.0, 5.0)]
    assert inconsistent_areas(copies, [WHOLE] * 7) == [None] * 7


def test_what_many_slices_show_differently_belongs_to_the_scene():
    copies = [covered(scene(), value=0.1 + 0.12 * (index % 3)) for index in range(6)]
    assert inconsistent_areas(copies, [WHOLE] * 6) == [None] * 6


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_slices_are_not_judged(count):
    assert inconsistent_areas(count * [scene()], count * [WHOLE]) == count * [None]
