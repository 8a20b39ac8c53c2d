"""Time as the devices see it: real, or simulated so that a run needs no waiting."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> int:
        """Return the time, nanoseconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class SystemClock:
    """Wall time, the same in all processes of a machine."""

    def now(self) -> int:
        """Return the time since the epoch, nanoseconds."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))


class SimulatedClock:
    """Time that passes only when someone sleeps: runs are repeatable and as fast as can be."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        """Return the simulated time, nanoseconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance the time at once."""
        self._now += round(max(0.0, seconds) * 1e9)
