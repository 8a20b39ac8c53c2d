"""Only what a slice shows is merged."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from aif_ros.fusion import tiles
from aif_ros.fusion.fuser import FUSION_METHODS, make_method
from aif_ros.fusion.overlap import common_area, covered
from aif_ros.fusion.stack_fuser import StackFuser
from aif_ros.fusion.tiles import WHOLE
from aif_ros.simulation.scenes.planes import texture

SHAPE = (120, 160)
BIG = (255 * texture((SHAPE[1] + 80, SHAPE[0] + 80), np.random.default_rng(4))).astype(np.uint8)


def moved(right, down):
    return np.array([[1.0, 0.0, right], [0.0, 1.0, down], [0.0, 0.0, 1.0]])


def view(right, down, sigma=0.0):
    """The scene as a camera sees it that has moved, and the transform from the reference to it."""
    picture = BIG if not sigma else cv2.GaussianBlur(BIG, (0, 0), sigma)
    top, left = 40 + down, 40 + right
    return picture[top : top + SHAPE[0], left : left + SHAPE[1]], moved(-right, -down)


def test_pixels_beyond_the_border_are_not_covered():
    shown = covered(SHAPE, moved(-7, 3), WHOLE)
    assert not shown[:, :7].any()
    assert not shown[-3:].any()
    assert shown[:-3, 7:].all()


def test_a_part_is_covered_as_in_the_whole():
    transform = moved(-7.3, 3.6) @ np.diag([1.02, 0.99, 1.0])
    place = (slice(64, 120), slice(0, 64))
    whole = covered(SHAPE, transform, WHOLE)
    np.testing.assert_array_equal(covered(SHAPE, transform, place), whole[place])


def test_pixels_without_data_are_not_covered():
    valid = np.ones(SHAPE, bool)
    valid[50:60, 50:60] = False
    shown = covered(SHAPE, moved(-7, 3), WHOLE, valid)
    assert not shown[47:57, 57:67].any()


@pytest.mark.parametrize("method", FUSION_METHODS)
def test_drift_leaves_no_mirrored_content(method, monkeypatch):
    monkeypatch.setattr(tiles, "_SIDE", 64)
    fuser = StackFuser(make_method(method))
    for index, (right, down) in enumerate([(-14, -9), (0, 0), (13, 8)]):
        image, transform = view(right, down, 0.5 * index)
        fuser.add(image, transform, float(index))
    truth = view(0, 0)[0] / 255
    error = np.abs(fuser.fused.image - truth).mean(axis=2)
    # Mirrored content would differ by a third of full scale.
    assert cv2.blur(error, (7, 7)).max() < 0.12


@pytest.mark.parametrize("method", FUSION_METHODS)
def test_pixels_without_data_are_filled_from_other_slices(method):
    fuser = StackFuser(make_method(method))
    image, transform = view(0, 0)
    for index, place in enumerate([np.s_[20:60, 20:60], np.s_[70:100, 90:130]]):
        valid = np.ones(SHAPE, bool)
        valid[place] = False
        broken = image.copy()
        broken[place] = 255
        fuser.add(broken, transform, float(index), valid=valid)
    assert np.abs(fuser.fused.image - image / 255).max() < 0.02


def test_common_area_is_what_all_slices_show():
    rows, columns = common_area([moved(-7, 3), moved(0, 0), moved(2, -5)], SHAPE)
    assert (rows, columns) == (slice(5, 117), slice(7, 158))


def test_slices_without_a_common_area_are_refused():
    with pytest.raises(ValueError, match="in common"):
        common_area([moved(-100, 0), moved(100, 0)], SHAPE)


def test_overwriting_methods_give_the_same():
    """In the stack they take no memory for their result."""
    method, results = make_method("pyramid"), []
    for each in (method, SimpleNamespace(merge=method.merge)):
        fuser = StackFuser(each)
        for index, (right, down, sigma) in enumerate(((9, -4, 2.0), (0, 0, 0.0), (-8, 6, 2.0))):
            picture, transform = view(right, down, sigma)
            fuser.add(picture, transform, float(index))
        results.append(fuser.fused)
    for name in ("image", "sharpness", "source_position"):
        np.testing.assert_array_equal(*(getattr(fused, name) for fused in results))
