"""Opening the files of a focal stack."""

import cv2
import numpy as np
import pytest
import tifffile

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.slices import (
    is_multi_page,
    open_slices,
    read_image,
    read_values,
)
from aif_ros.devices.image_files.stack_axes import Selection


@pytest.fixture
def folder(tmp_path):
    """Three files of one slice, named so that 10 comes after 9."""
    folder = tmp_path / "stack"
    folder.mkdir()
    for index in (8, 9, 10):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((6, 8), index, np.uint8))
    return folder


def pages(path, count=2):
    planes = np.arange(48 * count, dtype=np.uint8).reshape(count, 6, 8)
    tifffile.imwrite(path, planes, photometric="minisblack")
    return path


def names(slices):
    return [path.name for path in slices.paths]


def test_a_folder_stands_for_its_images_in_order(folder):
    assert names(open_slices([folder])) == ["8.png", "9.png", "10.png"]


def test_files_are_taken_in_the_order_given(folder):
    slices = open_slices([folder / "9.png", folder / "8.png"])
    assert names(slices) == ["9.png", "8.png"]
    assert slices.notes == []


def test_a_file_that_is_named_again_is_taken_once(folder):
    slices = open_slices([folder / "9.png", folder, folder / "9.png"])
    assert names(slices) == ["9.png", "8.png", "10.png"]
    assert slices.notes == [
        f"{each} is named twice: it is used once" for each in (folder, folder / "9.png")
    ]


def test_pages_of_several_named_files_follow_each_other(tmp_path):
    files = [pages(tmp_path / "a.tif"), pages(tmp_path / "b.tif", 3)]
    slices = open_slices(files)
    assert names(slices) == ["a.tif"] * 2 + ["b.tif"] * 3
    assert "the pages of all 2 files are taken as one stack" in slices.notes[0]
    assert open_slices(files[:1]).notes == []


def test_a_file_of_pages_among_others_of_a_folder_is_refused(folder):
    pages(folder / "11.tif", 4)
    with pytest.raises(DeviceError, match=r"11\.tif holds 4 slices by itself: name one such file"):
        open_slices([folder])


def test_what_cannot_be_opened_is_named(tmp_path, folder):
    (tmp_path / "a.txt").write_text("none")
    for path, message in (
        (tmp_path / "b.png", "there is no folder or file .*b.png"),
        (tmp_path / "a.txt", "a.txt is of no known format"),
    ):
        with pytest.raises(DeviceError, match=message):
            open_slices([path])
    with pytest.raises(DeviceError, match="no slices are given"):
        open_slices([])
    with pytest.raises(DeviceError, match=r"channel 1: \.png files hold one image"):
        open_slices([folder], selection=Selection(channel=1))


def test_files_of_several_pages_are_known(tmp_path, folder):
    assert is_multi_page(pages(tmp_path / "a.tif"))
    assert not is_multi_page(folder / "8.png")
    assert not is_multi_page(tmp_path / "missing.tif")


@pytest.mark.parametrize("read", [read_image, read_values])
def test_one_image_is_read(tmp_path, folder, read):
    np.testing.assert_array_equal(read(folder / "9.png"), np.full((6, 8), 9))
    with pytest.raises(DeviceError, match="holds 2 images: one is needed"):
        read(pages(tmp_path / "a.tif"))
