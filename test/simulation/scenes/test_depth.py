import numpy as np
import pytest

from aif_ros.simulation.scenes.depth import align_edges, dioptre_range, fill_depth, focus_positions
from aif_ros.simulation.scenes.scene import SceneError


def test_known_depths_stay_as_they_are():
    depth = np.random.default_rng(0).uniform(1, 4, (20, 30)).astype(np.float32)
    np.testing.assert_array_equal(fill_depth(depth), depth)


@pytest.mark.parametrize("unknown", [0.0, np.nan, np.inf, -np.inf, -1.0])
def test_a_hole_takes_the_farther_side(unknown):
    depth = np.full((20, 30), 1.0, np.float32)
    depth[:, 15:] = 3.0
    depth[:, 12:18] = unknown
    np.testing.assert_array_equal(fill_depth(depth)[:, 12:18], 3.0)


def test_empty_rows_and_borders_are_filled():
    depth = np.full((20, 30), 2.0, np.float32)
    depth[:4] = 0
    depth[:, :3] = np.nan
    np.testing.assert_array_equal(fill_depth(depth), 2.0)


@pytest.mark.parametrize("unknown", [0.0, np.nan])
def test_all_holes_are_an_error(unknown):
    with pytest.raises(SceneError, match="no measurement"):
        fill_depth(np.full((5, 5), unknown))


def test_near_is_high_and_linear_in_dioptres():
    depth = np.array([[1.0, 2.0, 4.0]])
    focus = focus_positions(depth, (0.25, 1.0), (0.0, 1.0))
    np.testing.assert_allclose(focus, [[0.9, 0.1 + 0.8 / 3, 0.1]], rtol=1e-6)


def test_outliers_are_cut_off():
    depth = np.full((100, 100), 2.0)
    depth[:50] = 1.0
    depth[0, 0] = 1e-3
    assert dioptre_range(depth) == (0.5, 1.0)
    assert focus_positions(depth, (0.5, 1.0), (0.0, 1.0)).max() == pytest.approx(0.9)


def test_a_flat_scene_is_in_the_middle():
    depth = np.full((4, 4), 2.0)
    np.testing.assert_array_equal(focus_positions(depth, dioptre_range(depth), (0.0, 1.0)), 0.5)


def test_unknown_depths_have_no_range():
    with pytest.raises(SceneError, match="fill the holes"):
        dioptre_range(np.array([1.0, np.nan]))


def step_at(column):
    """Near left of a column, far from there on."""
    return np.where(np.arange(40) < column, np.float32(1.0), np.float32(0.2))[None].repeat(30, 0)


class TestAlignEdges:
    @pytest.fixture
    def image(self):
        """Bright left of column 20, dark from there on, with a little noise."""
        noise = np.random.default_rng(0).normal(0.0, 0.01, (30, 40, 3))
        image = np.where(np.arange(40)[:, None] < 20, 0.8, 0.2) + noise
        return image.astype(np.float32)

    @pytest.mark.parametrize("measured", [19, 20, 21])
    def test_edges_move_to_those_of_the_picture(self, image, measured):
        np.testing.assert_array_equal(align_edges(step_at(measured), image, 0.1), step_at(20))

    def test_depths_between_two_surfaces_vanish(self, image):
        focus = step_at(20)
        focus[:, 19], focus[:, 20] = 0.7, 0.4
        np.testing.assert_array_equal(align_edges(focus, image, 0.1), step_at(20))

    def test_what_is_neither_goes_to_the_nearer_surface(self, image):
        image[:, 20] = 0.5
        focus = step_at(20)
        focus[:, 20] = 0.5
        np.testing.assert_array_equal(align_edges(focus, image, 0.1), step_at(21))

    def test_slopes_stay_as_they_are(self, image):
        focus = np.linspace(0.0, 0.5, 40, dtype=np.float32)[None].repeat(30, axis=0)
        np.testing.assert_array_equal(align_edges(focus, image, 0.1), focus)

    def test_mono(self, image):
        aligned = align_edges(step_at(21), image[..., 0].copy(), 0.1)
        np.testing.assert_array_equal(aligned, step_at(20))
