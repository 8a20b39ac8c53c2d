"""Random statistics of scenes."""

import numpy as np
import pytest

from aif_ros.training.scene_statistics import draw_detail, draw_distortions, draw_misreadings


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_detail_differs_between_scenes_and_within_them(random):
    detail = draw_detail(random, 4000, 30)
    assert detail.shape == (4000, 30)
    assert (detail > 0).all()
    means = np.log(detail.mean(axis=1))
    assert np.median(means) == pytest.approx(np.log(0.012), abs=0.05)
    assert means.std() == pytest.approx(0.9, abs=0.05)
    # Within a scene log-normal with a deviation of 0.5 to 2.
    spreads = np.log(detail).std(axis=1, ddof=1)
    assert np.median(spreads) == pytest.approx(1.25, abs=0.1)
    assert np.quantile(spreads, 0.95) < 2.5


def test_most_scenes_are_read_without_distortion(random):
    factor, ceiling, largest = draw_distortions(random, 20000).T
    assert np.median(factor) == pytest.approx(1.0, abs=0.01)
    rare = np.abs(np.log(factor)) > 0.32  # four standard deviations of the others
    assert 0.01 < rare.mean() < 0.1
    assert 0.5 < factor.min() < 0.6
    assert 1.5 < factor.max() < 1.65
    for limit in (ceiling, largest):
        finite = np.isfinite(limit)
        assert finite.mean() == pytest.approx(0.08, abs=0.01)
        assert 4 <= limit[finite].min() < 5
        assert 11 < limit[finite].max() <= 12
    # Independent: few scenes have both.
    assert (np.isfinite(ceiling) & np.isfinite(largest)).mean() < 0.02


def test_some_cells_of_some_scenes_are_always_misread(random):
    misread = draw_misreadings(random, 3000, 50)
    share = np.isfinite(misread).mean(axis=1)
    assert (share == 0).mean() == pytest.approx(0.6, abs=0.06)
    assert share[share > 0].mean() == pytest.approx(0.15, abs=0.03)
    assert share.max() < 0.6
    values = misread[np.isfinite(misread)]
    assert 0.5 <= values.min() < 0.6
    assert 14.9 < values.max() <= 15


@pytest.mark.parametrize("draw", [draw_detail, draw_misreadings])
def test_no_scenes_are_no_rows(random, draw):
    assert draw(random, 0, 7).shape == (0, 7)
    assert draw_distortions(random, 0).shape == (0, 3)
