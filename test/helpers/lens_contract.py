"""What every `FocusLens` backend must do. Subclass `LensContract` and give it a `lens` fixture."""

import pytest

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import DeviceError, FocusLens
from aif_ros.types.frame import LensState


class LensContract:
    """Subclasses give the fixtures `clock` and `lens`, and the `resolution` in metres."""

    resolution: float

    def settle(self, lens: FocusLens, clock: Clock) -> LensState:
        deadline = clock.now() + 30 * 10**9
        while (state := lens.state()).moving:
            assert clock.now() < deadline, "the lens does not come to rest"
            clock.sleep(0.005)
        return state

    def test_starts_at_rest_within_its_limits(self, lens, clock):
        low, high = lens.limits
        assert low < high
        state = self.settle(lens, clock)
        assert low <= state.position <= high

    @pytest.mark.parametrize("share", [0.0, 0.37, 1.0, 0.5])
    def test_arrives_where_it_is_sent(self, lens, clock, share):
        low, high = lens.limits
        target = low + share * (high - low)
        lens.move_to(target)
        state = self.settle(lens, clock)
        assert state.position == pytest.approx(target, abs=self.resolution)
        assert low <= state.position <= high

    def test_a_new_command_replaces_an_unfinished_one(self, lens, clock):
        low, high = lens.limits
        lens.move_to(high)
        clock.sleep(0.01)
        lens.move_to(low)
        assert self.settle(lens, clock).position == pytest.approx(low, abs=self.resolution)

    @pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), "low", "high"])
    def test_refuses_impossible_positions_and_stays(self, lens, clock, wrong):
        low, high = lens.limits
        wrong = {"low": low - 0.01 * (high - low), "high": high + 0.01 * (high - low)}.get(
            wrong, wrong
        )
        before = self.settle(lens, clock).position
        with pytest.raises(ValueError, match="position"):
            lens.move_to(wrong)
        after = self.settle(lens, clock)
        assert after.position == before

    def test_stop_ends_a_move(self, lens, clock):
        low, high = lens.limits
        lens.move_to(high)
        lens.stop()
        stopped = self.settle(lens, clock).position
        assert low <= stopped <= high
        clock.sleep(1.0)
        assert lens.state().position == stopped
        assert not lens.state().moving

    def test_stamps_do_not_run_backwards(self, lens, clock):
        before = clock.now()
        lens.move_to(lens.limits[1])
        stamps = []
        for _ in range(5):
            stamps.append(lens.state().stamp)
            clock.sleep(0.01)
        assert stamps == sorted(stamps)
        assert before <= stamps[0] <= clock.now()

    def test_closed_is_closed(self, lens):
        lens.close()
        lens.close()
        with pytest.raises(DeviceError, match="closed"):
            lens.state()
        with pytest.raises(DeviceError, match="closed"):
            lens.move_to(lens.limits[0])
