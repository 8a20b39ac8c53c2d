"""Formats that are not read, by what files hold."""

import io

import numpy as np
import PIL.Image
import pytest

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.unread_formats import BY_SUFFIX, refuse_unread


def jpeg_header(marker, bits):
    segment = bytes([0xFF, marker, 0, 11, bits, 0, 8, 0, 8, 1, 1, 17, 0])
    return b"\xff\xd8" + segment + bytes(20)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypmif1", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"\0\0\0\x18ftypcrx ", "Canon CR3, which is not read: name it .cr3"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"GIF89a", "GIF"),
        (jpeg_header(0xC3, 16), "lossless JPEG"),
        (jpeg_header(0xC1, 12), "JPEG of 12 bits"),
    ],
)
def test_such_a_file_is_named_by_its_content_whatever_its_suffix(tmp_path, content, name):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=rf"photo\.jpg holds {name}"):
        refuse_unread(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_formats_that_are_read_pass(tmp_path, kind):
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, kind)
    path = tmp_path / "photo.heic"
    path.write_bytes(buffer.getvalue())
    refuse_unread(path)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff\xd8", b"ftyp", jpeg_header(0xC0, 8), jpeg_header(0xC4, 12)]
)
def test_what_is_no_such_format_is_left_to_its_reader(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    refuse_unread(path)


def test_a_file_that_cannot_be_opened_is_left_to_its_reader(tmp_path):
    refuse_unread(tmp_path / "none.jpg")
    refuse_unread(tmp_path)


def test_suffixes_say_what_to_do():
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in BY_SUFFIX)
    assert all(each.name and each.advice for each in BY_SUFFIX.values())
    assert not set(BY_SUFFIX) & {".png", ".jpg", ".tif", ".webp"}
