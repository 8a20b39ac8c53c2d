"""Accuracy of a recorded run against the truth."""

import numpy as np
import pytest

from aif_ros.benchmarks.score import score
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.recording import LoopRecording, RecordedFrame
from aif_ros.simulation.metrics import psnr, ssim
from aif_ros.simulation.truth import to_reference_geometry
from aif_ros.types.image import ImageError, to_float

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 24000.0, 64, breathing_per_metre=60.0)
TRUTH = np.random.default_rng(0).random((48, 64, 3), np.float32)


def noisy(level, seed):
    noise = level * np.random.default_rng(seed).standard_normal(TRUTH.shape)
    return (255 * np.clip(TRUTH + noise, 0, 1)).round().astype(np.uint8)


def recording(*frames):
    """Frames at 0.2 mm apart, given as pairs of I(t) and J(t)."""
    nothing = np.zeros((2, 2), np.float32)
    recorded = [
        RecordedFrame(t, 2e-4 * t, image, fused, *[nothing] * 4, None, "")
        for t, (image, fused) in enumerate(frames)
    ]
    return LoopRecording("scene", "agent", LENS, recorded, [], "done")


def test_every_frame_and_every_j_is_compared_and_the_last_j_counts():
    frames = [(noisy(0.2, 0), noisy(0.1, 1)), (noisy(0.05, 2), noisy(0.02, 3))]
    result = score(recording(*frames), TRUTH)
    fused = [to_float(image) for _, image in frames]
    assert result.fused_psnr == [psnr(image, TRUTH) for image in fused]
    assert result.psnr == result.fused_psnr[-1]
    assert result.ssim == ssim(fused[-1], TRUTH)
    breathing_removed = to_reference_geometry(frames[1][0], 2e-4, LENS)
    assert result.frame_psnr[1] == psnr(breathing_removed, TRUTH)
    assert result.frame_psnr[1] != psnr(to_float(frames[1][0]), TRUTH)


def test_the_best_frame_is_the_nearest_to_the_truth():
    images = [to_reference_geometry(TRUTH, 0.0, LENS)] * 3
    levels = (0.2, 0.02, 0.1)
    frames = [
        ((255 * np.clip(image + level, 0, 1)).astype(np.uint8), noisy(0.1, 0))
        for image, level in zip(images, levels, strict=True)
    ]
    still = recording(*frames)
    assert score(still, TRUTH).best_frame == 1


def test_a_truth_of_another_size_is_refused():
    with pytest.raises(ImageError, match="cannot compare"):
        score(recording((noisy(0.1, 0), noisy(0.1, 0))), TRUTH[:-1])
