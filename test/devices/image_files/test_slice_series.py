"""The slices of a stack as images of one scale."""

import numpy as np
import pytest
import tifffile

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.slice_series import described
from aif_ros.devices.image_files.slices import open_slices


def stack(folder, *slices):
    paths = [folder / f"{index}.tif" for index in range(len(slices))]
    for path, pixels in zip(paths, slices, strict=True):
        tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    return open_slices(paths)


def gray(level, dtype=np.uint16):
    return np.linspace(0, level, 48).reshape(6, 8).astype(dtype)


def test_all_slices_have_the_scale_of_the_brightest(tmp_path):
    slices = stack(tmp_path, gray(900), gray(4000))
    assert slices.read(0).pixels.max() == pytest.approx(65535 * 900 / 4095, abs=1)
    assert slices.sixteen_bit and slices.shape == (6, 8)
    assert any("no sample is above 4095" in note for note in slices.notes)


def test_the_stated_bits_are_the_scale(tmp_path):
    paths = stack(tmp_path, gray(900)).paths
    slices = open_slices(paths, bits=10)
    assert slices.read(0).pixels.max() == pytest.approx(65535 * 900 / 1023, abs=1)


def test_the_other_slices_remain(tmp_path):
    slices = stack(tmp_path, *(gray(50 * index, np.uint8) for index in (1, 2, 3)))
    rest = slices.without([1])
    assert (len(rest), len(slices)) == (2, 3)
    assert [rest.read(index).pixels.max() for index in (0, 1)] == [50, 150]
    assert rest.name(1) == slices.name(2)


@pytest.mark.parametrize("other", [np.zeros((6, 9), np.uint8), np.zeros((6, 8, 3), np.uint8)])
def test_unlike_slices_are_refused(tmp_path, other):
    slices = stack(tmp_path, gray(200, np.uint8), other)
    message = f"is 8x6 in grey, .* is {described(other.shape)}: all slices"
    with pytest.raises(DeviceError, match=message):
        slices.check_alike()
    slices.read(0)
    with pytest.raises(DeviceError, match=message):
        slices.read(1)


@pytest.mark.parametrize("reduction", [1, 2])
def test_luma_and_smaller_slices_are_read(tmp_path, reduction):
    slices = stack(tmp_path, np.full((8, 12, 3), 90, np.uint8))
    image = slices.read(0, mono=True, reduction=reduction)
    assert image.pixels.shape == (8 // reduction, 12 // reduction)
    assert image.pixels.max() == 90
