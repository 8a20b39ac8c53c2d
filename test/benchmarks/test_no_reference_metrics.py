import numpy as np
import pytest

from aif_ros.benchmarks.no_reference_metrics import edge_preservation, mutual_information
from aif_ros.simulation.metrics import psnr, ssim
from aif_ros.types.image import ImageError


@pytest.fixture
def picture():
    return np.random.default_rng(1).random((32, 40, 3), dtype=np.float32)


def test_psnr_of_a_constant_error(picture):
    assert psnr(picture + np.float32(0.1), picture) == pytest.approx(20.0, abs=1e-4)
    assert psnr(picture, picture) == np.inf


def test_ssim_of_equal_and_unlike_images(picture):
    assert ssim(picture, picture) == pytest.approx(1.0)
    assert ssim(picture[..., 0], picture[..., 0]) == pytest.approx(1.0)
    assert ssim(1 - picture, picture) < 0


def test_images_of_other_shape_are_refused(picture):
    for measure in (psnr, ssim):
        with pytest.raises(ImageError, match="cannot compare"):
            measure(picture[1:], picture)
    for measure in (edge_preservation, mutual_information):
        with pytest.raises(ImageError, match="cannot compare"):
            measure(picture, [picture[1:]])


def test_edges_that_are_kept_count_by_their_strength():
    step = np.zeros((20, 20), np.float32)
    step[:, 10:] = 0.8
    flat = np.full_like(step, 0.5)
    # What is like its source gets nearly all: 0.9994 / (1 + e^-7.5) * 0.9879 / (1 + e^-4.4).
    kept = 0.9994 / (1 + np.exp(-7.5)) * 0.9879 / (1 + np.exp(-4.4))
    assert edge_preservation(step, [step]) == pytest.approx(kept, abs=1e-4)
    # A flat second source has no edges, so it has no weight.
    assert edge_preservation(step, [step, flat]) == pytest.approx(kept, abs=1e-4)
    assert edge_preservation(flat, [step]) < 0.01
    half = edge_preservation(0.5 * step, [step])
    assert half == pytest.approx(0.9994 / 2 * kept / (0.9994 / (1 + np.exp(-7.5))), abs=5e-3)
    assert edge_preservation(step, [step.T]) < 0.01


def test_information_about_the_sources():
    random = np.random.default_rng(0)
    halves = np.where(np.arange(64) < 32, 0.0, 1.0).astype(np.float32)
    first = np.tile(halves, (64, 1))
    # One bit each, of which two equal pictures share all, independent ones nothing.
    assert mutual_information(first, [first, first]) == pytest.approx(2.0)
    assert mutual_information(first, [first, first.T]) == pytest.approx(1.0, abs=1e-6)
    noise = random.random((64, 64)).astype(np.float32)
    assert 0 < mutual_information(noise, [first, first]) < 0.3
