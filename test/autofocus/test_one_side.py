from dataclasses import replace

import pytest

from aif_ros.autofocus.one_side import ApproachSettings, OneSide
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
LIMITS = (0.0, 1e-3)
HALF = 1e-5
DISTANCE = 4 * HALF
SETTINGS = ApproachSettings(distance=4.0, searches=2)


def from_below(limits=LIMITS):
    return OneSide(LENS, 2e-4, limits, HALF, SETTINGS)


def test_moves_from_the_side_of_the_approach_are_direct():
    assert from_below().via(2e-4, 5e-4) is None


def test_moves_back_go_beyond_their_target_by_the_distance():
    assert from_below().via(5e-4, 4e-4) == pytest.approx(4e-4 - DISTANCE)


def test_from_the_upper_half_positions_are_approached_downwards():
    one_side = OneSide(LENS, 8e-4, LIMITS, HALF, SETTINGS)
    assert one_side.via(5e-4, 4e-4) is None
    assert one_side.via(4e-4, 5e-4) == pytest.approx(5e-4 + DISTANCE)


def test_the_intermediate_position_stays_within_the_limits():
    one_side = from_below(limits=(1e-4, 9e-4))
    assert one_side.via(5e-4, 1.1e-4) == 1e-4
    # There is no position below the limit to approach it from.
    assert one_side.via(5e-4, 1e-4) is None


def test_a_position_is_approached_again_on_request():
    assert from_below().via(5e-4, 5e-4, again=True) == pytest.approx(5e-4 - DISTANCE)


@pytest.mark.parametrize("travel, taken_up", [(1.01, True), (0.99, False), (-2.0, False)])
def test_only_a_long_move_in_the_direction_of_the_approach_takes_up_backlash(travel, taken_up):
    assert from_below().takes_up(5e-4, 5e-4 + travel * DISTANCE) is taken_up


def test_the_distance_doubles_once_for_each_further_search():
    one_side = from_below()
    assert one_side.lengthen()
    assert one_side.via(5e-4, 4e-4) == pytest.approx(4e-4 - 2 * DISTANCE)
    assert not one_side.lengthen()
    assert one_side.distance == pytest.approx(2 * DISTANCE)


def test_a_lens_with_calibrated_backlash_is_left_alone():
    one_side = OneSide(replace(LENS, backlash=2e-5), 2e-4, LIMITS, HALF, SETTINGS)
    assert not one_side.needed
    assert one_side.via(5e-4, 4e-4) is None
