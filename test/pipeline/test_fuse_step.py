"""Which frames are merged into J."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from aif_ros.fusion import scene_watch
from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.breathing import magnify
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.fuse_step import FuseStep
from aif_ros.pipeline.fusion_result import NOTHING, OTHER_SCENE, REPEATED
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.frame import Frame
from aif_ros.types.image import ImageError, to_float, to_uint8

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)
REACH = LENS.half_depth_of_focus(64)


def reference(position, stamp, travel=0.0, size=(48, 64), dtype=np.uint8):
    top = np.iinfo(dtype).max
    image = (top * np.random.default_rng(0).random(size)).astype(dtype)
    return ReferenceFrame(Frame(image, stamp, position, travel), LENS)


@pytest.fixture
def static():
    return FuseStep(make_fuser("laplacian"), LENS, dynamic=False)


@pytest.fixture
def dynamic():
    return FuseStep(make_fuser("laplacian", LENS), LENS, dynamic=True)


def test_merges_and_reports(static):
    fusion = static.add(reference(1e-4, 10))
    assert (fusion.unused, fusion.image.stamp, fusion.fused.frames) == (None, 10, 1)
    assert static.fused is fusion.fused
    assert fusion.image.image.dtype == np.uint8
    assert (fusion.image.source_samples == np.float32(1e-4)).all()
    assert fusion.image.source_samples.shape == (10, 13)


def test_one_frame_of_16_bits_makes_all_of_j_16_bits(static):
    assert not static.sixteen_bit
    for stamp, dtype, sixteen_bit in (
        (10, np.uint8, False),
        (20, np.uint16, True),
        (30, np.uint8, True),
    ):
        image = static.add(reference(stamp * 1e-5, stamp, dtype=dtype)).image
        assert (static.sixteen_bit, image.image.dtype == np.uint16) == (sixteen_bit, sixteen_bit)
    static.reset()
    assert not static.sixteen_bit


@pytest.mark.parametrize("travel", [1e-9, REACH, np.inf])
def test_a_static_scene_is_captured_at_rest_only(static, travel):
    fusion = static.add(reference(1e-4, 10, travel))
    assert "moved" in fusion.unused
    assert fusion.image is None
    assert static.fused is None


def test_a_static_scene_is_merged_once_from_each_position(static):
    static.add(reference(1e-4, 10))
    assert "position" in static.add(reference(1e-4 + 0.24 * REACH, 20)).unused
    assert static.add(reference(1e-4 + 0.26 * REACH, 30)).unused is None


def test_a_creeping_lens_is_compared_with_what_was_merged(static):
    static.add(reference(0.0, 10))
    merged = [static.add(reference(0.2 * n * REACH, 10 + n)).unused is None for n in (1, 2, 3)]
    assert merged == [False, True, False]


@pytest.mark.parametrize("stamp", [10, 9])
def test_frames_not_newer_are_not_merged(dynamic, stamp):
    dynamic.add(reference(1e-4, 10))
    assert "not newer" in dynamic.add(reference(5e-4, stamp)).unused


def test_a_dynamic_scene_is_merged_in_slow_motion_and_followed_in_fast(dynamic):
    assert dynamic.add(reference(1e-4, 10, np.inf)).image is None
    dynamic.add(reference(1e-4, 20))
    assert dynamic.add(reference(1e-4, 30)).unused is None
    assert dynamic.add(reference(2e-4, 40, REACH)).unused is None
    fusion = dynamic.add(reference(3e-4, 50, 1.01 * REACH))
    assert "moved" in fusion.unused
    assert fusion.image.stamp == 50


def test_another_size_is_an_error_until_reset(static):
    static.add(reference(1e-4, 10))
    before = static.fused
    with pytest.raises(ImageError, match="reset the fusion"):
        static.add(reference(5e-4, 20, size=(24, 32)))
    assert static.fused is before
    static.reset(not_before=20)
    assert "before the new image" in static.add(reference(5e-4, 20, size=(24, 32))).unused
    assert static.add(reference(5e-4, 21, size=(24, 32))).fused.frames == 1


SECOND = 10**9


def test_a_recording_played_again_is_merged(static):
    for begin in (100 * SECOND, 50 * SECOND):
        for index in (0, 1):
            fusion = static.add(reference(5e-4 * index, begin + index))
            assert fusion.unused is None


def test_a_short_recording_played_again_is_merged_from_its_second_frame_on(static):
    for stamp in (10, 20, 30):
        static.add(reference(stamp * 1e-5, stamp))
    used = [static.add(reference(stamp * 1e-5, stamp)).unused is None for stamp in (10, 20, 30)]
    assert used == [False, True, True]


def test_a_reset_also_means_old_recordings(static):
    static.reset(not_before=100 * SECOND)
    for stamp in (99.5, 99.6, 99.7):
        assert static.add(reference(0.0, int(stamp * SECOND))).unused is not None
    assert static.add(reference(0.0, 7 * SECOND)).unused is None


def scene(seed=0, blur=0.0):
    image = texture((96, 72), np.random.default_rng(seed))
    return to_uint8(cv2.GaussianBlur(image, (0, 0), blur) if blur else image)


def shown(step, image, number):
    return step.add(ReferenceFrame(Frame(image, 10 + number, 1e-4 * number, 0.0), LENS))


@pytest.mark.parametrize("other", ["scene", "black", "white"])
def test_a_frame_that_does_not_belong_to_the_scene_is_not_merged(static, other):
    foreign = {"scene": scene(1), "black": 0 * scene(), "white": 0 * scene() + 255}[other]
    shown(static, scene(), 0)
    shown(static, scene(blur=2), 1)
    before = static.fused
    fusion = shown(static, foreign, 2)
    assert fusion.unused == (OTHER_SCENE if other == "scene" else NOTHING)
    assert fusion.outside_scene
    assert fusion.left_out == static.left_out == LeftOut((2e-4,), (fusion.unused,))
    assert static.fused is before
    assert fusion.image.stamp == 12  # decided on, as any frame
    assert shown(static, foreign, 2.001).unused == REPEATED
    fusion = shown(static, scene(blur=4), 3)
    assert (fusion.unused, fusion.outside_scene) == (None, False)
    assert fusion.left_out.positions == (2e-4,)


def test_a_frame_in_motion_is_not_outside_the_scene(static):
    fusion = static.add(reference(1e-4, 10, np.inf))
    assert not fusion.outside_scene
    assert fusion.left_out == LeftOut()


def test_a_position_is_not_left_out_any_more_once_its_frame_is_fused(static):
    shown(static, scene(), 0)
    shown(static, scene(1), 1)
    assert static.left_out.positions == (1e-4,)
    shown(static, scene(blur=2), 2)
    static.add(ReferenceFrame(Frame(scene(blur=1), 99, 1e-4 + 1e-9, 0.0), LENS))
    assert static.left_out == LeftOut()


def test_a_new_fused_image_leaves_nothing_out(static):
    shown(static, scene(), 0)
    shown(static, scene(1), 1)
    static.reset()
    assert static.left_out == LeftOut()


@pytest.mark.parametrize("blur", [1, 2, 4, 8, 12])
def test_large_defocus_is_no_other_scene(static, blur):
    for number, image in enumerate((scene(), scene(blur=blur), scene(), scene(blur=blur))):
        assert shown(static, image, number).unused is None


def large(blur=0.0, seed=0):
    """A frame of 240x180 with noise of its own."""
    image = texture((240, 180), np.random.default_rng(0))
    image = cv2.GaussianBlur(image, (0, 0), blur) if blur else image
    noise = np.random.default_rng(seed).normal(0, 0.01, image.shape)
    return to_uint8(np.asarray(image + noise, np.float32))


def lose_rows(image):
    image[80:84] = 0


def hide(image):
    """Something dark in front of the lens."""
    image[40:120, 60:140] = image[40:120, 60:140] // 8


def lose_rows_and_hide(image):
    """Of the first frame, the lost rows are found before what is hidden."""
    hide(image)
    image[140:144] = 0


@pytest.mark.parametrize("damage", [lose_rows, hide, lose_rows_and_hide])
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("breathing", [0.0, 30.0])
def test_damaged_parts_are_not_merged(damage, place, breathing):
    """Also of the first frames, in which they are found later."""
    lens = replace(LENS, breathing_per_metre=breathing)
    step = FuseStep(make_fuser("laplacian"), lens, dynamic=False)
    for number in range(4):
        position = 5e-5 * number
        scale = 1 / lens.breathing_scale(position)
        image = to_uint8(magnify(to_float(large(0.5 + 0.5 * number, number)), scale))
        if number == place:
            damage(image)
        frame = Frame(image, 10 + number, position, 0.0)
        fusion = step.add(ReferenceFrame(frame, lens))
        assert fusion.unused is None
    assert fusion.left_out == LeftOut((), (), (5e-5 * place,))
    assert fusion.fused.frames == 4
    if breathing == 0.0:
        assert psnr(fusion.fused.image, to_float(large(0.5))) > 26


@pytest.mark.parametrize("blurs", [(0, 6, 0, 6), (8, 4, 0, 4), (0, 3, 12, 20)])
def test_defocus_is_no_damage(static, blurs):
    """Positions are as far apart as the blur needs."""
    for number, blur in enumerate(blurs):
        position = blur / LENS.blur_gain(240) + 1e-9 * number
        frame = Frame(large(blur / 2, number), 10 + number, position, 0.0)
        assert static.add(ReferenceFrame(frame, LENS)).left_out == LeftOut()


def test_an_intact_frame_from_there_makes_good_for_a_damaged_one(static):
    image = large(1.0)
    lose_rows(image)
    for number, (shown_, place) in enumerate(((large(2.0), 0), (image, 1), (large(), 2))):
        static.add(ReferenceFrame(Frame(shown_, 10 + number, 1e-4 * place, 0.0), LENS))
    assert static.left_out.damaged == (1e-4,)
    static.add(ReferenceFrame(Frame(large(1.0), 20, 1e-4, 0.0), LENS))
    assert static.left_out == LeftOut()


def test_a_first_frame_of_another_scene_is_dropped_from_j(static):
    shown(static, scene(1), 0)
    assert shown(static, scene(), 1).unused == OTHER_SCENE
    fusion = shown(static, scene(blur=2), 2)
    assert fusion.unused is None
    assert (fusion.fused.frames, static.epoch) == (2, 1)
    assert fusion.left_out == LeftOut((0.0,), (OTHER_SCENE,))
    np.testing.assert_allclose(fusion.fused.image[8:-8, 8:-8] * 255, scene()[8:-8, 8:-8], atol=8)


def test_a_black_first_frame_is_dropped_from_j(static):
    shown(static, 0 * scene(), 0)
    fusion = shown(static, scene(), 1)
    assert fusion.fused.frames == 1
    assert fusion.left_out == LeftOut((0.0,), (NOTHING,))


def noise(size=(72, 96), level=1.0):
    return to_uint8(level * np.random.default_rng(7).random((*size, 3)).astype(np.float32))


@pytest.mark.parametrize("factor", [1, 4, 8])
@pytest.mark.parametrize("level", [0.3, 1.0])
def test_noise_is_not_merged(static, factor, level):
    """Whatever its size: in small copies, noise is averaged."""

    def large(image):
        return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)

    shown(static, large(scene()), 0)
    shown(static, large(scene(blur=2)), 1)
    size = tuple(factor * side for side in scene().shape[:2])
    assert shown(static, noise(size, level), 2).unused in (NOTHING, OTHER_SCENE)
    assert shown(static, large(scene(blur=4)), 3).unused is None


def test_noise_as_the_first_frame_is_dropped_from_j(static):
    shown(static, noise(), 0)
    shown(static, scene(), 1)
    assert shown(static, scene(blur=2), 2).fused.frames == 2


def test_a_blurred_frame_of_noisy_sensor_is_no_noise(static):
    rng = np.random.default_rng(3)
    for number, blur in enumerate((0.0, 3.0, 20.0, 40.0, 2.0)):
        image = scene(blur=blur) / 255 + rng.normal(0, 0.02, scene().shape)
        frame = to_uint8(np.asarray(image, np.float32))
        assert shown(static, frame, number).unused is None


def test_a_blank_scene_is_merged(static):
    for number in range(3):
        assert shown(static, 0 * scene() + 128, number).unused is None


def test_a_foreign_frame_counts_once_for_each_lens_position(static):
    shown(static, scene(), 0)
    for number in range(4):
        position = 1e-4 * (1 + number % 2)
        image = scene(1) if number % 2 else scene(blur=1 + number)
        frame = Frame(image, 20 + number, position, 0.0)
        assert (static.add(ReferenceFrame(frame, LENS)).unused == OTHER_SCENE) == (number % 2 > 0)


def test_jitter_makes_no_further_lens_position(static):
    """Else another scene would outvote that of the others by frames from one place."""
    places = [0.0, 1e-4, 5e-4, 0.0, 5.00001e-4, 1e-4, 5.00002e-4]
    for number, position in enumerate(places):
        foreign = position > 1e-4
        frame = Frame(scene(1) if foreign else scene(blur=2), 20 + number, position, 0.0)
        unused = static.add(ReferenceFrame(frame, LENS)).unused
        assert unused == (OTHER_SCENE if foreign else None)


def test_frames_of_many_positions_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(scene_watch, "_MOST", 3)
    watch = scene_watch.SceneWatch(LENS)
    for number in range(5):
        watch.add(scene(), 1e-4 * number)
    assert [watch.belongs(1e-4 * number) for number in range(5)] == 2 * [False] + 3 * [True]
