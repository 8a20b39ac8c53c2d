"""Which frames, and which parts of them, belong to a still scene."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.frame_merger import FrameMerger
from aif_ros.pipeline.fusion_result import NOTHING, OTHER_SCENE
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.pipeline.still_scene import StillScene
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.frame import Frame
from aif_ros.types.image import to_uint8

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)


@pytest.fixture
def merger():
    return FrameMerger(make_fuser("laplacian"), LENS)


@pytest.fixture
def still(merger):
    return StillScene(merger, LENS)


def frame(number, seed=0, blur=0.0, level=1.0):
    image = texture((160, 120), np.random.default_rng(seed))
    image = cv2.GaussianBlur(image, (0, 0), blur) if blur else image
    noise = np.random.default_rng(number).normal(0, 0.01, image.shape)
    pixels = to_uint8(np.asarray(level * (image + noise), np.float32))
    return ReferenceFrame(Frame(pixels, 10 + number, 1e-4 * number, 0.0), LENS)


@pytest.mark.parametrize(
    ("other", "reason"), [({"seed": 1}, OTHER_SCENE), ({"level": 0.0}, NOTHING)]
)
def test_frames_of_another_scene_are_excluded(still, merger, other, reason):
    for each in (frame(0), frame(1, blur=2.0)):
        assert still.exclude(each) is None
        still.merge(each)
    assert still.exclude(frame(2, **other)) == reason
    assert merger.left_out == LeftOut((2e-4,), (reason,))


def test_the_scene_of_most_frames_replaces_that_of_the_first(still, merger):
    assert still.exclude(frame(0, seed=1)) is None
    still.merge(frame(0, seed=1))
    assert still.exclude(frame(1)) == OTHER_SCENE
    assert still.exclude(frame(2, blur=1.0)) is None
    # The excluded frame has been merged; the next one is still to be.
    assert merger.fused.frames == 1
    assert still.merge(frame(2, blur=1.0)).frames == 2
    assert merger.left_out == LeftOut((0.0,), (OTHER_SCENE,))


def test_damage_of_the_first_frame_is_found_by_later_ones(still, merger):
    damaged = frame(0)
    damaged.frame.image[60:66] = 0
    for each in (damaged, frame(1, blur=0.5), frame(2, blur=1.0)):
        assert still.exclude(each) is None
        fused = still.merge(each)
    assert merger.left_out == LeftOut(damaged=(0.0,))
    assert fused.frames == 3
    assert fused.image[62:64].mean() > 0.8 * fused.image.mean()
