"""What all contrast searches do: approach from one side, verify the end, begin again."""

from dataclasses import replace

import numpy as np
import pytest
from pictures import defocused, texture

from aif_ros.autofocus import contrast_search
from aif_ros.autofocus.contrast_search import ContrastSearch, VerificationSettings
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 90000.0, 3840)
WIDTH = 3840
HALF = LENS.half_depth_of_focus(WIDTH)
SHARP = texture(96)
PEAK = 5e-4


class Listed(ContrastSearch):
    """Goes to the given positions, then ends at the sharpest."""

    def __init__(self, *positions, lens_model=LENS):
        super().__init__(lens_model)
        self._positions = positions
        self.began = []

    def _prepare(self, position):
        self.began.append(position)
        self._ahead = list(self._positions)

    def _next(self):
        return self._ahead.pop(0) if self._ahead else None


def seen(position, peak=PEAK, random=None):
    """The window, with noise of its own for each image."""
    image = defocused(SHARP, abs(LENS.blur_radius(position, peak, WIDTH)))
    noise = 0 if random is None else random.normal(0, 1.5 / 255, image.shape)
    return np.clip(image + noise, 0, 1).astype(np.float32)


def run(search, start=2e-4, limits=LENS.limits, look=seen):
    """Run a search to its end; returns the decisions."""
    search.begin(start, limits, WIDTH)
    position, decisions, random = start, [], np.random.default_rng(0)
    for _ in range(60):
        decisions.append(search.update(look(position, random=random), position))
        if decisions[-1].done:
            return decisions
        position = decisions[-1].position
    raise AssertionError("the search did not end")


def test_the_end_is_the_sharpest_position_verified_by_its_own_image():
    search = Listed(4e-4, PEAK, 6e-4)
    decisions = run(search)
    assert decisions[-1].focused
    assert search.measurements[-1].position == decisions[-1].position == PEAK
    assert search.best.position == PEAK
    assert "highest contrast" in decisions[-1].reason


def test_moves_back_go_beyond_their_target_first():
    """All positions are approached from the side on which the search began."""
    forward, back = run(Listed(6e-4, 4e-4, PEAK))[:2]
    assert (forward.position, forward.via) == (6e-4, None)
    assert back.position == 4e-4
    assert back.via == pytest.approx(4e-4 - 6 * HALF)


def test_from_the_far_end_the_side_is_the_other():
    forward, back = run(Listed(4e-4, 6e-4, PEAK), start=9e-4)[:2]
    assert forward.via is None
    assert back.via == pytest.approx(6e-4 + 6 * HALF)


def test_the_approach_stays_within_the_limits():
    back = run(Listed(6e-4, 4.1e-4, PEAK), start=4.2e-4, limits=(4e-4, 7e-4))[1]
    assert (back.position, back.via) == (4.1e-4, 4e-4)


def test_a_lens_with_calibrated_backlash_needs_no_longer_approach():
    calibrated = replace(LENS, backlash=2e-5)
    decisions = run(Listed(6e-4, 4e-4, PEAK, lens_model=calibrated))
    assert {decision.via for decision in decisions} == {None}


def test_a_sharpest_first_image_is_taken_again():
    """The lens may have come to its start from the other side."""
    search = Listed(7e-4)
    decisions = run(search, start=PEAK)
    assert decisions[1].position == PEAK
    assert decisions[1].via is not None
    assert "first image again" in decisions[1].reason
    assert decisions[-1].focused


def test_no_contrast_ends_where_it_began():
    def blank(position, random):
        return np.clip(0.5 + random.normal(0, 1.5 / 255, SHARP.shape), 0, 1).astype(np.float32)

    last = run(Listed(4e-4, 6e-4), look=blank)[-1]
    assert (last.focused, last.position) == (False, 2e-4)
    assert "nothing to focus on" in last.reason


def test_a_peak_that_is_not_found_again_begins_anew_with_longer_approaches():
    """The scene is sharp once; then no position is."""
    images = 0

    def once(position, random):
        nonlocal images
        images += 1
        return seen(position if images == 3 else position + 1.5e-4, random=random)

    search = Listed(4e-4, PEAK, 6e-4)
    search_again = [
        decision for decision in run(search, look=once) if "longer approach" in decision.reason
    ]
    assert len(search.began) >= 2
    assert len(search_again) == len(search.began) - 1
    lengths = [abs(decision.position - decision.via) for decision in search_again]
    assert lengths == pytest.approx([2 ** (1 + index) * 6 * HALF for index in range(len(lengths))])


@pytest.mark.parametrize("stuck_at", [4.9e-4, 3e-4])
def test_a_lens_that_does_not_move_is_not_in_focus(stuck_at):
    near = PEAK + 2 * HALF

    def stuck(position, random):
        return seen(stuck_at, random=random)

    search = Listed(PEAK, near)
    last = run(search, start=PEAK - 2 * HALF, look=stuck)[-1]
    assert not last.focused
    assert len(search.began) in (1, 3)


def test_the_same_image_elsewhere_is_looked_at_twice():
    """Two images of one position give the noise; a change must exceed it to count."""
    images = []

    def stuck_but_for_one(position, random):
        images.append(position)
        return seen(4.5e-4 if len(images) == 1 else PEAK, random=random)

    decisions = run(Listed(PEAK, PEAK + 2 * HALF), start=4.5e-4, look=stuck_but_for_one)
    asked = [each for each in decisions if "same as at another position" in each.reason]
    assert asked
    assert asked[0].position in (PEAK, PEAK + 2 * HALF)


def test_a_search_ends_after_many_images(monkeypatch):
    monkeypatch.setattr(contrast_search, "_SETTINGS", VerificationSettings(max_images=5))
    search = Listed(*np.linspace(2.1e-4, 9e-4, 50))
    run(search)
    assert len(search.measurements) <= 5 + 8


@pytest.mark.parametrize("limits", [(6e-4, 6e-4), (float("nan"), 1.0), (2.0, 3.0)])
def test_limits_that_leave_nothing_are_refused(limits):
    with pytest.raises(ValueError):
        Listed().begin(2e-4, limits, WIDTH)
