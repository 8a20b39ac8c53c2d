"""Photographs that come with scikit-image."""

import hashlib

import numpy as np
import pytest

from aif_ros.training.scikit_image_photos import PHOTOS, SamplePhoto


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.name)
def test_each_is_there_and_described_by_its_own_file(photo):
    image = photo.read()
    assert image.dtype == np.uint8
    assert image.ndim == 2 or image.shape[2] == 3
    assert min(image.shape[:2]) >= 300
    described = photo.describe()
    assert photo.file in described.name
    assert (described.files, described.licence) == (1, photo.licence)
    assert described.sha256 == hashlib.sha256(photo.path.read_bytes()).hexdigest()


def test_none_is_listed_twice_or_without_a_licence():
    assert len({photo.name for photo in PHOTOS}) == len({photo.path for photo in PHOTOS})
    assert len({photo.name for photo in PHOTOS}) == len(PHOTOS)
    assert all(photo.licence for photo in PHOTOS)


def test_a_file_that_is_missing_is_an_error():
    with pytest.raises(OSError):
        SamplePhoto("none", "none.png", "CC0").describe()
