"""Fusing stacks in place, tile by tile."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion import tiles
from aif_ros.fusion.fuser import FUSION_METHODS, make_fuser, make_method
from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.fusion.motion.warping import resample
from aif_ros.fusion.stack_fuser import StackFuser
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_float

SHARP = (texture((301, 259), np.random.default_rng(4)) * 255).astype(np.uint8)
DRIFT = [np.array([[1, 0, 1.5 * index], [0, 1, -0.7 * index], [0, 0, 1]]) for index in range(5)]


def stack(shape, transforms):
    """Slices, moved by their transforms, of which each is sharp in a band of its own."""
    slices = []
    for index, transform in enumerate(transforms):
        band = slice(index * shape[0] // 5, (index + 1) * shape[0] // 5)
        image = cv2.GaussianBlur(SHARP, (0, 0), 2.5)
        image[band] = SHARP[band]
        image = image if len(shape) == 3 else image[..., 1]
        slices.append(cv2.warpAffine(image, transform[:2], shape[1::-1], flags=cv2.INTER_CUBIC))
    return slices


@pytest.mark.parametrize("method", FUSION_METHODS)
@pytest.mark.parametrize("shape", [SHARP.shape, SHARP.shape[:2]])
def test_the_same_as_in_one_piece(method, shape, monkeypatch):
    monkeypatch.setattr(tiles, "_SIDE", 64)
    fuser, expected = StackFuser(make_method(method)), make_fuser(method)
    for index, (image, transform) in enumerate(zip(stack(shape, DRIFT), DRIFT, strict=True)):
        fuser.add(image, transform, float(index))
        expected.add(to_float(resample(image, transform)), float(index))
    fused, whole = fuser.fused, expected.fused
    assert fused.image.shape == shape
    assert fused.frames == whole.frames == len(DRIFT)
    # Places between pixels are rounded to 1 / 32 in each tile; beyond their borders, slices count
    # in the whole only.
    inner = np.s_[24:-24, 24:-24]
    assert np.abs(fused.image - whole.image)[inner].mean() < 1e-3
    assert (fused.source_position == whole.source_position)[inner].mean() > 0.99


def test_tiles_leave_no_seams(monkeypatch):
    monkeypatch.setattr(tiles, "_SIDE", 64)
    fuser, expected = StackFuser(make_method("laplacian")), make_fuser("laplacian")
    for index, image in enumerate(stack(SHARP.shape, [np.eye(3)] * 5)):
        fuser.add(image, np.eye(3), float(index))
        expected.add(to_float(image), float(index))
    # An eighth of a level of 8 bits.
    np.testing.assert_allclose(fuser.fused.image, expected.fused.image, atol=5e-4)


@pytest.mark.parametrize("sigma", [5.0, 11.0, 21.6, 45.0])
def test_wide_windows_are_gaussian(sigma):
    image = to_float(SHARP)
    laplacian = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F, ksize=3)
    expected = cv2.GaussianBlur(laplacian * laplacian, (0, 0), sigma)
    np.testing.assert_allclose(laplacian_energy(image, sigma), expected, rtol=0.05)
