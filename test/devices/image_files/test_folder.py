"""Which files of a folder are slices."""

import os
import sys

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from image_samples import colours

from aif_ros.devices.device import DeviceError
from aif_ros.devices.focal_stack import FocalStack, is_focal_stack
from aif_ros.devices.image_files import image_files, write_image
from aif_ros.devices.image_files.folder import natural_order
from aif_ros.devices.image_files.slices import open_slices
from aif_ros.types.image import to_float

RGB = (colours() >> 8).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "🦋 stack"
    folder.mkdir()
    for index in (10, 9, 1):
        cv2.imencode(".png", RGB)[1].tofile(folder / f"IMG_{index}.png")
    return folder


def names(folder):
    return [file.name for file in image_files(folder)]


SLICES = ["IMG_1.png", "IMG_9.png", "IMG_10.png"]


def test_an_ome_tiff_in_several_files_is_one_stack(tmp_path):
    """Each file holds one plane, and the same description of where the others are."""
    count = 3
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="z{z}.ome.tif">urn:uuid:00000000-0000-0000-0000-00000000000{z}</UUID>'
        "</TiffData>"
        for z in range(count)
    )
    for z in range(count):
        text = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:00000000-0000-0000-0000-00000000000{z}"><Image ID="Image:0">'
            '<Pixels DimensionOrder="XYZCT" ID="Pixels:0" SizeC="1" SizeT="1" SizeX="32" '
            f'SizeY="24" SizeZ="{count}" Type="uint8">{planes}</Pixels></Image></OME>'
        )
        plane = np.roll(RGB[..., 0], z, axis=0)
        tifffile.imwrite(tmp_path / f"z{z}.ome.tif", plane, description=text, metadata=None)
    assert names(tmp_path) == ["z0.ome.tif"]
    assert is_focal_stack(tmp_path)
    slices = open_slices([tmp_path])
    assert len(slices) == count
    np.testing.assert_array_equal(slices.read(2).pixels, np.roll(RGB[..., 0], 2, axis=0))
    assert (tmp_path / "other.ome.tif").write_bytes(b"damaged")
    assert names(tmp_path) == ["other.ome.tif", "z0.ome.tif"]


def test_order_of_numbers(folder):
    assert names(folder) == SLICES


def test_what_is_no_slice_is_left_out_with_one_line(folder, caplog):
    (folder / "._IMG_1.png").write_bytes(bytes(4096))
    (folder / "._IMG_9.png").write_bytes(bytes(4096))
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "notes.txt").write_text("none")
    (folder / "thumbs.png").mkdir()
    (folder / "IMG_2.HEIC").write_bytes(b"ftypheic")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    (folder / "self.png").symlink_to(folder / "self.png")
    assert names(folder) == SLICES
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    for part in (
        "._IMG_1.png and 1 more (hidden files)",
        "thumbs.png (folders)",
        "gone.png and 3 more",
    ):
        assert part in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
@pytest.mark.parametrize("sixteen_bit", [False, True])
def test_own_output_is_left_out(folder, caplog, suffix, sixteen_bit):
    write_image(folder / f"result{suffix}", to_float(RGB), sixteen_bit=sixteen_bit)
    write_image(folder / f"map_1{suffix}", to_float(RGB[..., 0]), sixteen_bit=sixteen_bit)
    assert names(folder) == SLICES
    assert "map_1" in caplog.text
    assert "and 1 more (written by aif_ros)" in caplog.text
    assert is_focal_stack(folder)
    assert len(FocalStack(folder).files) == 3


def test_folder_of_own_outputs_only_is_taken(tmp_path):
    """Results of partial stacks are stacked again."""
    for index in range(3):
        write_image(tmp_path / f"part{index}.tif", to_float(RGB), sixteen_bit=False)
    assert len(names(tmp_path)) == 3


def test_folder_without_readable_images_is_reported(tmp_path):
    (tmp_path / "IMG_2.HEIC").write_bytes(b"ftypheic")
    said = r"left out IMG_2\.HEIC \(HEIC is not read: save it as PNG or TIFF\)"
    with pytest.raises(DeviceError, match=said):
        image_files(tmp_path)


def test_raw_file_beside_its_picture_is_left_out(folder):
    (folder / "IMG_1.NEF").write_bytes(b"raw")
    assert names(folder) == SLICES


def test_raw_files_are_refused_by_name_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / "IMG_1.CR2").write_bytes(b"raw")
    with pytest.raises(DeviceError, match=r"IMG_1\.CR2 is a raw file: .*'\.\[raw\]'"):
        open_slices([tmp_path]).read(0)


def test_raw_file_under_the_name_of_a_tiff_is_no_tiff(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        version = [(50706, "B", 4, b"\1\4\0\0", True)]
        writer.write(RGB[::4, ::4], subfiletype=1, subifds=1, extratags=version, metadata=None)
        writer.write(RGB[..., 0], photometric="cfa", metadata=None)
    with pytest.raises(DeviceError, match="raw file"):
        open_slices([tmp_path / "a.tif"]).read(0)


def test_damaged_raw_file(tmp_path):
    pytest.importorskip("rawpy")
    (tmp_path / "a.nef").write_bytes(bytes(1000))
    with pytest.raises(DeviceError, match=r"a\.nef cannot be developed"):
        open_slices([tmp_path / "a.nef"]).read(0)


def test_files_by_name_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for path, said in ((tmp_path / "a.png", "no regular file"), ("/dev/zero", "no regular file")):
        with pytest.raises(DeviceError, match=said):
            open_slices([path])
    (tmp_path / "a.xyz").touch()
    with pytest.raises(DeviceError, match="no known format"):
        open_slices([tmp_path / "a.xyz"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.gif", "is GIF, which is not read: save its images as PNG or TIFF"),
        ("a.AVIF", "is AVIF, which is not read: save it as PNG or TIFF"),
        ("a.lsm", "is Zeiss LSM, which is not read: save it as TIFF or OME-TIFF"),
        ("a.mp4", "is video, which is not read"),
    ],
)
def test_a_format_that_is_not_read_is_named(tmp_path, name, said):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(DeviceError, match=said):
        open_slices([tmp_path / name])


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), max_size=8))
def test_any_names_can_be_sorted(found):
    from pathlib import Path

    paths = [Path(name) for name in (*found, "²3.png", "٣.png", "1" * 5000)]
    ordered = sorted(paths, key=natural_order)
    assert sorted(reversed(paths), key=natural_order) == ordered


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_sort_by_value(one, other):
    from pathlib import Path

    keys = [natural_order(Path(f"a{number}.png")) for number in (one, other)]
    assert (keys[0] < keys[1]) == (one < other)
