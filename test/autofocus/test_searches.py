"""The searches, looking at a textured window through a lens of disk blur."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pictures import defocused, texture

from aif_ros.autofocus.searches import SEARCHES, make_search
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.simulated_camera import follow_with_backlash
from aif_ros.types.image import ImageError

# 0.09 px of blur radius per step of 1 um, as the lens of the paper; half a depth of field: 11.1 um.
LENS = LensModel("test", 1e-6, (0.0, 1e-3), 90000.0, 3840)
WIDTH = 3840
SHARP = texture(160)


def focus(search, start, peak, limits=LENS.limits, noise=1.5 / 255):
    """Run a search to its end; the images were taken at whole steps."""
    search.begin(start, limits, WIDTH)
    position = start
    for _ in range(300):
        radius = abs(LENS.blur_radius(position, peak, WIDTH))
        decision = search.update(defocused(SHARP, radius, noise), position)
        if decision.done:
            return decision
        assert limits[0] <= decision.position <= limits[1]
        position = decision.position
    raise AssertionError("the search did not end")


@pytest.fixture(params=["rule_based", "fibonacci"])
def search(request):
    return make_search(request.param, LENS)


@pytest.mark.parametrize("start, peak", [(0.5e-3, 0.61e-3), (0.0, 0.9e-3), (1e-3, 0.2e-3)])
def test_ends_in_focus(search, start, peak):
    decision = focus(search, start, peak)
    assert decision.focused
    assert abs(decision.position - peak) <= LENS.half_depth_of_focus(WIDTH)
    assert len(search.measurements) <= 16


def test_sweep_ends_in_focus_and_covers_the_range():
    sweep = make_search("sweep", LENS)
    decision = focus(sweep, 0.5e-3, 0.61e-3)
    assert abs(decision.position - 0.61e-3) <= LENS.half_depth_of_focus(WIDTH)
    positions = sorted(each.position for each in sweep.measurements)
    assert np.diff(positions).max() <= 2.001 * LENS.half_depth_of_focus(WIDTH)


@pytest.mark.parametrize("name", SEARCHES)
def test_begin_discards_earlier_looks(name):
    search = make_search(name, LENS)
    focus(search, 0.5e-3, 0.55e-3, (0.4e-3, 0.6e-3))
    search.begin(0.5e-3, LENS.limits, WIDTH)
    assert search.measurements == []


def test_first_look_is_where_it_starts(search):
    focus(search, 0.3e-3, 0.4e-3)
    assert search.measurements[0].position == 0.3e-3


def test_stays_within_the_given_range(search):
    """The peak is outside: the search ends at the nearer end of its range."""
    decision = focus(search, 0.5e-3, 0.9e-3, (0.4e-3, 0.6e-3))
    assert decision.position == pytest.approx(0.6e-3, abs=2 * LENS.half_depth_of_focus(WIDTH))


def test_ends_no_blurrier_than_it_began(search):
    start = 0.6e-3
    decision = focus(search, start, start)
    assert abs(decision.position - start) <= LENS.half_depth_of_focus(WIDTH)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_nothing_to_focus_on_returns_to_the_start(name, level):
    search = make_search(name, LENS)
    random = np.random.default_rng(0)
    search.begin(0.35e-3, (0.2e-3, 0.6e-3), WIDTH)
    position = 0.35e-3
    for _ in range(300):
        noise = random.normal(0, 1.5 / 255, (128, 128))
        patch = np.clip(level + noise, 0, 1).astype(np.float32)
        decision = search.update(patch, position)
        position = decision.position
        if decision.done:
            break
    assert decision.done
    assert not decision.focused
    assert decision.position == 0.35e-3
    assert "nothing to focus on" in decision.reason


def focus_with_backlash(search, start, peak, backlash, first=0.0, limits=LENS.limits):
    """Run a search on a motor with backlash; return its decision and the blur left, pixels.

    `first` is where in the backlash the optics rest at first, -1 to 1; all noise is new.
    """
    random = np.random.default_rng(0)
    search.begin(start, limits, WIDTH)
    motor, optics = start, start + first * backlash / 2
    for _ in range(300):
        radius = abs(LENS.blur_radius(optics, peak, WIDTH))
        noise = random.normal(0, 1.5 / 255, SHARP.shape).astype(np.float32)
        decision = search.update(np.clip(defocused(SHARP, radius) + noise, 0, 1), motor)
        if decision.done:
            return decision, abs(LENS.blur_radius(optics, peak, WIDTH))
        for target in (decision.via, decision.position):
            if target is not None:
                motor = target
                optics = follow_with_backlash(motor, optics, backlash)
    raise AssertionError("the search did not end")


@pytest.mark.parametrize("name", ["rule_based", "fibonacci"])
@pytest.mark.parametrize(
    "start, peak, blur, first",
    [
        (0.2e-3, 0.61e-3, 2.0, 1),
        (0.9e-3, 0.35e-3, 4.0, 1),
        (0.5e-3, 0.53e-3, 2.0, -1),  # the first image is beside the peak
        (0.2e-3, 0.61e-3, 11.0, -1),
        (0.9e-3, 0.35e-3, 11.0, 1),
    ],
)
def test_backlash_that_the_calibration_lacks_gives_no_false_focus(name, start, peak, blur, first):
    """Backlash of up to 4 px of blur: it ends in focus; more: it may report that it does not.

    At 11 px, moves near the end of a search leave the lens where it is.
    """
    search = make_search(name, LENS)
    decision, left = focus_with_backlash(search, start, peak, blur / 90000, first)
    assert decision.focused or blur > 4
    assert left <= 1.2 or not decision.focused


@pytest.mark.parametrize("start, peak", [(0.2e-3, 0.61e-3), (0.9e-3, 0.35e-3)])
def test_backlash_gives_no_false_focus_to_a_sweep(start, peak):
    decision, left = focus_with_backlash(make_search("sweep", LENS), start, peak, 3.0 / 90000)
    assert left <= 1.2 or not decision.focused


@pytest.mark.parametrize("name", ["rule_based", "fibonacci"])
def test_a_lens_that_has_stopped_to_move_is_not_in_focus(name):
    """It follows the first moves only: what is sharpest then looks the same everywhere."""
    search = make_search(name, LENS)
    random = np.random.default_rng(1)
    search.begin(0.2e-3, LENS.limits, WIDTH)
    position = optics = 0.2e-3
    for index in range(300):
        radius = abs(LENS.blur_radius(optics, 0.61e-3, WIDTH))
        noise = random.normal(0, 1.5 / 255, SHARP.shape).astype(np.float32)
        decision = search.update(np.clip(defocused(SHARP, radius) + noise, 0, 1), position)
        if decision.done:
            break
        position = decision.position
        optics = position if index < 3 else optics
    assert decision.done
    assert not decision.focused


def test_all_positions_are_approached_from_one_side():
    search = make_search("fibonacci", LENS)
    search.begin(0.2e-3, LENS.limits, WIDTH)
    position, sides = 0.2e-3, []
    while True:
        radius = abs(LENS.blur_radius(position, 0.61e-3, WIDTH))
        decision = search.update(defocused(SHARP, radius, 1.5 / 255), position)
        if decision.done:
            break
        before = position if decision.via is None else decision.via
        sides.append(decision.position - before)
        position = decision.position
    assert min(sides) >= 0


def test_backlash_in_the_calibration_needs_no_longer_approach():
    """The lens itself is approached from one side then."""
    search = make_search("fibonacci", replace(LENS, backlash=2e-5))
    search.begin(0.2e-3, LENS.limits, WIDTH)
    position = 0.2e-3
    while True:
        radius = abs(LENS.blur_radius(position, 0.61e-3, WIDTH))
        decision = search.update(defocused(SHARP, radius, 1.5 / 255), position)
        assert decision.via is None
        if decision.done:
            break
        position = decision.position


@pytest.mark.parametrize("name", ["rule_based", "fibonacci", "sweep"])
def test_the_last_move_is_verified(name):
    """Whenever the sharpest position has been found, the scene goes further out of focus."""
    search = make_search(name, LENS)
    search.begin(0.5e-3, LENS.limits, WIDTH)
    position, shift = 0.5e-3, 0.0
    for _ in range(300):
        radius = abs(LENS.blur_radius(position, 0.61e-3 + shift, WIDTH))
        decision = search.update(defocused(SHARP, radius, 1.5 / 255), position)
        if decision.done:
            break
        position = decision.position
        shift += 1e-4 if decision.reason.startswith("verifying") else 0.0
    assert not decision.focused
    assert "not found again" in decision.reason


@pytest.mark.parametrize("name", ["rule_based", "fibonacci"])
def test_a_first_look_that_was_wrong_is_forgotten(name):
    """The first image is four times as bright as the others: a camera that has just started."""
    search = make_search(name, LENS)
    search.begin(0.9e-3, LENS.limits, WIDTH)
    position, gain = 0.9e-3, 4.0
    for _ in range(300):
        radius = abs(LENS.blur_radius(position, 0.61e-3, WIDTH))
        decision = search.update(gain * 0.25 * defocused(SHARP, radius, 1.5 / 255), position)
        gain = 1.0 if radius > 1.5 else gain
        if decision.done:
            break
        position = decision.position
    assert decision.focused
    assert abs(decision.position - 0.61e-3) <= 1.5 * LENS.half_depth_of_focus(WIDTH)


class TestBadInput:
    def test_unusable_patches(self, search):
        search.begin(0.5e-3, LENS.limits, WIDTH)
        for patch in (np.full((64, 64), np.nan, np.float32), np.zeros((0, 5), np.float32)):
            with pytest.raises(ImageError):
                search.update(patch, 0.5e-3)
        assert search.measurements == []

    def test_empty_range(self, search):
        with pytest.raises(ValueError, match="no lens positions"):
            search.begin(0.5e-3, (0.5e-3, 0.5e-3), WIDTH)
        with pytest.raises(ValueError, match="finite"):
            search.begin(0.5e-3, (math.nan, 1e-3), WIDTH)

    def test_unknown_name(self):
        with pytest.raises(ValueError, match="fibonacci"):
            make_search("magic", LENS)


@pytest.mark.parametrize("name", ["rule_based", "fibonacci", "sweep"])
def test_lens_with_few_resting_places_is_not_sent_to_the_same_one_for_ever(name):
    # Slices of a recorded stack: far fewer than depths of field, reached to half a slice.
    slices = LensModel("stack", 2.5e-4, (-1.25e-4, 1.625e-3), 20000.0, 2048)
    positions = np.arange(7) * 2.5e-4
    search = make_search(name, slices)
    for peak in (0, 2, 6):
        search.begin(positions[3], slices.limits, 2048)
        at = 3
        while not (
            decision := search.update(defocused(SHARP, 5 * abs(at - peak)), positions[at])
        ).done:
            at = int(np.abs(positions - decision.position).argmin())
        assert np.abs(positions - decision.position).argmin() == peak
        assert len(search.measurements) <= 10
