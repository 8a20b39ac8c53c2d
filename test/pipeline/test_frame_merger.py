"""Merging frames into J, and which are left out of it."""

import numpy as np
import pytest

from aif_ros.fusion.damage import Damage
from aif_ros.fusion.fuser import make_fuser
from aif_ros.fusion.lost_lines import LostLines
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.frame_merger import FrameMerger
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.types.frame import Frame

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90e3, 640)
SIZE = (48, 64)


def frame(position, dtype=np.uint8, scale=None, level=100):
    image = np.full(SIZE, level, dtype)
    return ReferenceFrame(Frame(image, round(1e9 * position), position, 0.0), LENS, scale)


def damage(rows):
    lost = np.zeros(SIZE[0], bool)
    lost[rows] = True
    return Damage(LostLines(lost, np.zeros(SIZE[1], bool)), None)


@pytest.fixture
def merger():
    return FrameMerger(make_fuser("laplacian"), LENS)


def test_damaged_rows_are_not_merged(merger):
    merger.merge(frame(1e-4))
    fused = merger.merge(frame(2e-4, level=0), damage(slice(10, 30)))
    assert merger.left_out == LeftOut(damaged=(2e-4,))
    assert (fused.image[12:28] > 0.3).all()


def test_a_later_frame_of_the_same_position_counts_instead(merger):
    merger.leave_out(frame(1e-4), "other")
    merger.merge(frame(2e-4), damage(slice(3)))
    assert merger.left_out == LeftOut((1e-4,), ("other",), (2e-4,))
    merger.merge(frame(1e-4 + 1e-9))
    merger.leave_out(frame(2e-4 + 1e-9), "nothing")
    assert merger.left_out == LeftOut((2e-4 + 1e-9,), ("nothing",))


def test_each_damaged_frame_counts_until_its_position_is_seen_whole(merger):
    merger.merge(frame(1e-4))
    merger.merge(frame(2e-4), damage(slice(3)))
    merger.merge(frame(2e-4), damage(slice(3)))
    assert merger.left_out == LeftOut(damaged=(2e-4, 2e-4))
    assert merger.left_out.warning.startswith("parts of 2 frames are not fused")
    merger.merge(frame(2e-4))
    assert merger.left_out == LeftOut()


def test_dropped_frames_are_left_out_of_the_next_image(merger):
    merger.merge(frame(1e-4))
    merger.merge(frame(2e-4), damage(slice(3)))
    merger.drop_merged("other")
    merger.reset()
    assert merger.fused is None
    assert merger.left_out == LeftOut((1e-4, 2e-4), ("other",))


def test_frames_that_are_merged_again_replace_j(merger):
    merger.merge(frame(1e-4))
    merger.merge(frame(2e-4), damage(slice(3)))
    merger.merge_again([(frame(3e-4), damage(slice(3)))])
    assert merger.fused.frames == 1
    assert merger.left_out.damaged == (3e-4,)


def test_scale_and_depth_are_those_of_frames_of_16_bits(merger):
    merger.merge(frame(1e-4))
    assert (merger.scale, merger.sixteen_bit) == (None, False)
    merger.merge(frame(2e-4, np.uint16, 4095.0))
    merger.merge(frame(3e-4))
    assert (merger.scale, merger.sixteen_bit) == (4095.0, True)
