import cv2
import numpy as np
import pytest

from aif_ros.benchmarks.control_scenes import StillScene, laid_out_scenes, open_photos
from aif_ros.benchmarks.coverage import (
    TILE,
    CoverageReference,
    oracle_captures,
    sweep_image,
    tile_sharpness,
)
from aif_ros.control.coverage import relative_sharpness
from aif_ros.control.sweep import sweep_positions
from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.scene import SceneError, SceneView

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 1920)


def noise(shape=(96, 192)):
    image = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


class TestTileSharpness:
    def test_a_ramp_has_its_slope(self):
        ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
        np.testing.assert_allclose(tile_sharpness(ramp)[:, 1:], 1 / 63, rtol=0.05)

    def test_what_does_not_fill_a_tile_is_left_out(self):
        assert tile_sharpness(noise((70, 100))).shape == (70 // TILE, 100 // TILE)

    def test_blur_reduces_sharpness_as_tabulated(self):
        image = noise()
        kernel = np.ones((3, 3), np.float32) / 9
        ratio = tile_sharpness(cv2.filter2D(image, -1, kernel)) / tile_sharpness(image)
        # A box of 3 px is about a disk of 1.7 px.
        assert ratio.mean() == pytest.approx(float(relative_sharpness(1.7)), abs=0.15)


class TestCoverageReference:
    def test_covers_itself_but_not_blurred_parts(self):
        image = noise()
        reference = CoverageReference.of(image, image)
        assert reference.covered(image) == 1.0
        half = image.copy()
        half[:, 96:] = cv2.GaussianBlur(image, (0, 0), 3)[:, 96:]
        assert reference.covered(half) == pytest.approx(0.5)

    def test_tiles_without_detail_do_not_count(self):
        image = noise()
        image[:, 96:] = 0.5
        reference = CoverageReference.of(image, image)
        assert reference.detailed.mean() == pytest.approx(0.5)
        blurred = image.copy()
        blurred[:, :96] = 0.5
        assert reference.covered(blurred) < 0.01

    def test_a_scene_without_detail_is_covered(self):
        flat = np.full((64, 64, 3), 0.5, np.float32)
        assert CoverageReference.of(flat, flat).covered(flat) == 1.0


def reference_of(scene):
    truth = scene.still.image
    swept = sweep_image(scene, LENS, sweep_positions(LENS, scene.size[0]), fuser(), LENS)
    return CoverageReference.of(truth, swept)


def fuser():
    return make_fuser("laplacian")


class TestOracle:
    def test_needs_one_capture_for_each_depth(self):
        focus = np.full((96, 192), 0.3e-3, np.float32)
        focus[:, 96:] = 1.2e-3
        scene = StillScene("two", SceneView(noise(), focus))
        reference = reference_of(scene)
        captures = oracle_captures(scene, LENS, LENS, reference, fuser, 0.75e-3)
        assert len(captures) == 2
        np.testing.assert_allclose(sorted(captures), [0.3e-3, 1.2e-3], atol=0.06e-3)
        fused = sweep_image(scene, LENS, [0.75e-3, *captures], fuser(), LENS)
        assert reference.covered(fused) >= 0.99

    def test_the_start_may_be_enough(self):
        focus = np.full((96, 192), 0.5e-3, np.float32)
        scene = StillScene("plane", SceneView(noise(), focus))
        assert oracle_captures(scene, LENS, LENS, reference_of(scene), fuser, 0.5e-3) == []

    def test_covers_a_thing_smaller_than_a_tile(self):
        image, focus = np.full((96, 192, 3), 0.5, np.float32), np.full((96, 192), 0.2e-3)
        image[40:50, 40:50] = noise((10, 10))
        focus[38:52, 38:52] = 1.3e-3
        scene = StillScene("small", SceneView(image, focus.astype(np.float32)))
        captures = oracle_captures(scene, LENS, LENS, reference_of(scene), fuser, 0.2e-3)
        assert captures == pytest.approx([1.3e-3], abs=0.1e-3)


class TestLaidOutScenes:
    def test_fill_a_quarter_to_four_fifths_of_the_travel(self):
        scenes = laid_out_scenes(open_photos(), LENS, 24, width=160)
        spans = [np.ptp(scene.still.focus_position) / 1.5e-3 for scene in scenes]
        assert 0.15 < min(spans) < 0.3
        assert 0.7 < max(spans) <= 0.8 + 1e-6
        assert len({scene.name for scene in scenes}) == 24

    def test_are_the_same_for_a_seed(self):
        one, other = (laid_out_scenes(open_photos(), LENS, 2, width=160, seed=3) for _ in "ab")
        np.testing.assert_array_equal(one[1].still.image, other[1].still.image)

    def test_a_folder_without_photographs_is_refused(self, tmp_path):
        with pytest.raises(SceneError, match="holds no photographs"):
            open_photos(tmp_path)
