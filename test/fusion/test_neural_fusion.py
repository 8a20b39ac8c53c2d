"""The fusion network and fusion by it."""

import cv2
import numpy as np
import pytest
import torch

from aif_ros.fusion import neural, tiles
from aif_ros.fusion.network import MEMORY, FusionNetwork, State
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture

SHARP = texture((150, 130), np.random.default_rng(3))


@pytest.fixture(scope="module")
def fusion():
    return neural.NeuralFusion()


def inputs(side=64):
    """Luma and energy of two frames, and the state of what they are fused into."""
    generator = torch.Generator().manual_seed(0)
    luma, fused, energy, sharpness, mismatch = torch.rand(
        (5, 2, 1, side, side), generator=generator
    )
    memory = torch.rand((2, MEMORY, side // 2, side // 2), generator=generator)
    return luma, energy, State(fused, sharpness, memory, mismatch, torch.ones(2))


class TestNetwork:
    def test_begins_as_the_classical_choice(self):
        luma, energy, state = inputs()
        weight, kept, memory = FusionNetwork()(luma, energy, state)
        assert ((weight > 0.5) == (energy > state.sharpness)).all()
        torch.testing.assert_close(kept, state.sharpness + weight * (energy - state.sharpness))
        assert memory.shape == state.memory.shape

    def test_every_parameter_learns(self):
        network = FusionNetwork()
        with torch.no_grad():
            network.correct.weight.normal_()
        weight, kept, memory = network(*inputs())
        (weight.square().sum() + kept.sum() + memory.sum()).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())

    def test_is_small(self):
        assert sum(value.numel() for value in FusionNetwork().parameters()) < 1_000_000


def test_tiles_make_no_difference(fusion, monkeypatch):
    random = np.random.default_rng(1)
    noisy = np.clip(SHARP + 0.02 * random.standard_normal(SHARP.shape, np.float32), 0, 1)
    first = fusion.merge(SHARP, 0.0, None)
    whole = fusion.merge(noisy, 1.0, first)
    monkeypatch.setattr(neural, "_WHOLE", 0)
    monkeypatch.setattr(tiles, "_SIDE", 64)
    tiled = fusion.merge(noisy, 1.0, first)
    np.testing.assert_allclose(tiled.image, whole.image, atol=2e-3)


def test_the_second_frame_is_decided_upon_and_later_ones_are_hedged(fusion, monkeypatch):
    random = np.random.default_rng(4)
    frames = [
        np.clip(SHARP + 0.02 * random.standard_normal(SHARP.shape, np.float32), 0, 1)
        for _ in range(3)
    ]
    first = fusion.merge(frames[0], 0.0, None)
    second = fusion.merge(frames[1], 1.0, first)
    third = fusion.merge(frames[2], 2.0, second)
    monkeypatch.setattr(neural, "_DECIDED", 1.0)
    hedged = fusion.merge(frames[1], 1.0, first)

    def distance(image):
        """From the nearer of the two frames."""
        return np.minimum(np.abs(image - frames[0]), np.abs(image - frames[1])).mean()

    assert distance(second.image) < 0.9 * distance(hedged.image)
    np.testing.assert_array_equal(fusion.merge(frames[2], 2.0, second).image, third.image)


def test_reduced_precision_makes_no_visible_difference(fusion, monkeypatch):
    blurred = cv2.GaussianBlur(SHARP, (0, 0), 2.0)
    halves = np.hstack([SHARP[:, :40], blurred[:, 40:]])
    results = []
    for narrow in (False, True):
        monkeypatch.setattr(neural, "_fast_in_bfloat16", lambda narrow=narrow: narrow)
        fused = fusion.merge(blurred, 0.0, None)
        for position, frame in enumerate((halves, SHARP), 1):
            fused = fusion.merge(frame, float(position), fused)
        results.append(fused.image)
    np.testing.assert_allclose(*results, atol=1 / 255)


def test_a_frame_far_less_sharp_leaves_the_picture_as_it_is(fusion, monkeypatch):
    first = fusion.merge(SHARP, 0.0, None)
    blurred = cv2.GaussianBlur(SHARP, (0, 0), 4.0)
    kept = fusion.merge(blurred, 1.0, first)
    assert kept.image is first.image
    assert kept.memory is first.memory
    assert kept.frames == 2
    # The network would have kept it too, and where anything is as sharp it is asked.
    monkeypatch.setattr(neural, "_OUTDONE", 0.0)
    assert psnr(fusion.merge(blurred, 1.0, first).image, first.image) > 50
    monkeypatch.undo()
    blurred[40:80, 40:80] = SHARP[40:80, 40:80]
    assert fusion.merge(blurred, 1.0, first).image is not first.image


def test_stays_sound_over_many_frames(fusion):
    random = np.random.default_rng(2)
    fused = None
    for t in range(60):
        noise = 0.01 * random.standard_normal(SHARP.shape, np.float32)
        fused = fusion.merge(np.clip(SHARP + noise, 0, 1), 1e-5 * t, fused)
    assert np.isfinite(fused.sharpness).all()
    assert np.abs(fused.image - SHARP).mean() < 0.01
