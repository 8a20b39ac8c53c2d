"""Reports nodes that get no data, or data that they cannot use."""

import time
from collections.abc import Callable

from aif_ros.nodes.diagnostics import Diagnostics
from aif_ros.pipeline.frame_joiner import FrameJoiner

# Seconds after which idleness is reported, and after which it is an error instead of a warning.
_IDLE, _ERROR = 3.0, 10.0
# A topic is idle no sooner than after this many times the longest of its last intervals.
_INTERVALS = 3.0
# Share of the longest interval that is kept with each message.
_FORGETTING = 0.9


def report_idle(diagnostics: Diagnostics, seconds: float, text: str, about: str) -> None:
    """Report that something has been idle for a while: a warning, after 10 s an error."""
    (diagnostics.error if seconds >= _ERROR else diagnostics.warn)(text, about)


def report_frames(diagnostics: Diagnostics, frames: FrameJoiner) -> None:
    """Note the state of a node's frames: drops, clock offset, images that cannot be used."""
    diagnostics.note("frames dropped", frames.dropped)
    if frames.offset is not None:
        diagnostics.note("camera stamps ahead of lens states s", frames.offset)
    idle = frames.idle()
    if idle is None:
        diagnostics.clear("frames")
    else:
        text = f"{idle.images} images came, none usable for {idle.seconds:.0f} s: {idle.reason}"
        report_idle(diagnostics, idle.seconds, text, "frames")


class Arrivals:
    """Watches whether usable messages of a topic keep coming.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._usable_at = clock()
        self._interval = 0.0
        self._unusable = 0
        self._reason = ""

    @property
    def seconds(self) -> float:
        """Time since the last usable message, or since the beginning."""
        return self._clock() - self._usable_at

    @property
    def idle(self) -> bool:
        """Whether that is too long."""
        return self.seconds > max(_IDLE, _INTERVALS * self._interval)

    def usable(self) -> None:
        """Note that a usable message has come."""
        self._interval = max(self.seconds, _FORGETTING * self._interval)
        self._usable_at, self._unusable = self._clock(), 0

    def unusable(self, reason: str) -> None:
        """Note that an unusable message has come, and why it is."""
        self._unusable += 1
        self._reason = reason

    def problem(self, publishers: int) -> str:
        """Return what is wrong where the topic is idle.

        Args:
            publishers: number of publishers of the topic.
        """
        if self._unusable:
            return (
                f"{self._unusable} messages came, none usable for {self.seconds:.0f} s: "
                f"{self._reason}"
            )
        if not publishers:
            return f"no message for {self.seconds:.0f} s, because there is no publisher"
        return (
            f"no message for {self.seconds:.0f} s, though there is a publisher: it has stopped, or "
            "the network loses its messages (see docs/computers.md)"
        )


class Rate:
    """Measures how often something happens.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._count = 0
        self._rate: float | None = None

    def count(self) -> None:
        """Note that it has happened."""
        self._count += 1

    @property
    def per_second(self) -> float | None:
        """Rate over the last three seconds or more; None: not known yet."""
        seconds = self._clock() - self._since
        if seconds >= _IDLE:
            self._rate = self._count / seconds
            self._since, self._count = self._clock(), 0
        return self._rate
