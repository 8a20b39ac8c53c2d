"""Small files of every kind of picture that is read, and damage to files."""

import io

import cv2
import numpy as np
import PIL.Image
import tifffile
from image_samples import colours, ramp

from aif_ros.devices.image_files import read_metadata
from aif_ros.devices.image_files.metadata import software_of
from aif_ros.devices.image_files.slices import is_multi_page, open_slices

RGB = (colours() >> 8).astype(np.uint8)
STACK = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]])
# Bytes at the ends of their ranges: sizes and counts made of them are extreme.
EXTREME = (0, 1, 0x7F, 0x80, 0xFF)


def _by_pillow(image, name):
    exif = PIL.Image.Exif()
    exif[271], exif[274], exif[33432] = "Maker", 6, "©"
    exif.get_ifd(0x8769)[37386] = 50.0
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, name, exif=exif)
    return buffer.getvalue()


def _by_tifffile(image, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, **options)
    return buffer.getvalue()


def _by_opencv(image, suffix):
    return cv2.imencode(suffix, image)[1].tobytes()


PICTURES = {
    "rgb.png": _by_pillow(RGB, "PNG"),
    "alpha.png": _by_pillow(np.dstack([RGB, RGB[..., 0]]), "PNG"),
    "deep.png": _by_opencv(ramp(), ".png"),
    "a.jpg": _by_pillow(RGB, "JPEG"),
    "a.webp": _by_pillow(RGB, "WEBP"),
    "a.jp2": _by_opencv(colours(64, 64), ".jp2"),
    "a.pgm": _by_opencv(ramp(), ".pgm"),
    "a.bmp": _by_opencv(RGB, ".bmp"),
    "plain.tif": _by_tifffile(STACK, metadata=None, photometric="minisblack"),
    "lzw.tif": _by_tifffile(colours(), photometric="rgb", compression="lzw", tile=(16, 16)),
    "planar.tif": _by_tifffile(
        colours().transpose(2, 0, 1), photometric="rgb", planarconfig="separate", compression="zlib"
    ),
    "imagej.tif": _by_tifffile(
        STACK, imagej=True, metadata={"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    ),
    "cells.ome.tif": _by_tifffile(
        STACK, ome=True, metadata={"axes": "ZYX", "PhysicalSizeZ": 0.5}, compression="zlib"
    ),
    "big.tif": _by_tifffile(STACK, bigtiff=True, metadata=None, photometric="minisblack"),
    "raw.nef": _by_tifffile(RGB[..., 0], photometric="cfa", metadata=None),
}
"""Whole files by name."""


def damaged(content, chance):
    """The content with a few bytes changed, moved or lost, most of them in the headers."""
    data = bytearray(content)
    for _ in range(chance.choice((0, 1, 1, 2, 4, 16))):
        if not data:
            break
        place = chance.randrange(min(chance.choice((64, 512, len(data))), len(data)))
        if chance.random() < 0.3:
            place = len(data) - 1 - place
        size = chance.choice((1, 1, 2, 4))
        new = bytes(
            chance.choice(EXTREME) if chance.random() < 0.5 else chance.randrange(256)
            for _ in range(size)
        )
        data[place : place + chance.choice((size, size, size, 0, 2 * size))] = new
    if chance.random() < 0.1:
        del data[chance.randrange(len(data) + 1) :]
    return bytes(data)


def read_picture(file):
    """Read all of a file as the commands do."""
    is_multi_page(file)
    read_metadata(file)
    software_of(file)
    slices = open_slices([file])
    for index in range(len(slices)):
        slices.read(index)
