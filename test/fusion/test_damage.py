"""Parts of frames of a still scene that do not show it."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.damage import Damage, DamageWatch
from aif_ros.fusion.lost_lines import LostLines
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_float, to_uint8

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)
SCENE = texture((160, 120), np.random.default_rng(4))


def frame(number, blur=0.5):
    noise = np.random.default_rng(number).normal(0, 0.01, SCENE.shape)
    return to_uint8(np.asarray(cv2.GaussianBlur(SCENE, (0, 0), blur) + noise, np.float32))


@pytest.fixture
def watch():
    return DamageWatch(LENS)


def add(watch, image, number):
    return watch.add(image, to_float(image), 2e-5 * number, None)


def test_the_first_frames_are_judged_with_the_third(watch):
    judged = []
    for number in range(4):
        add(watch, frame(number), number)
        judged.append(watch.first_frames_judged)
    assert judged == [False, False, True, True]


def test_an_intact_frame_is_not_damaged(watch):
    seen = [add(watch, frame(number, 0.5 + 0.3 * number), number) for number in range(4)]
    assert not any(watch.damage(each) for each in seen)


def test_lost_rows_and_covered_areas_are_found(watch):
    image = frame(1)
    image[30:34] = 0
    image[60:110, 50:110] //= 8
    seen = [add(watch, image if number == 1 else frame(number), number) for number in range(4)]
    damage = watch.damage(seen[1])
    assert damage
    assert damage.lost.rows[30:34].all() and damage.lost.rows.sum() < 10
    assert not damage.lost.columns.any()
    assert damage.covered[65:105, 55:105].mean() > 0.9
    assert damage.covered[:20].mean() < 0.1
    assert not watch.damage(seen[0])


def test_frames_are_compared_with_the_nearest_of_the_latest(watch):
    """Twelve frames of another scene, farther away or longer ago, have no part in it."""
    other = to_uint8(texture((160, 120), np.random.default_rng(9)))
    for number in range(8):
        add(watch, other, 60 + number)
    for number in range(4):
        add(watch, frame(number), number)
    assert not watch.damage(add(watch, frame(5), 4))


def test_damage_is_compared_by_its_parts():
    rows, columns = np.zeros(4, bool), np.zeros(6, bool)
    covered = np.zeros((4, 6), bool)
    none = Damage(LostLines(rows, columns), None)
    some = Damage(LostLines(rows, columns), covered)
    lost = Damage(LostLines(~rows, columns), None)
    assert none.same_parts(Damage(LostLines(rows.copy(), columns.copy()), None))
    assert some.same_parts(Damage(some.lost, covered.copy()))
    assert not some.same_parts(Damage(some.lost, ~covered))
    assert not none.same_parts(some) and not some.same_parts(none)
    assert not none.same_parts(lost)
