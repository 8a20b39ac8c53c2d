import numpy as np
import pytest
import tifffile

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.focus_map import FocusMap, FocusMapper, contrast_peak, save_metres

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)
WIDTH = 640
DEPTH_OF_FIELD = 2 * LENS.half_depth_of_focus(WIDTH)
FOCUS = np.linspace(2e-4, 1.3e-3, 12, dtype=np.float32).reshape(3, 4)


def seen(position, focus=FOCUS, noise=0.0, seed=0):
    """What a perfect estimator, or a noisy one, says of cells in focus at `focus`."""
    distance = np.abs(focus - position)
    if noise:
        distance = np.abs(distance + np.random.default_rng(seed).normal(0, noise, focus.shape))
    constant = np.full_like(distance, 0.2 * DEPTH_OF_FIELD)
    values = np.stack([distance, constant, constant, constant], axis=-1)
    return DefocusMaps(values.astype(np.float32), 0)


def mapped(positions, **options):
    mapper = FocusMapper(LENS, WIDTH)
    for index, position in enumerate(positions):
        mapper.add(seen(position, seed=index, **options), position)
    return mapper.focus_map()


def test_finer_than_the_distance_between_captures():
    result = mapped([0.0, 0.5e-3, 1e-3, 1.5e-3])
    np.testing.assert_allclose(result.position, FOCUS, atol=0.01 * 0.5e-3)
    assert (result.uncertainty < 0.2 * 0.5e-3).all()


def test_noisy_readings_average():
    few, many = (
        np.abs(mapped(np.linspace(0, 1.5e-3, count), noise=4e-5).position - FOCUS).mean()
        for count in (3, 25)
    )
    assert many < 0.6 * few


class TestContrast:
    """The peak of contrast over the captures."""

    POSITIONS = np.array([0.0, 2e-4, 5e-4, 6e-4, 1.1e-3, 1.5e-3])

    def parabolas(self, peak, width=3e-4):
        """Contrast, (1, 1, N), whose squared logarithm is a parabola."""
        return 0.1 * np.exp(-0.5 * np.square((self.POSITIONS - peak) / width))[None, None]

    @pytest.mark.parametrize("peak", [3.1e-4, 5.4e-4, 9e-4])
    def test_lies_between_captures_at_unequal_distances(self, peak):
        position, deviation = contrast_peak(self.POSITIONS, self.parabolas(peak))
        assert position.item() == pytest.approx(peak, abs=1e-9)
        assert 0 < deviation.item() < 1e-4

    @pytest.mark.parametrize("peak", [-1e-4, 1.7e-3])
    def test_none_beyond_the_captures(self, peak):
        position, deviation = contrast_peak(self.POSITIONS, self.parabolas(peak))
        assert np.isnan(position).all()
        assert np.isnan(deviation).all()

    @pytest.mark.parametrize("contrast", [0.0, np.nan, 0.07])
    def test_none_where_the_contrast_does_not_change(self, contrast):
        position, _ = contrast_peak(self.POSITIONS, np.full((2, 3, 6), contrast))
        assert np.isnan(position).all()

    def test_refines_readings_that_are_biased(self):
        """An estimator that reads half too much, as the classical one does far from focus."""
        errors = {}
        for with_contrast in (False, True):
            mapper = FocusMapper(LENS, WIDTH)
            for position in np.linspace(0, 1.5e-3, 7):
                values = seen(position).values.copy()
                values[..., 0] *= 1.5
                values[..., 1] = 0.3 * values[..., 0] + 1e-5
                if with_contrast:
                    values[..., 3] = 0.1 * np.exp(-np.square((FOCUS - position) / 5e-4))
                mapper.add(DefocusMaps(values, 0), position)
            errors[with_contrast] = np.abs(mapper.focus_map().position - FOCUS).max()
        assert errors[True] < 2e-5 < errors[False]


def test_one_capture_does_not_resolve_the_side():
    assert np.isnan(mapped([5e-4]).position).all()


def test_two_sides_that_fit_alike_are_uncertain():
    near, far = mapped([7.5e-4, 7.5e-4]), mapped([5e-4, 7.5e-4])
    assert np.nanmedian(near.uncertainty) > 3 * np.nanmedian(far.uncertainty)


def test_unknown_cells_stay_unknown():
    focus = FOCUS.copy()
    focus[1, 2] = np.nan
    result = mapped([0.0, 0.7e-3], focus=focus)
    assert np.isnan(result.position[1, 2])
    assert np.isfinite(result.position).sum() == FOCUS.size - 1


def test_grids_must_agree():
    mapper = FocusMapper(LENS, WIDTH)
    mapper.add(seen(0.0), 0.0)
    with pytest.raises(ValueError, match="a grid of"):
        mapper.add(seen(0.0, focus=FOCUS[:2]), 0.0)


def test_no_frames():
    with pytest.raises(ValueError, match="at least one frame"):
        FocusMapper(LENS, WIDTH).focus_map()


def test_enlarged_to_the_image():
    values = np.array([[1.0, np.nan], [3.0, 4.0]], np.float32)
    large = FocusMap(values, np.ones_like(values)).enlarged((20, 10))
    assert large.shape == (10, 20)
    assert large[0, 0] == 1.0
    assert np.isnan(large[0, 19])
    assert large[9, 19] == 4.0
    # Between cells, linear; next to an unknown cell, without it.
    assert 3.0 < large[9, 9] < 4.0
    assert large[4, 0] == pytest.approx(1.8, abs=0.3)
    assert np.nanmin(large) >= 1.0


def test_enlarged_by_the_certain_cells():
    values = np.array([[1.0, 3.0]], np.float32)
    large = FocusMap(values, np.array([[0.1, 1.0]], np.float32)).enlarged((40, 10))
    assert large[0, 20] == pytest.approx(1.0, abs=0.05)
    assert large[0, 39] == 3.0


def test_nothing_known():
    unknown = np.full((2, 2), np.nan, np.float32)
    assert np.isnan(FocusMap(unknown, unknown).enlarged((4, 4))).all()


def test_old_readings_are_forgotten():
    mapper = FocusMapper(LENS, WIDTH, memory=2.0)
    moved = FOCUS[::-1, ::-1].copy()
    for focus in (FOCUS, moved):
        for position in np.linspace(0, 1.5e-3, 8):
            mapper.add(seen(position, focus=focus), position)
    np.testing.assert_allclose(mapper.focus_map().position, moved, atol=2e-5)


def test_a_32_bit_tiff_in_metres(tmp_path):
    values = np.array([[1e-4, np.nan]], np.float32)
    path = tmp_path / "height.tif"
    save_metres(path, FocusMap(values, values).enlarged((8, 4)))
    read = tifffile.imread(path)
    assert read.dtype == np.float32
    assert read.shape == (4, 8)
    assert read[0, 0] == pytest.approx(1e-4)
    assert np.isnan(read[0, 7])
