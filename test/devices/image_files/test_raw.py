"""Raw files, developed in full size."""

import shutil

import numpy as np
import pytest
import tifffile

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import read_metadata
from aif_ros.devices.image_files.slices import open_slices

pytest.importorskip("rawpy")

SIZE = (160, 120)


@pytest.fixture
def dng(tmp_path):
    """A DNG of a ramp in red, 16 bits under a Bayer pattern RGGB, with a small preview."""
    width, height = SIZE
    ramp = np.tile(np.linspace(0, 1, width), (height, 1))
    mosaic = np.full((height, width), 0.3)
    mosaic[::2, ::2] = ramp[::2, ::2]
    identity = [part for value in np.eye(3).ravel() for part in (round(value * 10_000), 10_000)]
    tags = [
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, bytes((0, 1, 1, 2)), True),  # CFAPattern
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50708, "s", 0, "Test Camera", True),  # UniqueCameraModel
        (271, "s", 0, "Test", True),
        (50721, "2i", 9, tuple(identity), True),  # ColorMatrix1
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        (50717, "I", 1, 65535, True),  # WhiteLevel
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1
    ]
    samples = (mosaic * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.dng", samples, photometric="cfa", metadata=None, extratags=tags)
    return tmp_path / "a.dng"


def test_is_developed_in_full_size_and_16_bits(dng):
    picture = open_slices([dng]).read(0)
    assert picture.pixels.shape == (*SIZE[::-1], 3)
    assert picture.pixels.dtype == np.uint16
    red = picture.pixels[SIZE[1] // 2, 8:-8, 0].astype(int)
    assert red[-1] - red[0] > 30_000
    assert (np.diff(red[::8]) >= 0).all()
    assert open_slices([dng]).read(0, reduction=4).pixels.shape == (30, 40, 3)
    assert read_metadata(dng).exif[271] == "Test"


def test_under_the_name_of_a_tiff_it_is_developed_too(dng, tmp_path):
    shutil.copy(dng, tmp_path / "b.tif")
    assert open_slices([tmp_path / "b.tif"]).read(0).pixels.shape == (*SIZE[::-1], 3)


def test_cut_off_file_is_refused(dng):
    dng.write_bytes(dng.read_bytes()[:600])
    with pytest.raises(DeviceError, match=r"a\.dng cannot be developed"):
        open_slices([dng]).read(0)
