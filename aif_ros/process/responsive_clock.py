"""A clock for how long others have been silent."""

import time
from collections.abc import Callable


class ResponsiveClock:
    """Measures time, except while its own process is late.

    A process that waits for a core, was paused or computes in the thread that takes its messages
    hears nothing meanwhile, and must not take that for silence of others.

    Args:
        longest_step: seconds without a `tick` after which the clock stands still; a few times the
            period of the ticks.
        now: seconds that never jump.

    Example:
        >>> seconds = iter((0.0, 0.1, 7.0, 7.1))
        >>> clock = ResponsiveClock(longest_step=0.5, now=lambda: next(seconds))
        >>> clock.tick()
        0.1
        >>> clock.tick()
        0.6
        >>> round(clock(), 3)
        0.7
    """

    def __init__(self, longest_step: float, now: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest_step
        self._now = now
        # In one object: ticks and readings come from different threads.
        self._ticked = (0.0, now())

    def __call__(self) -> float:
        """Return the seconds since the clock was made, while the process was not late."""
        seconds, at = self._ticked
        return seconds + min(self._now() - at, self._longest)

    def tick(self) -> float:
        """Note that the process is responsive; returns the time."""
        seconds, at = self._ticked
        now = self._now()
        self._ticked = (seconds + min(now - at, self._longest), now)
        return self._ticked[0]
