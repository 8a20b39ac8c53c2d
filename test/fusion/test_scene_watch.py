"""Frames of other scenes, found one after the other."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion import scene_watch
from aif_ros.fusion.scene_watch import Scene, SceneWatch
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_uint8

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)
SIZE = (96, 72)
STEP = 1e-4
BLACK = np.zeros((*SIZE[::-1], 3), np.uint8)


def scene(seed=0, blur=0.0):
    image = texture(SIZE, np.random.default_rng(seed))
    return to_uint8(cv2.GaussianBlur(image, (0, 0), blur) if blur else image)


def watched(*images):
    """What a watch says of images, each from a lens position of its own."""
    watch = SceneWatch(LENS)
    return [watch.add(image, STEP * number) for number, image in enumerate(images)]


def test_frames_of_one_scene_in_and_out_of_focus():
    images = [scene(blur=blur) for blur in (8, 4, 1, 0, 2, 6)]
    assert watched(*images) == 6 * [Scene.SAME]


def test_another_scene_between_others():
    assert watched(scene(), scene(blur=2), scene(1), scene(blur=4)) == [
        Scene.SAME,
        Scene.SAME,
        Scene.OTHER,
        Scene.SAME,
    ]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_frames_of_one_colour_show_nothing(level):
    blank = np.full_like(BLACK, level)
    assert watched(scene(), blank, scene(blur=2)) == [Scene.SAME, Scene.NOTHING, Scene.SAME]


def test_the_scene_that_most_frames_show_counts():
    found = watched(scene(1), scene(), scene(blur=2), scene(blur=4), scene(1, blur=2))
    assert found == [Scene.SAME, Scene.OTHER, Scene.NEW, Scene.SAME, Scene.OTHER]


def test_a_first_scene_after_frames_of_nothing():
    assert watched(BLACK, BLACK, scene()) == [Scene.SAME, Scene.SAME, Scene.FIRST]


def test_scenes_of_equally_many_frames_are_that_of_the_first():
    assert watched(scene(), scene(1), scene(blur=1), scene(1, blur=1))[-1] == Scene.OTHER


def test_a_position_belongs_as_its_newest_frame_shows():
    watch = SceneWatch(LENS)
    for number, image in enumerate((scene(1), scene(), scene(blur=2))):
        watch.add(image, STEP * number)
    assert [watch.belongs(STEP * number) for number in range(4)] == [False, True, True, False]
    # The same position but for jitter.
    assert watch.belongs(STEP + 1e-9)
    watch.add(scene(blur=1), 0.0)
    assert watch.belongs(0.0)


def test_another_scene_is_not_outvoted_by_one_position():
    """A lens that waits at one position takes many frames there."""
    watch = SceneWatch(LENS)
    watch.add(scene(), 0.0)
    watch.add(scene(blur=1), STEP)
    found = [watch.add(scene(1), 2 * STEP + number * 1e-9) for number in range(5)]
    assert found == 5 * [Scene.OTHER]


def test_frames_that_cannot_be_compared_count_as_the_scene():
    """It shows another scene, but far more faintly."""
    faint = to_uint8(0.5 + 0.2 * (texture(SIZE, np.random.default_rng(1)) - 0.5))
    assert watched(scene(), scene(blur=2), faint)[-1] == Scene.SAME


def test_a_frame_that_has_moved_is_registered():
    shifted = np.roll(scene(), 4, axis=1)
    assert watched(scene(), shifted) == [Scene.SAME, Scene.SAME]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_frames_of_any_depth(dtype):
    top = np.iinfo(dtype).max
    one, other = (
        (top * cv2.cvtColor(texture(SIZE, np.random.default_rng(seed)), cv2.COLOR_RGB2GRAY))
        .round()
        .astype(dtype)
        for seed in (0, 1)
    )
    assert watched(one, one, other) == [Scene.SAME, Scene.SAME, Scene.OTHER]


def test_the_oldest_frames_are_forgotten(monkeypatch):
    monkeypatch.setattr(scene_watch, "_MOST", 2)
    watch = SceneWatch(LENS)
    for number in range(4):
        watch.add(scene(), STEP * number)
    assert [watch.belongs(STEP * number) for number in range(4)] == [False, False, True, True]
