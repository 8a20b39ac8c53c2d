import cv2
import numpy as np
import pytest
import skimage.data

from aif_ros.simulation.defocused_planes import draw_planes
from aif_ros.simulation.photos import PhotosError
from aif_ros.simulation.sensor_model import SensorModel

PHOTO = skimage.data.stereo_motorcycle()[0]
SMALL = cv2.resize(PHOTO, None, fx=0.55, fy=0.55, interpolation=cv2.INTER_AREA)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_blurred_photo_is_refused(random) -> None:
    blurred = cv2.GaussianBlur(PHOTO, (0, 0), 5)
    with pytest.raises(PhotosError, match="sharp"):
        draw_planes([blurred], [1.0], 256, random)


def test_photos_smaller_than_a_patch_are_refused(random) -> None:
    with pytest.raises(PhotosError, match="at least 512 px"):
        draw_planes([SMALL], [1.0], 512, random)


def test_patches_to_measure_with_have_the_radii_asked_for(random) -> None:
    planes = draw_planes([PHOTO], [0.0, 3.5, 20.0], 256, random)
    patches = [plane.photograph(SensorModel(), random) for plane in planes]
    assert [float(patch.radius[0, 0]) for patch in patches] == [0.0, 3.5, 20.0]
    details = [cv2.Laplacian(patch.luma, cv2.CV_32F).var() for patch in patches]
    assert details[0] > details[1] > details[2]
