"""Cameras and graphics of the sequences that the fusion network is trained on."""

import numpy as np

from aif_ros.simulation.scenes.planes import texture
from aif_ros.training.fusion_sequences import Camera, _graphic

SCENE = texture((96, 64), np.random.default_rng(3))


def test_a_camera_without_noise_gives_the_picture():
    taken = Camera().take(SCENE, np.random.default_rng(0))
    np.testing.assert_allclose(taken / 255, SCENE, atol=0.5 / 255 + 1e-6)


def test_noise_is_as_strong_as_asked_for():
    flat = np.full((64, 96, 3), 0.5, np.float32)
    taken = Camera(read=4 / 255).take(flat, np.random.default_rng(0))
    assert abs(taken.std() - 4) < 0.3


def test_denoising_correlates_the_noise():
    flat = np.full((64, 96, 3), 0.5, np.float32)
    noise = Camera(read=8 / 255, denoising=1.0).take(flat, np.random.default_rng(0)) - 127.5
    assert (noise[:, 1:] * noise[:, :-1]).mean() > 0.5 * (noise * noise).mean()


def test_sharpening_belongs_to_the_truth_too():
    camera = Camera(sharpening=1.0)
    taken = camera.take(SCENE, np.random.default_rng(0)) / 255
    np.testing.assert_allclose(taken, camera.ideal(SCENE), atol=0.5 / 255 + 1e-6)
    assert np.abs(taken - SCENE).mean() > 0.01


def test_graphics_have_large_flat_parts():
    photo = texture((128, 128), np.random.default_rng(3))
    flat = [
        np.median(np.abs(np.diff(_graphic(photo, np.random.default_rng(seed)), axis=1)))
        for seed in range(8)
    ]
    assert np.median(flat) < 0.2 * np.median(np.abs(np.diff(photo, axis=1)))


def test_cameras_differ():
    random = np.random.default_rng(0)
    cameras = [Camera.draw(random) for _ in range(40)]
    assert any(camera.jpeg_quality for camera in cameras)
    assert any(camera.denoising for camera in cameras)
    assert any(not camera.sharpening for camera in cameras)
