"""The clock of the devices: system time, or simulated time so that a run does not wait."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> int:
        """Return the time, nanoseconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """System time, shared by all processes of a machine."""

    def now(self) -> int:
        """Return the time since the epoch, nanoseconds."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))


class SimulatedClock:
    """Time that advances only by `sleep`, so that runs are repeatable and do not wait."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        """Return the simulated time, nanoseconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance the time; returns immediately."""
        self._now += round(max(0.0, seconds) * 1e9)
