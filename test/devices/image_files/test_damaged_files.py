"""Damaged files of every format are read or refused in one line, whatever is wrong with them.

The number of files per format is small here; `AIF_ROS_FUZZ=20000 pytest -k damaged` tries more.
"""

import io
import os
import random

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from image_samples import colours, ramp

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import read_metadata
from aif_ros.devices.image_files.metadata import software_of
from aif_ros.devices.image_files.slices import is_multi_page, open_slices

COUNT = int(os.environ.get("AIF_ROS_FUZZ", "15"))
RGB = (colours() >> 8).astype(np.uint8)


def exif():
    found = PIL.Image.Exif()
    found[271], found[274], found[33432] = "Maker", 6, "©"
    found.get_ifd(0x8769)[37386] = 50.0
    return found


def by_pillow(image, name, **options):
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, name, exif=exif(), **options)
    return buffer.getvalue()


def by_tifffile(image, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, **options)
    return buffer.getvalue()


STACK = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]])
FILES = {
    "rgb.png": by_pillow(RGB, "PNG"),
    "alpha.png": by_pillow(np.dstack([RGB, RGB[..., 0]]), "PNG"),
    "deep.png": cv2.imencode(".png", ramp())[1].tobytes(),
    "a.jpg": by_pillow(RGB, "JPEG"),
    "a.webp": by_pillow(RGB, "WEBP"),
    "a.jp2": cv2.imencode(".jp2", colours(64, 64))[1].tobytes(),
    "a.pgm": cv2.imencode(".pgm", ramp())[1].tobytes(),
    "a.bmp": cv2.imencode(".bmp", RGB)[1].tobytes(),
    "plain.tif": by_tifffile(STACK, metadata=None, photometric="minisblack"),
    "lzw.tif": by_tifffile(colours(), photometric="rgb", compression="lzw", tile=(16, 16)),
    "planar.tif": by_tifffile(
        colours().transpose(2, 0, 1), photometric="rgb", planarconfig="separate", compression="zlib"
    ),
    "imagej.tif": by_tifffile(
        STACK, imagej=True, metadata={"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    ),
    "cells.ome.tif": by_tifffile(
        STACK, ome=True, metadata={"axes": "ZYX", "PhysicalSizeZ": 0.5}, compression="zlib"
    ),
    "big.tif": by_tifffile(STACK, bigtiff=True, metadata=None, photometric="minisblack"),
    "raw.nef": by_tifffile(RGB[..., 0], photometric="cfa", metadata=None),
}
TELLING = (0, 1, 0x7F, 0x80, 0xFF)


def damaged(content, chance):
    """The content with a few bytes changed, most of them in the headers, or cut off."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        reach = chance.choice((64, 512, len(data)))
        place = chance.randrange(min(reach, len(data)))
        if chance.random() < 0.3:
            place = len(data) - 1 - place
        size = chance.choice((1, 1, 2, 4))
        data[place : place + size] = bytes(
            chance.choice(TELLING) if chance.random() < 0.5 else chance.randrange(256)
            for _ in range(size)
        )
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, name):
    chance = random.Random(name)
    file = tmp_path / name
    for number in range(COUNT):
        file.write_bytes(damaged(FILES[name], chance))
        try:
            is_multi_page(file)
            read_metadata(file)
            software_of(file)
            slices = open_slices([file])
            for index in range(len(slices)):
                slices.read(index)
        except DeviceError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
        except BaseException:
            (tmp_path / f"kept{number}_{name}").write_bytes(file.read_bytes())
            print(f"kept as {tmp_path}/kept{number}_{name}")
            raise


@pytest.mark.parametrize("name", FILES)
def test_the_whole_files_can_be_read(tmp_path, name):
    if name == "raw.nef":
        pytest.skip("no camera has written it")
    (tmp_path / name).write_bytes(FILES[name])
    assert open_slices([tmp_path / name]).read(0).pixels.size
