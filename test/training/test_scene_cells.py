"""The cells of simulated scenes: what is read of them, and what they cost."""

from dataclasses import replace

import numpy as np
import pytest

from aif_ros.control.coverage import relative_sharpness
from aif_ros.control.expected_error import detail_error
from aif_ros.training.estimator_surrogate import assumed
from aif_ros.training.scene_cells import SceneCells

SCENES, CELLS = 40, 30
ALL = np.ones(SCENES, bool)


def cells(seed=0, **surrogate):
    made = SceneCells(SCENES, CELLS, replace(assumed(), **surrogate), np.random.default_rng(seed))
    made.draw(ALL)
    return made


def plain(**surrogate):
    """Cells that are read without distortion."""
    made = cells(**surrogate)
    made._distortion[:] = [1.0, np.inf, np.inf]
    made._misread[:] = np.nan
    return made


def points(radius):
    return np.full((SCENES, CELLS, 4), float(radius))


def test_only_marked_scenes_are_drawn_anew():
    made, which = cells(), np.arange(SCENES) % 3 == 0
    names = [name for name, value in vars(made).items() if isinstance(value, np.ndarray)]
    before = {name: getattr(made, name).copy() for name in names}
    made.draw(which)
    assert len(names) == 8
    for name, old in before.items():
        np.testing.assert_array_equal(getattr(made, name)[~which], old[~which])
    np.testing.assert_array_equal((made.detail == before["detail"]).any(axis=1), ~which)


def test_blank_cells_have_little_detail_and_are_never_read():
    made = plain(blank=0.3)
    assert made.blank.mean() == pytest.approx(0.26, abs=0.08)
    assert np.isnan(made.read(points(1.0))[0][made.blank]).all()
    ratio = np.median(made.detail[made.blank]) / np.median(made.detail[~made.blank])
    assert ratio < 0.5


def test_the_energy_of_a_cell_is_one_when_sharp_and_falls_with_blur():
    made = cells()
    np.testing.assert_allclose(made.sharpness_energy(points(0.0)), 1.0)
    expected = relative_sharpness(5.0) ** 2
    np.testing.assert_allclose(made.sharpness_energy(points(5.0)), expected)


def test_apparent_blur_is_that_of_the_sharp_points_mostly():
    made = cells()
    np.testing.assert_allclose(made.apparent_blur(points(5.0)), 5.0)
    mixed = points(20.0)
    mixed[..., 0] = 0.0
    apparent = made.apparent_blur(mixed)
    assert ((apparent >= 0) & (apparent <= 20)).all()
    assert np.median(apparent) < 5.0


def test_psnr_falls_with_blur_most_in_scenes_of_much_detail():
    made = cells()
    sharp, soft, softer = (made.psnr(points(radius)) for radius in (0.0, 3.0, 15.0))
    assert (sharp > soft).all()
    assert (soft > softer).all()
    order = made.detail.mean(axis=1).argsort()
    assert softer[order[0]] > softer[order[-1]]


class TestReadings:
    def test_lie_around_the_apparent_blur(self):
        made = plain(blank=0.0, unknown=np.zeros(len(assumed().radii), np.float32))
        radius, uncertainty, in_focus = made.read(points(10.0))
        assert radius.dtype == uncertainty.dtype == in_focus.dtype == np.float32
        assert np.isfinite(radius).all()
        assert radius.mean() == pytest.approx(10.0, abs=0.3)
        assert radius.std() == pytest.approx(1.6, abs=0.4)  # 0.4 px + 12 %
        assert in_focus.mean() < 0.01
        assert made.read(points(0.2))[2].mean() > 0.5

    def test_the_constant_part_of_an_error_belongs_to_its_cell(self):
        made = plain(blank=0.0, constancy=0.9, unknown=np.zeros(len(assumed().radii), np.float32))
        first, second = (made.read(points(10.0))[0].ravel() for _ in range(2))
        assert np.corrcoef(first, second)[0, 1] > 0.8

    def test_distortions_of_a_scene(self):
        made = plain(blank=0.0)
        made._distortion[0] = [1.5, np.inf, np.inf]
        made._distortion[1] = [1.0, 6.0, np.inf]
        made._distortion[2] = [1.0, np.inf, 9.0]
        radius = made.read(points(10.0))[0]
        assert np.nanmean(radius[0]) == pytest.approx(15.0, abs=1.5)
        assert np.nanmean(radius[1]) == pytest.approx(6.0, abs=1.0)
        assert np.isnan(radius[2]).all()
        assert np.isfinite(made.read(points(8.0))[0][2]).any()

    def test_misread_cells_look_the_same_at_any_blur(self):
        made = plain(blank=0.0, unknown=np.zeros(len(assumed().radii), np.float32))
        made._misread[:, 0] = 8.0
        for blur in (0.0, 25.0):
            assert made.read(points(blur))[0][:, 0].mean() == pytest.approx(8.0, abs=1.0)


def test_contrast_gives_the_detail_back_but_for_its_error():
    made = cells()
    radius = np.full((SCENES, CELLS), 4.0)
    contrast = made.contrast(radius)
    assert contrast.dtype == np.float32
    ratio = np.log(detail_error(contrast, radius) / made.detail)
    assert np.median(ratio) == pytest.approx(0.0, abs=0.1)
    assert ratio.std() == pytest.approx(0.5, abs=0.05)
