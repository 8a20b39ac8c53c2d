"""A motorised lens that exists only as a function of time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aif_ros.devices.backlash import compensated
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import DeviceError, FocusLens
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import LensState
from aif_ros.types.units import position_within

_SPEED = 5e-3
"""Metres of travel per second: a stepper motor of focus drives."""
_SETTLING_TIME = 0.02
"""Seconds: vibration of a light lens group after a move."""
_LONGEST_MOVE = 2.0
"""Duration of the longest move between the slices of a recorded stack, seconds."""


@dataclass(frozen=True)
class _Move:
    """A move at constant speed: positions in metres, times in nanoseconds, speed in m/ns."""

    origin: float
    target: float
    start: int
    speed: float

    @property
    def end(self) -> int:
        return self.start + round(abs(self.target - self.origin) / self.speed)

    def position(self, stamp: int) -> float:
        if stamp >= self.end:
            return self.target
        travelled = self.speed * max(0, stamp - self.start)
        return self.origin + math.copysign(travelled, self.target - self.origin)


class SimulatedLens:
    """A stepper-driven lens: moves at constant speed, then settles.

    It reports the position of its motor encoder. Backlash lies between motor and optics, so it is
    applied by the camera (`SimulatedCamera`).

    Args:
        lens_model: gives limits and step size.
        clock: where the time comes from.
        speed: metres of travel per second.
        settling_time: seconds after the end of a move until the lens no longer counts as moving.
        start: position at first, metres; default: the lower limit.
        rests: the only positions it can rest at, metres, ascending (a recorded stack has no
            image elsewhere); default: every whole step from the lower limit, and the upper limit.
        stall_timeout: seconds past its due time after which a move that has not arrived is an
            error.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        lens_model: LensModel,
        clock: Clock,
        *,
        speed: float = _SPEED,
        settling_time: float = _SETTLING_TIME,
        start: float | None = None,
        rests: Sequence[float] | None = None,
        stall_timeout: float = 0.5,
    ) -> None:
        if not (np.isfinite(speed) and speed > 0):
            raise ValueError(f"speed must be a positive number of metres per second, got {speed}")
        for name, value in (("settling_time", settling_time), ("stall_timeout", stall_timeout)):
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a number of seconds >= 0, got {value}")
        self._limits = lens_model.limits
        self._step = lens_model.metres_per_step
        self._rests = None if rests is None else np.asarray(rests, dtype=np.float64)
        self._clock = clock
        self._speed = speed * 1e-9
        self._settling = round(settling_time * 1e9)
        self._stall_timeout = round(stall_timeout * 1e9)
        origin = self._rest(self._checked(self._limits[0] if start is None else start))
        self._move = _Move(origin, origin, clock.now() - self._settling, self._speed)
        self._stalled_at: int | None = None
        self._closed = False
        self.on_state: Callable[[LensState], None] = lambda state: None
        """Called with every state that is asked for."""

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest position, metres."""
        return self._limits

    def move_to(self, position: float) -> None:
        """Start moving to the resting position nearest to `position` (metres).

        Raises:
            DeviceError: the lens is closed.
            ValueError: `position` is not finite or lies outside the limits; nothing moves.
        """
        self._check_open()
        target = self._rest(self._checked(position))
        now = self._clock.now()
        if target == self._position(now) and not self._moving(now):
            return
        self._move = _Move(self._position(now), target, now, self._speed)
        if self._stalled_at is not None:
            self._stalled_at = now

    def stop(self) -> None:
        """Stop at the nearest resting position.

        Raises:
            DeviceError: the lens is closed.
        """
        self.move_to(self._position(self._clock.now()))

    def state(self) -> LensState:
        """Return position (metres) and motion now.

        Raises:
            DeviceError: the lens is closed, or has stalled for longer than its timeout.
        """
        self._check_open()
        now = self._clock.now()
        position = self._position(now)
        due = self._move.end + self._settling
        if position != self._move.target and now > due + self._stall_timeout:
            raise DeviceError(
                f"the lens has stalled at {position:.6f} m while moving to "
                f"{self._move.target:.6f} m: see that nothing blocks it, then command it again"
            )
        state = LensState(now, position, self._moving(now))
        self.on_state(state)
        return state

    def stall(self) -> None:
        """Block the lens from now on, as a jammed gear would (fault injection)."""
        self._stalled_at = self._clock.now()

    def unstall(self) -> None:
        """Free the lens where it is; it waits for the next command."""
        position = self._rest(self._position(self._clock.now()))
        self._stalled_at = None
        self._move = _Move(position, position, self._clock.now(), self._speed)

    def close(self) -> None:
        """Switch it off."""
        self._closed = True

    def _position(self, now: int) -> float:
        return self._move.position(now if self._stalled_at is None else self._stalled_at)

    def _moving(self, now: int) -> bool:
        settled = now >= self._move.end + self._settling
        return not settled or self._position(now) != self._move.target

    def _rest(self, position: float) -> float:
        if self._rests is not None:
            return float(self._rests[np.argmin(np.abs(self._rests - position))])
        low, high = self._limits
        return min(low + round((position - low) / self._step) * self._step, high)

    def _checked(self, position: float) -> float:
        within = position_within(position, self._limits)
        if within is None:
            low, high = self._limits
            raise ValueError(
                f"lens position {position} m does not lie within the limits {low} to {high} m"
            )
        return float(within)

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError("the lens is closed: open it again")


class OpenedLens(NamedTuple):
    """A simulated lens and its motor.

    Attributes:
        motor: the lens itself; it can be stalled.
        lens: moves the motor, with its backlash compensated.
    """

    motor: SimulatedLens
    lens: FocusLens


def open_simulated_lens(
    lens_model: LensModel,
    clock: Clock,
    *,
    rests: Sequence[float] | None = None,
    speed: float = _SPEED,
    settling_time: float = _SETTLING_TIME,
) -> OpenedLens:
    """Return the lens of a simulated camera, for a scene or a recorded stack.

    Args:
        lens_model: gives limits, step size and backlash.
        clock: where the time comes from.
        rests: positions of the slices of a recorded stack, metres; None: it is a scene.
        speed: metres of travel per second; that of a recorded stack is higher where its longest
            move would take more than two seconds.
        settling_time: see `SimulatedLens`, seconds.

    Raises:
        ValueError: a number is out of range.
    """
    if rests is not None:
        low, high = lens_model.limits
        # How fast the lens of a recorded stack was is unknown; a rail may travel far.
        speed = max(speed, (high - low) / _LONGEST_MOVE)
    motor = SimulatedLens(lens_model, clock, speed=speed, settling_time=settling_time, rests=rests)
    return OpenedLens(motor, compensated(motor, lens_model))
