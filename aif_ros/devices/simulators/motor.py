"""The motor inside a simulated device."""

import math
import time
from collections.abc import Callable


class SimulatedMotor:
    """An axis that moves at constant speed, in the unit of its device.

    Args:
        position: at first.
        speed: units per second.
        now: source of the time, seconds.
    """

    def __init__(
        self,
        position: float = 0.0,
        speed: float = 5000.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self.speed = speed
        """Units per second."""
        self._origin = self._target = position
        self._begin = now()
        self.blocked = False
        """Whether the motor is jammed: it reports motion but stays (fault injection)."""
        self.reverse = False
        """Whether the motor turns the wrong way (fault injection)."""
        self.silent_stop = False
        """Whether it reports success at once without moving (fault injection)."""
        self.commands: list[float] = []
        """Every target that was commanded."""

    @property
    def position(self) -> float:
        """Where it is."""
        if self.silent_stop:
            return self._target
        if self.blocked:
            return self._origin
        distance = self._target - self._origin
        travelled = self.speed * (self._now() - self._begin)
        if travelled >= abs(distance):
            # Not a sum, which rounding can keep from ever being equal to the target.
            return self._target if not self.reverse else self._origin - distance
        return self._origin + math.copysign(travelled, -distance if self.reverse else distance)

    @property
    def moving(self) -> bool:
        """Whether it moves."""
        return not self.silent_stop and self.position != self._target

    def move(self, target: float) -> None:
        """Start moving from where it is."""
        self._origin = self.position
        self._target = target
        self._begin = self._now()
        self.commands.append(target)

    def stop(self, step: float = 1.0) -> None:
        """Stop at the nearest whole step of `step` units."""
        self._origin = self._target = round(self.position / step) * step
