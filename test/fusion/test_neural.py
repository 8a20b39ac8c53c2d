"""The fusion network and fusion by it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from aif_ros.fusion import neural, tiles
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.network import MEMORY, FusionNetwork, FusionState
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
    return luma, energy, FusionState(fused, sharpness, memory, mismatch, torch.ones(2))


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


def test_reduced_precision_makes_no_visible_difference(monkeypatch):
    blurred = cv2.GaussianBlur(SHARP, (0, 0), 2.0)
    halves = np.hstack([SHARP[:, :40], blurred[:, 40:]])
    results = []
    for narrow in (False, True):
        monkeypatch.setattr(neural, "fast_in_bfloat16", lambda device, narrow=narrow: narrow)
        fusion = neural.NeuralFusion()
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


def focus_sweep(sharp, count, largest=6.0):
    """Frames whose left edge is in focus first and whose right edge last; blur in pixels."""
    width = sharp.shape[1]
    depth = np.linspace(0, 1, width, dtype=np.float32)
    blurs = np.linspace(0, largest, 13)
    stack = np.stack([cv2.GaussianBlur(sharp, (0, 0), max(blur, 1e-3)) for blur in blurs])
    frames = []
    for focus in np.linspace(0, 1, count):
        level = np.rint(np.abs(depth - focus) * 12).astype(int)
        frames.append(np.ascontiguousarray(stack[level, :, np.arange(width)].swapaxes(0, 1)))
    return frames


def fuse(method, frames):
    """J of aligned frames of a still scene."""
    fused = None
    for position, frame in enumerate(frames):
        fused = method.merge(frame, float(position), fused)
    return fused


def test_each_part_is_taken_from_where_it_is_sharp(fusion):
    frames = focus_sweep(SHARP, 9)
    best = max(psnr(frame, SHARP) for frame in frames)
    assert psnr(fuse(fusion, frames).image, SHARP) > best + 8


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_brightness_that_changes_between_frames_is_matched_first(fusion, gain):
    scene = np.clip(0.15 + 0.6 * texture((240, 200), np.random.default_rng(6)), 0, 1)
    frames = focus_sweep(scene, 5)
    results = []
    for factors in ((1, 1, 1, 1, 1), (1, gain, 1, gain, gain)):
        fuser = Fuser(fusion)
        for t, (frame, factor) in enumerate(zip(frames, factors, strict=True)):
            fused = fuser.add(np.clip(frame * np.float32(factor), 0, 1), float(t))
        results.append(psnr(fused.image, scene))
    assert results[1] > results[0] - 1


@pytest.mark.parametrize(("side", "count", "step"), [(16, 10, 1), (16, 60, -1), (8, 60, 1)])
def test_a_checkerboard_has_no_dots(fusion, side, count, step):
    rows, columns = np.indices((128, 160)) // side
    board = np.repeat(((rows + columns) % 2).astype(np.float32)[..., None], 3, axis=2)
    board = 0.1 + 0.8 * cv2.GaussianBlur(board, (0, 0), 0.6)
    fused = fuse(fusion, focus_sweep(board, count, largest=12.0)[::step])
    wrong = np.abs(fused.image - board).max(axis=2) > 0.3
    assert wrong.mean() < 1e-4


def test_bright_flat_areas_have_no_blotches(fusion):
    random = np.random.default_rng(7)
    page = np.full((160, 192, 3), 0.25, np.float32)
    cv2.putText(page, "HEL", (4, 110), cv2.FONT_HERSHEY_SIMPLEX, 3.2, (0.95, 0.93, 0.9), 22)
    page = cv2.GaussianBlur(page, (0, 0), 0.6)
    frames = [
        np.clip(frame + 0.008 * random.standard_normal(frame.shape, np.float32), 0, 1)
        for frame in focus_sweep(page, 15, largest=10.0)
    ]
    fused = fuse(fusion, frames)
    flat = cv2.erode((page[..., 0] > 0.94).astype(np.uint8), np.ones((5, 5))) > 0
    assert flat.sum() > 500
    # Averaged, because noise is no blotch.
    error = cv2.blur(fused.image - page, (5, 5))
    assert np.abs(error[flat]).max() < 0.06


def test_the_frame_replaces_what_does_not_match_at_all(fusion):
    frame = texture((150, 130), np.random.default_rng(8))
    fused = replace(fusion.merge(SHARP, 0.0, None), mismatch=np.ones((65, 75), np.float32))
    np.testing.assert_allclose(fusion.merge(frame, 1.0, fused).image, frame, atol=1e-3)
