"""Cameras and graphics of the sequences that the fusion network is trained on."""

import numpy as np

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.training.focus_sequence import render_sequence
from aif_ros.training.fusion_images import draw_graphic
from aif_ros.training.fusion_sequences import draw_camera

SCENE = texture((96, 64), np.random.default_rng(3))
LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 2000.0, 64)


def sharp_sequence(camera):
    """A single frame of a scene that is in focus all over."""
    view = SceneView(SCENE, np.full(SCENE.shape[:2], 5e-4, np.float32))
    random = np.random.default_rng(1)
    return render_sequence([view], LENS, [5e-4], None, camera, random)


def test_without_noise_the_sharp_frame_is_the_truth():
    sequence = sharp_sequence(SensorModel(read_noise=0.0))
    truth = sequence.truths[0].astype(float)
    np.testing.assert_allclose(truth, 255 * SCENE, atol=3)
    np.testing.assert_allclose(sequence.frames[0], truth, atol=3)


def test_the_truth_is_sharpened_but_has_no_noise():
    plain, sharpened = (
        sharp_sequence(SensorModel(read_noise=8 / 255, sharpen=sharpen, jpeg_quality=80))
        for sharpen in (0.0, 1.0)
    )
    noise = sharpened.frames[0].astype(float) - sharpened.truths[0]
    assert noise.std() > 8
    assert np.abs(sharpened.truths[0].astype(float) - plain.truths[0]).mean() > 2
    assert np.abs(plain.truths[0] - 255 * SCENE).mean() < 1


def test_graphics_have_large_flat_parts():
    photo = texture((128, 128), np.random.default_rng(3))
    flat = [
        np.median(np.abs(np.diff(draw_graphic(photo, np.random.default_rng(seed)), axis=1)))
        for seed in range(8)
    ]
    assert np.median(flat) < 0.2 * np.median(np.abs(np.diff(photo, axis=1)))


def test_cameras_differ():
    random = np.random.default_rng(0)
    cameras = [draw_camera(random) for _ in range(40)]
    assert any(camera.jpeg_quality for camera in cameras)
    assert any(camera.noise_correlation for camera in cameras)
    assert any(not camera.sharpen for camera in cameras)
