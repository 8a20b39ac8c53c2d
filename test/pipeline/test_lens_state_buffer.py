import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aif_ros.devices.device import Capture
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.types.frame import LensState

MS = 10**6
START = 1_700_000_000 * 10**9


def state(ms, position, moving=False):
    return LensState(START + ms * MS, position, moving)


def capture(ms):
    return Capture(np.zeros((2, 2), np.uint8), START + ms * MS)


def timeline(*states, **options):
    result = LensStateBuffer(**options)
    for each in states:
        result.add(each)
    return result


def test_a_frame_between_resting_states_is_still():
    frame = timeline(state(0, 0.3), state(20, 0.3)).frame(capture(10))
    assert frame.position == 0.3
    assert not frame.moving
    assert frame.stamp == START + 10 * MS


def test_a_frame_newer_than_the_states_must_wait():
    history = timeline(state(0, 0.3), exposure_time=0.010)
    assert timeline().frame(capture(0)) is None
    assert history.frame(capture(-4)) is None
    assert not history.covers(capture(-4))
    history.add(state(1, 0.3))
    assert history.frame(capture(-4)) is not None


def test_a_frame_older_than_the_states_may_not_be_used():
    frame = timeline(state(0, 0.3), state(20, 0.3)).frame(capture(-10))
    assert frame.moving
    assert frame.position == 0.3


@pytest.mark.parametrize(
    "before, after",
    [
        (state(0, 0.3, moving=True), state(20, 0.3)),
        (state(0, 0.3), state(20, 0.3, moving=True)),
        (state(0, 0.3), state(20, 0.5)),
    ],
)
def test_motion_on_either_side_of_the_exposure_counts(before, after):
    assert timeline(before, after).frame(capture(10)).moving


def test_motion_counts_within_the_exposure_only():
    history = [
        state(0, 0.0, moving=True),
        state(20, 0.2),
        state(40, 0.2),
        state(60, 0.2, moving=True),
    ]
    assert not timeline(*history, exposure_time=0.020).frame(capture(30)).moving
    assert timeline(*history, exposure_time=0.022).frame(capture(30)).moving
    assert timeline(*history, exposure_time=0.002).frame(capture(19)).moving


def test_a_short_excursion_within_the_exposure_counts():
    history = timeline(state(0, 0.2), state(10, 0.4), state(20, 0.2), exposure_time=0.018)
    assert history.frame(capture(10)).moving


def test_position_is_interpolated():
    history = timeline(state(0, 0.0, moving=True), state(20, 0.2, moving=True))
    assert history.frame(capture(5)).position == pytest.approx(0.05)
    assert history.position(START + 15 * MS) == pytest.approx(0.15)


def test_ends_are_held_and_nothing_is_an_error():
    history = timeline(state(0, 0.1), state(20, 0.2))
    assert history.position(START - MS) == 0.1
    assert history.position(START + 30 * MS) == 0.2
    with pytest.raises(LookupError):
        LensStateBuffer().position(START)


def test_late_and_repeated_states_fall_into_place():
    ordered = [state(0, 0.0), state(10, 0.1, moving=True), state(20, 0.2)]
    history = timeline(ordered[2], ordered[0], ordered[1], ordered[1], ordered[0])
    assert history.newest == ordered[2]
    assert history.position(START + 5 * MS) == pytest.approx(0.05)
    history.add(state(10, 0.3))
    assert history.position(START + 10 * MS) == 0.3


def test_reports_of_a_resting_lens_may_jitter():
    states = [state(0, 0.3), state(20, 0.3004)]
    assert timeline(*states).frame(capture(10)).moving
    assert not timeline(*states, resolution=0.001).frame(capture(10)).moving


def test_history_is_bounded():
    history = timeline(*(state(i, 0.0) for i in range(50)), capacity=10)
    assert history.frame(capture(39)).moving  # forgotten
    assert not history.frame(capture(41)).moving


def on_the_way(*places):
    """States 10 ms apart."""
    return [state(10 * index, place, moving=True) for index, place in enumerate(places)]


def test_travel_of_a_uniformly_moving_lens():
    history = timeline(*on_the_way(0.0, 0.1, 0.2, 0.3), exposure_time=0.008)
    for ms in (5, 15, 20):
        frame = history.frame(capture(ms))
        assert frame.position == pytest.approx(0.01 * ms)
        assert frame.travel == pytest.approx(0.08)
        assert frame.moving
    assert timeline(*on_the_way(0.3, 0.2, 0.1), exposure_time=0.008).frame(
        capture(12)
    ).travel == pytest.approx(0.08)


@pytest.mark.parametrize(
    "states",
    [
        pytest.param(on_the_way(0.0, 0.1, 0.1, 0.1), id="settles"),
        pytest.param(on_the_way(0.0, 0.1, 0.14, 0.14), id="arrives meanwhile"),
        pytest.param(on_the_way(0.0, 0.1, 0.05, 0.0), id="turns"),
        pytest.param([state(0, 0.0), *on_the_way(0.0, 0.1, 0.2)[1:]], id="starts"),
        pytest.param([state(10, 0.1), state(20, 0.2), state(30, 0.3)], id="does not say it moves"),
    ],
)
def test_travel_of_a_lens_at_varying_speed_is_unknown(states):
    assert timeline(*states, exposure_time=0.008).frame(capture(15)).travel == np.inf


def test_travel_is_unknown_without_exposure_time():
    frame = timeline(*on_the_way(0.0, 0.1, 0.2, 0.3)).frame(capture(15))
    assert frame.travel == np.inf
    assert frame.moving


def test_travel_at_rest_is_zero():
    assert timeline(state(0, 0.3), state(20, 0.3)).frame(capture(10)).travel == 0


MOTION = st.dictionaries(
    st.integers(0, 900), st.tuples(st.floats(-1, 1), st.booleans()), min_size=1, max_size=12
)


@given(MOTION, st.randoms(use_true_random=False), st.integers(-50, 950))
def test_states_in_any_order_give_the_same(motion, random, ms):
    """Less than a second late: more than that is a clock that has jumped back."""
    states = [state(at, *values) for at, values in sorted(motion.items())]
    mixed = random.sample(states, len(states))
    ordered, shuffled = (timeline(*each, exposure_time=0.008) for each in (states, mixed))
    stamp = START + ms * MS
    assert shuffled.position(stamp) == ordered.position(stamp)
    assert shuffled.travel(stamp) == ordered.travel(stamp)
    assert shuffled.newest == ordered.newest


@given(MOTION, st.integers(-50, 950))
def test_any_position_lies_between_those_reported(motion, ms):
    history = timeline(*(state(at, *values) for at, values in sorted(motion.items())))
    positions = [position for position, _ in motion.values()]
    assert min(positions) <= history.position(START + ms * MS) <= max(positions)


@given(st.sets(st.integers(0, 900), min_size=1), st.floats(-1, 1), st.integers(-50, 950))
def test_a_lens_at_rest_never_moves(times, position, ms):
    history = timeline(*(state(at, position) for at in sorted(times)), exposure_time=0.008)
    frame = history.frame(capture(ms))
    if ms - 4 < min(times):
        assert frame is None or frame.moving
    elif frame is not None:
        assert (frame.position, frame.moving) == (position, False)
