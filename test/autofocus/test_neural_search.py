"""The neural search with an estimator that reads the true radius, more or less."""

from dataclasses import replace

import numpy as np
import pytest

from aif_ros.autofocus.neural_search import NeuralSearch
from aif_ros.defocus.patch_blur import PatchBlur
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.simulated_camera import follow_with_backlash

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 90000.0, 3840)
LONG = LensModel("test", 1e-6, (0.0, 3e-3), 90000.0, 3840)
WIDTH = 3840
RADII = 4 * np.expm1(np.linspace(0, np.log1p(66 / 4), 64)).astype(np.float32)
TEXTURE = np.random.default_rng(3).random((256, 256)).astype(np.float32)


def seen(radius):
    """A window whose contrast falls with the blur radius, pixels, as that of natural pictures."""
    share = np.float32(1 / np.sqrt(1 + 0.4 * radius**1.9))
    light = TEXTURE**2
    return np.sqrt(light.mean() + share * (light - light.mean()))


class Reader:
    """Reads a true radius given from outside, with a relative error."""

    def __init__(self, error=0.0, blind=False):
        self.radius = 0.0
        self.error = error
        self.blind = blind
        self.random = np.random.default_rng(0)

    def estimate_patch(self, image):
        if self.blind:
            even = np.full(64, 1 / 64, np.float32)
            return PatchBlur(np.nan, np.nan, np.nan, RADII, even)
        reading = min(self.radius * (1 + self.error * self.random.standard_normal()), 60.0)
        away = (np.log1p(RADII / 4) - np.log1p(max(reading, 0) / 4)) / 0.08
        probabilities = np.exp(-0.5 * away**2)
        probabilities /= probabilities.sum()
        in_focus = 1 / (1 + np.exp(min(self.radius - 1.0, 5.0) * 8))
        return PatchBlur(reading, 0.5, in_focus, RADII, probabilities.astype(np.float32))


def focus(reader, lens, start, peak, expected=None):
    search = NeuralSearch(lens, reader, expected)
    search.begin(start, lens.limits, WIDTH)
    position = start
    for _ in range(40):
        reader.radius = abs(lens.blur_radius(position, peak, WIDTH))
        decision = search.update(seen(reader.radius), position)
        if decision.done:
            return decision, search.measurements
        assert lens.limits[0] <= decision.position <= lens.limits[1]
        position = decision.position
    raise AssertionError("the search did not end")


@pytest.mark.parametrize("lens", [LENS, LONG])
def test_few_looks_suffice(lens):
    random = np.random.default_rng(1)
    images = []
    for _ in range(60):
        start, peak = random.uniform(*lens.limits, 2)
        decision, measurements = focus(Reader(error=0.03), lens, start, peak)
        images.append(len(measurements))
        assert decision.focused
        assert abs(decision.position - peak) <= 1.3 * lens.half_depth_of_focus(WIDTH)
    assert np.mean(images) <= (3.3 if lens is LENS else 4.6)


def focus_with_backlash(lens, start, peak, backlash, first, seed=0):
    """Run a search on a motor with backlash; return whether it claims focus, the blur left, pixels,
    and the number of images. `first` is where in the backlash the optics rest at first."""
    reader = Reader(error=0.03)
    reader.random = np.random.default_rng(seed)
    search = NeuralSearch(lens, reader)
    search.begin(start, lens.limits, WIDTH)
    motor, optics = start, start + first * backlash / 2
    for _ in range(60):
        reader.radius = abs(lens.blur_radius(optics, peak, WIDTH))
        decision = search.update(seen(reader.radius), motor)
        for target in (decision.via, decision.position):
            if target is not None:
                motor = target
                optics = follow_with_backlash(motor, optics, backlash)
        if decision.done:
            left = abs(lens.blur_radius(optics, peak, WIDTH))
            return decision.focused, left, len(search.measurements)
    raise AssertionError("the search did not end")


@pytest.mark.parametrize(
    "backlash, found", [(0.0, 1.0), (10e-6, 1.0), (35e-6, 0.95), (120e-6, 0.85)]
)
def test_backlash_that_the_calibration_lacks_gives_no_false_focus(backlash, found):
    """Backlash of 10.8 px, more than is taken up, may cost focus, but that is reported."""
    random = np.random.default_rng(5)
    results = []
    for seed in range(20):
        peak = random.uniform(*LENS.limits)
        start = float(np.clip(peak + random.uniform(-3e-4, 3e-4), *LENS.limits))
        results.append(
            focus_with_backlash(LENS, start, peak, backlash, random.choice([-1, 0, 1]), seed)
        )
    assert not any(focused and left > 1.3 for focused, left, _ in results)
    assert np.mean([left <= 1.3 for _, left, _ in results]) >= found
    assert np.mean([images for *_, images in results]) <= (3.3 if backlash < 20e-6 else 5.5)


@pytest.mark.parametrize("start, peak", [(0.2e-3, 0.5e-3), (0.8e-3, 0.5e-3), (0.5e-3, 0.3e-3)])
def test_all_positions_are_approached_from_one_side(start, peak):
    reader = Reader(error=0.03)
    search = NeuralSearch(LENS, reader)
    search.begin(start, LENS.limits, WIDTH)
    here, sides = start, []
    for _ in range(40):
        reader.radius = abs(LENS.blur_radius(here, peak, WIDTH))
        decision = search.update(seen(reader.radius), here)
        if decision.done:
            break
        before = here if decision.via is None else decision.via
        sides.append(np.sign(decision.position - before))
        here = decision.position
    assert decision.focused
    assert len(set(sides)) == 1


def test_backlash_in_the_calibration_needs_no_longer_approach():
    """Such a lens is approached from one side in any case."""
    lens = replace(LENS, backlash=2e-5)
    reader = Reader()
    search = NeuralSearch(lens, reader)
    search.begin(0.9e-3, lens.limits, WIDTH)
    reader.radius = abs(lens.blur_radius(0.9e-3, 0.3e-3, WIDTH))
    assert search.update(seen(reader.radius), 0.9e-3).via is None


def test_in_focus_from_the_start_stays_within_the_depth_of_field():
    decision, measurements = focus(Reader(), LENS, 0.5e-3, 0.502e-3)
    assert decision.focused
    assert abs(decision.position - 0.502e-3) <= LENS.half_depth_of_focus(WIDTH)
    # One image shows that it is in focus, a second that the networks can be believed, a third that
    # the lens has come back.
    assert len(measurements) <= 3


@pytest.mark.parametrize("start", [0.1e-3, 0.45e-3, 0.6e-3, 0.95e-3])
def test_of_a_soft_subject_the_sharpest_position_is_focus(start):
    """Beads, or optics, of 4 px of blur themselves: no reading is ever that of focus."""
    reader, peak = Reader(error=0.02), 0.52e-3
    search = NeuralSearch(LENS, reader)
    search.begin(start, LENS.limits, WIDTH)
    position = start
    for _ in range(40):
        reader.radius = float(np.hypot(4.0, LENS.blur_radius(position, peak, WIDTH)))
        decision = search.update(seen(reader.radius), position)
        if decision.done:
            break
        position = decision.position
    assert decision.focused and "soft" in decision.reason
    assert abs(LENS.blur_radius(decision.position, peak, WIDTH)) <= 1.5


def test_limits_resolve_the_side():
    _, measurements = focus(Reader(), LENS, 0.05e-3, 0.35e-3)
    assert len(measurements) <= 3
    assert all(each.position > 0.3e-3 for each in measurements[1:])


def test_last_known_focus_resolves_the_side():
    for peak in (0.3e-3, 0.7e-3):
        _, measurements = focus(Reader(), LENS, 0.5e-3, peak, expected=(peak, 5e-5))
        assert len(measurements) == 2


def test_nothing_to_see_returns_to_the_start():
    search = NeuralSearch(LENS, Reader(blind=True))
    search.begin(0.4e-3, LENS.limits, WIDTH)
    random = np.random.default_rng(0)
    position = 0.4e-3
    for _ in range(16):
        noise = 0.5 + 0.01 * random.standard_normal((128, 128)).astype(np.float32)
        decision = search.update(noise, position)
        if decision.done:
            break
        position = decision.position
    assert decision.done
    assert not decision.focused
    assert decision.position == 0.4e-3
    assert "nothing to focus on" in decision.reason


def test_where_the_networks_see_nothing_contrast_leads():
    decision, _ = focus(Reader(blind=True), LENS, 0.4e-3, 0.55e-3)
    assert decision.focused
    assert abs(decision.position - 0.55e-3) <= LENS.half_depth_of_focus(WIDTH)


class Doubter(Reader):
    """Its discriminator never agrees, as before soft pictures."""

    def estimate_patch(self, image):
        blur = super().estimate_patch(image)
        return PatchBlur(blur.radius, blur.uncertainty, 0.1, RADII, blur.probabilities)


def test_without_agreement_of_the_discriminator_both_sides_are_checked():
    decision, measurements = focus(Doubter(), LENS, 0.45e-3, 0.6e-3)
    assert decision.focused
    assert abs(decision.position - 0.6e-3) <= LENS.half_depth_of_focus(WIDTH)
    positions = [each.position for each in measurements]
    assert min(positions) < 0.6e-3 < max(positions)
    assert len(measurements) > len(focus(Reader(), LENS, 0.45e-3, 0.6e-3)[1])


@pytest.mark.parametrize("peak", [0.0, 1e-3])
def test_a_limit_is_the_end_of_what_must_be_looked_at(peak):
    decision, measurements = focus(Doubter(), LENS, 0.45e-3, peak)
    assert decision.focused
    assert abs(decision.position - peak) <= LENS.half_depth_of_focus(WIDTH)
    assert len(measurements) <= 6


COARSE = LensModel("coarse", 1.5e-4, (-0.75e-4, 9.75e-4), 35000.0, 3840)


def focus_coarsely(reader, start, contrast):
    """Where the coarse lens, which rests at 7 places only, is left; `contrast` is of each place."""
    search = NeuralSearch(COARSE, reader)
    search.begin(start * 1.5e-4, COARSE.limits, WIDTH)
    place = start
    for _ in range(20):
        radius, factor = contrast(place)
        reader.radius = radius
        window = seen(radius)
        window = window.mean() + factor * (window - window.mean())
        decision = search.update(window.astype(np.float32), place * 1.5e-4)
        place = min(max(round(decision.position / 1.5e-4), 0), 6)
        if decision.done:
            return place
    raise AssertionError("the search did not end")


@pytest.mark.parametrize("start", range(7))
@pytest.mark.parametrize("peak", range(7))
def test_a_lens_of_few_resting_places_comes_to_the_best(start, peak):
    assert focus_coarsely(Doubter(), start, lambda place: (5.25 * abs(place - peak), 1.0)) == peak


@pytest.mark.parametrize("start", range(7))
def test_of_two_things_it_takes_the_one_of_higher_contrast(start):
    def contrast(place):
        weak, strong = 5.25 * abs(place - 1), 5.25 * abs(place - 5)
        return (weak, 0.5) if place < 3 else (strong, 1.0)

    assert focus_coarsely(Reader(), start, contrast) == 5


def test_never_ends_blurrier_than_it_began():
    random = np.random.default_rng(2)
    for _ in range(30):
        start, peak = random.uniform(0, 1e-3, 2)
        decision, _ = focus(Reader(error=0.1), LENS, start, peak)
        assert abs(decision.position - peak) <= abs(start - peak) + 1e-9


class Deceived(Reader):
    """Its discriminator says "in focus" everywhere, as before noise that looks like detail."""

    def estimate_patch(self, image):
        flat = np.full(64, 1 / 64, np.float32)
        return PatchBlur(0.5, 0.3, 0.99, RADII, flat)


@pytest.mark.parametrize("start", [0.1e-3, 0.5e-3, 0.9e-3])
def test_a_discriminator_alone_is_not_sufficient(start):
    decision, _ = focus(Deceived(), LENS, start, 0.6e-3)
    if decision.focused:
        assert abs(decision.position - 0.6e-3) <= 1.3 * LENS.half_depth_of_focus(WIDTH)


def test_readings_count_by_the_curve_of_the_lens():
    """A lens of which the estimator reads half the blur."""
    lens = replace(LENS, reading_curve=((0.0, 0.0), (50.0, 25.0)))

    class Half(Reader):
        def estimate_patch(self, image):
            self.radius /= 2
            return super().estimate_patch(image)

    random = np.random.default_rng(4)
    images = []
    for _ in range(20):
        start, peak = random.uniform(*LENS.limits, 2)
        decision, measurements = focus(Half(), lens, start, peak)
        images.append(len(measurements))
        assert abs(decision.position - peak) <= 2 * LENS.half_depth_of_focus(WIDTH)
    assert np.mean(images) <= 5


def test_clipped_windows_are_measured_in_their_unclipped_part():
    """A lamp, larger out of focus, beside a faint texture."""

    def lamp(radius):
        image = 0.2 + 0.1 * (seen(radius) - 0.5)
        image[60:100, 60:100] = 1.0
        return image.astype(np.float32)

    search = NeuralSearch(LENS, Deceived())
    search.begin(0.2e-3, LENS.limits, WIDTH)
    position = 0.2e-3
    for _ in range(40):
        radius = abs(LENS.blur_radius(position, 0.6e-3, WIDTH))
        decision = search.update(lamp(radius), position)
        if decision.done:
            break
        position = decision.position
    assert decision.done
    assert not decision.focused or abs(decision.position - 0.6e-3) <= 3e-5


def test_wrong_limits():
    with pytest.raises(ValueError, match="no lens positions"):
        NeuralSearch(LENS, Reader()).begin(0.0, (2e-3, 3e-3), WIDTH)
