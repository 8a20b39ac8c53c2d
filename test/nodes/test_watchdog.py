import pytest

from aif_ros.nodes.loop_state import IDLE, RUNNING, STOPPED, WAITING, LoopState
from aif_ros.nodes.watchdog import NO_LENS_STATE, Watchdog
from aif_ros.pipeline.control_step import Missing

PATIENCE = 2.0


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watchdog(clock):
    return Watchdog(clock)


def change(watchdog, state=RUNNING, reason="started", missing=Missing.FRAME_MAPS):
    return watchdog.change(LoopState(state, reason, "sweep"), missing, PATIENCE)


def test_nothing_is_late_within_the_patience(watchdog, clock):
    clock.now += PATIENCE
    assert change(watchdog) is None


def test_what_is_late_is_named_once(watchdog, clock):
    clock.now += PATIENCE + 0.1
    watchdog.state_came()
    state, reason = change(watchdog)
    assert state == WAITING
    assert "no distance map comes" in reason
    assert change(watchdog, WAITING, reason) is None


def test_a_silent_lens_comes_first(watchdog, clock):
    clock.now += PATIENCE + 0.1
    watchdog.progress()
    assert change(watchdog, missing=None) == (WAITING, NO_LENS_STATE)


def test_a_fault_of_the_lens_is_the_reason_at_once(watchdog):
    watchdog.take_fault("the lens has stalled")
    assert change(watchdog) == (WAITING, "the lens has stalled")
    watchdog.take_fault("")
    assert change(watchdog, WAITING, "the lens has stalled")[0] == RUNNING


def test_the_autofocus_may_take_the_lens(watchdog):
    watchdog.lens_busy = True
    assert change(watchdog) == (WAITING, "the autofocus has the lens")


@pytest.mark.parametrize("state", [STOPPED, IDLE])
def test_a_loop_that_does_not_run_waits_for_nothing(watchdog, clock, state):
    clock.now += 100
    assert change(watchdog, state) is None
