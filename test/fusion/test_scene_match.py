"""Slices that show another scene than the rest of their stack."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice
from aif_ros.fusion.scene_match import (
    inconsistent_slice_areas,
    match_registered,
    match_scenes,
)
from aif_ros.fusion.scene_view import scene_thumbnail
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_uint8

SIZE = (320, 240)


def slices(seed=0, count=7, blur=4.0, drift=0.0):
    """Copies of a stack whose left is sharp in the first slice, whose right is in the last."""
    scene = texture(SIZE, np.random.default_rng(seed))
    soft = [cv2.GaussianBlur(scene, (0, 0), 0.1 + blur * k / 8) for k in range(9)]
    found = []
    for index in range(count):
        image = scene.copy()
        for column in range(16):
            part = np.s_[:, column * 20 : (column + 1) * 20]
            distance = abs(index / (count - 1) - column / 15)
            image[part] = soft[round(8 * distance)][part]
        move = np.array([[1, 0, drift * index], [0, 1, 0]])
        image = cv2.warpAffine(image, move, SIZE, borderMode=cv2.BORDER_REFLECT_101)
        found.append(to_uint8(image))
    return found


def match(images):
    return match_scenes([scene_thumbnail(image) for image in images])


@pytest.mark.parametrize("blur", [2.0, 12.0])
@pytest.mark.parametrize("drift", [0.0, 3.0])
def test_slices_of_one_scene_match(blur, drift):
    found = match(slices(blur=blur, drift=drift))
    assert (found.mismatched, found.undecided) == ([], False)


@pytest.mark.parametrize("places", [[0], [3], [6], [2, 3], [0, 4]])
def test_slices_of_another_scene_are_found(places):
    images, others = slices(), slices(seed=1)
    for place in places:
        images[place] = others[place]
    assert match(images).mismatched == places


def test_a_slice_upside_down_does_not_match():
    images = slices()
    images[4] = np.ascontiguousarray(images[4][::-1, ::-1])
    assert match(images).mismatched == [4]


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_noise_shows_nothing(level):
    images = slices()
    images[3] = to_uint8(
        level * np.random.default_rng(5).random(images[3].shape).astype(np.float32)
    )
    found = match(images)
    assert found.left_out == [3]
    assert match(slices(blur=40.0)).left_out == []


def test_two_scenes_of_equal_share_are_undecided():
    found = match(slices(count=2) + slices(seed=1, count=2))
    assert (found.mismatched, found.undecided) == ((), True)


def test_slices_without_structure_are_not_judged():
    images = slices()
    images[2] = np.zeros_like(images[2])
    images[5] = cv2.GaussianBlur(images[5], (0, 0), 30)
    images[6] = np.full_like(images[6], 255)
    assert match(images).mismatched == []
    assert match([images[2]] * 4) == match(images[:1])


def test_noise_does_not_part_the_slices_of_a_faint_scene():
    random = np.random.default_rng(3)
    faint = [
        to_uint8(0.4 + 0.05 * image / np.float32(255) + random.normal(0, 0.02, image.shape))
        for image in slices()
    ]
    assert match(faint).mismatched == []


def test_brightness_and_contrast_do_not_count():
    images = slices()
    images[3] = (40 + 0.4 * images[3]).astype(np.uint8)
    assert match(images).mismatched == []


def test_what_is_no_data_does_not_count():
    """Each slice is transparent at another place, where its file holds something else."""
    copies = []
    for index, image in enumerate(slices()):
        valid = np.ones(SIZE[::-1], bool)
        part = np.s_[:, 40 * index : 40 * index + 80]
        valid[part], image[part] = False, texture(SIZE, np.random.default_rng(50 + index))[part]
        copies.append(scene_thumbnail(image, valid))
    assert isinstance(copies[0], DownscaledSlice)
    assert match_scenes(copies).mismatched == []


@pytest.mark.parametrize("level, shade", [(0, "black"), (255, "white"), (128, "of one colour")])
def test_slices_that_show_nothing_are_named(level, shade):
    images = slices()
    images[2] = np.full_like(images[2], level)
    found = match(images)
    assert (found.blank, found.left_out) == ({2: shade}, [2])
    assert match([images[2]] * 4).blank == {}


STILL = np.eye(2, 3, dtype=np.float32)


def test_a_slice_that_is_registered_wrongly_is_found():
    copies = [scene_thumbnail(image) for image in slices()]
    moves = [STILL] * 7
    assert match_registered(copies, moves).mismatched == []
    moves[3] = np.float32([[1, 0, 25], [0, 1, 0]])
    assert match_registered(copies, moves).mismatched == [3]


@pytest.mark.parametrize("blur", [2.0, 12.0])
@pytest.mark.parametrize("drift", [0.0, 3.0])
def test_slices_that_differ_by_blur_fit(blur, drift):
    copies = [scene_thumbnail(image) for image in slices(blur=blur, drift=drift)]
    moves = [np.float32([[1, 0, drift * index / 2], [0, 1, 0]]) for index in range(7)]
    assert inconsistent_slice_areas(copies, moves) == [None] * 7


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("gain", [1.0, 0.6])
def test_parts_that_differ_by_more_than_blur_are_found(place, gain):
    """The lower third of one slice was not transmitted."""
    images = slices()
    images[place] = (gain * images[place]).astype(np.uint8)
    images[place][160:] = 0
    found = inconsistent_slice_areas([scene_thumbnail(image) for image in images], [STILL] * 7)
    assert [index for index, part in enumerate(found) if part is not None] == [place]
    part = found[place]
    assert part[84:].mean() > 0.99
    assert part[:68].mean() < 0.01
