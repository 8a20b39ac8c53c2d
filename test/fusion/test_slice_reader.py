"""Reading the slices of a stack one after the other."""

import cv2
import numpy as np
import pytest

from aif_ros.devices.image_files.slices import open_slices
from aif_ros.fusion.slice_reader import SliceReader


@pytest.fixture
def slices(tmp_path):
    for index in range(4):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((8, 16, 3), 10 * index, np.uint8))
    return open_slices([tmp_path])


def test_slices_come_in_order_and_are_tracked(slices):
    tracked = []

    def track(images, doing):
        tracked.append(doing)
        return images

    reader = SliceReader(slices, track=track)
    assert [image.pixels[0, 0, 0] for image in reader.read("comparing")] == [0, 10, 20, 30]
    assert [image.pixels.shape for image in reader.read("fusing", mono=True)] == [(8, 16)] * 4
    assert tracked == ["comparing", "fusing"]
    assert len(reader) == 4


def test_reduced_slices_have_a_size(slices):
    reader = SliceReader(slices, reduction=2)
    assert reader.size == (8, 4)
    assert next(iter(reader.read("comparing"))).pixels.shape == (4, 8, 3)


def test_slices_are_left_out(slices):
    rest = SliceReader(slices, reduction=2).without([0, 2])
    assert (len(rest), rest.reduction) == (2, 2)
    assert [image.pixels[0, 0, 0] for image in rest.read("fusing")] == [10, 30]
