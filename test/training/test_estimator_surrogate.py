import numpy as np
import pytest

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.training.estimator_surrogate import EstimatorSurrogate, Sample, assumed, measure


def samples(random, *, bias=1.2, spread=0.3, constant=0.0, blank=0.0, scenes=4):
    """Frames of an estimator that reads `bias` times the truth, with known errors."""
    for scene in range(scenes):
        persistent = random.standard_normal((20, 20))
        textureless = random.random((20, 20)) < blank
        for _ in range(12):
            true = random.uniform(0, 30, (20, 20))
            noise = random.standard_normal((20, 20))
            error = np.sqrt(constant) * persistent + np.sqrt(1 - constant) * noise
            radius = np.maximum(bias * true + spread * error, 0)
            radius[textureless | (true > 25)] = np.nan
            uncertainty = np.where(np.isnan(radius), np.nan, spread)
            yield Sample(
                DefocusMap(radius, uncertainty, radius * 0 + 0.5, radius * 0, (640, 640)),
                true,
                scene,
            )


class TestMeasure:
    def test_finds_bias_and_blindness(self):
        surrogate = measure(samples(np.random.default_rng(0)))
        middle = surrogate.reading[:, 10]
        chosen = (surrogate.radii >= 2) & (surrogate.radii <= 20)
        assert middle[chosen] == pytest.approx(1.2 * surrogate.radii[chosen], rel=0.1)
        assert surrogate.unknown[surrogate.radii <= 20].max() < 0.01
        assert surrogate.unknown[-1] > 0.9 or surrogate.radii[-1] < 30

    @pytest.mark.parametrize("constant", [0.0, 0.6])
    def test_finds_how_much_of_the_error_belongs_to_the_cell(self, constant):
        # The true radii within one row of the table vary as well, which dilutes it a little.
        surrogate = measure(samples(np.random.default_rng(1), spread=3.0, constant=constant))
        assert surrogate.constancy == pytest.approx(constant, abs=0.15)

    def test_finds_the_share_of_blank_cells(self):
        surrogate = measure(samples(np.random.default_rng(2), blank=0.2))
        assert surrogate.blank == pytest.approx(0.2, abs=0.03)

    def test_nothing_to_measure_is_an_error(self):
        with pytest.raises(ValueError, match="no frames"):
            measure([])
        nothing = np.full((3, 4), np.nan)
        blank = DefocusMap(nothing, nothing, nothing, nothing, (64, 48))
        with pytest.raises(ValueError, match="no reading"):
            measure([Sample(blank, np.ones((3, 4)), 0)])


class TestReading:
    def test_repeats_the_errors_it_was_measured_with(self):
        measured = measure(samples(np.random.default_rng(3), spread=1.0))
        random = np.random.default_rng(4)
        true = np.full((200, 200), 11.0)
        radius, uncertainty, _ = measured.read(true, random.standard_normal(true.shape), random)
        assert np.nanmean(radius) == pytest.approx(1.2 * 11, rel=0.05)
        # The row of the table spans radii from 9.5 to 12.5 beside the estimator's own spread.
        assert np.nanstd(radius) == pytest.approx(np.hypot(1.0, 1.2 * 3 / np.sqrt(12)), rel=0.25)
        assert np.nanmean(uncertainty) == pytest.approx(1.0, rel=0.05)

    def test_is_unknown_as_often_as_specified(self):
        random = np.random.default_rng(5)
        true = np.full((300, 300), 3.0)
        radius, _, in_focus = assumed().read(true, np.zeros(true.shape), random)
        assert np.isnan(radius).mean() == pytest.approx(0.02, abs=0.005)
        assert (np.isnan(radius) == np.isnan(in_focus)).all()


def test_survives_a_file(tmp_path):
    assumed().save(tmp_path / "errors.npz")
    read = EstimatorSurrogate.load(tmp_path / "errors.npz")
    np.testing.assert_array_equal(read.reading, assumed().reading)
    assert read.blank == assumed().blank


def test_a_foreign_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=1)
    with pytest.raises(ValueError, match=r"other\.npz"):
        EstimatorSurrogate.load(tmp_path / "other.npz")
