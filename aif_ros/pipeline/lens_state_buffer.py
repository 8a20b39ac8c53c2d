"""Lens-state buffer: the lens position at the time of an exposure."""

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from operator import attrgetter

import numpy as np

from aif_ros.devices.device import Capture
from aif_ros.pipeline.clock_jump import jumped_back
from aif_ros.types.frame import Frame, LensState

_stamp = attrgetter("stamp")

# A lens moves uniformly if its slowest speed during an exposure is at least this share of its
# highest; interpolating its position then errs by less than a quarter of the travel.
_UNIFORM = 0.6


class LensStateBuffer:
    """The recent states of one lens.

    Between two states the lens counts as being at rest only if both say so and agree on the
    position.

    Args:
        exposure_time: of a frame, seconds, half of it before its stamp.
        resolution: metres by which the reported positions of a lens at rest may differ; see
            `LensModel.position_resolution`.
        capacity: number of states kept.

    Example:
        >>> buffer = LensStateBuffer(exposure_time=0.01)
        >>> for ms in (0, 10, 20, 30):
        ...     buffer.add(LensState(stamp=ms * 1_000_000, position=ms * 1e-6, moving=True))
        >>> round(buffer.position(stamp=15_000_000), 9)
        1.5e-05
        >>> round(buffer.travel(stamp=15_000_000), 9)  # from 10 to 20 ms
        1e-05
    """

    def __init__(
        self, exposure_time: float = 0.0, resolution: float = 0.0, capacity: int = 2000
    ) -> None:
        self._half_exposure = round(exposure_time * 0.5e9)
        self._resolution = resolution
        self._capacity = capacity
        self._states: list[LensState] = []

    @property
    def newest(self) -> LensState | None:
        """The state with the highest stamp; None before the first."""
        return self._states[-1] if self._states else None

    def add(self, state: LensState) -> None:
        """Add a state; late ones are sorted in, one of an equal stamp is replaced.

        The buffer is cleared where the clock has jumped back.
        """
        if self._states and jumped_back(self._states[-1].stamp, state.stamp):
            self._states.clear()
        index = bisect_left(self._states, state.stamp, key=_stamp)
        if index < len(self._states) and self._states[index].stamp == state.stamp:
            self._states[index] = state
        else:
            self._states.insert(index, state)
        del self._states[: -self._capacity]

    def covers(self, capture: Capture) -> bool:
        """Whether the states reach to the end of that exposure."""
        return bool(self._states) and self._states[-1].stamp >= capture.stamp + self._half_exposure

    def position(self, stamp: int) -> float:
        """Return the lens position at `stamp`, metres, interpolated; ends are held.

        Raises:
            LookupError: there is no state yet.
        """
        if not self._states:
            raise LookupError("no lens state is known yet")
        after = bisect_left(self._states, stamp, key=_stamp)
        around = self._states[max(0, after - 1) : after + 1]
        # Relative to the stamp: nanoseconds since the epoch do not fit a float.
        times = [state.stamp - stamp for state in around]
        return float(np.interp(0, times, [state.position for state in around]))

    def at_or_after(self, stamp: int) -> LensState | None:
        """Return the first state from `stamp` on; None: there is none yet."""
        index = bisect_left(self._states, stamp, key=_stamp)
        return self._states[index] if index < len(self._states) else None

    def frame(self, capture: Capture) -> Frame | None:
        """Return the capture with its lens position, or None while the states do not `cover` it.

        A frame older than every state counts as exposed in motion, its position being unknown.
        """
        if not self.covers(capture):
            return None
        position, travel = self.position(capture.stamp), self.travel(capture.stamp)
        return Frame(capture.image, capture.stamp, position, travel, capture.bits)

    def travel(self, stamp: int) -> float:
        """Return the lens travel during an exposure centred on `stamp`, metres.

        0 at rest. inf where the lens did not move uniformly or its travel is unknown: while it
        starts or settles, before the first state, or if the exposure time is unknown (0).
        """
        begin, end = stamp - self._half_exposure, stamp + self._half_exposure
        first = bisect_right(self._states, begin, key=_stamp) - 1
        last = bisect_left(self._states, end, key=_stamp)
        around = self._states[max(0, first) : last + 1]
        if first < 0:
            return math.inf
        if not any(state.moving for state in around):
            positions = [state.position for state in around]
            return 0.0 if max(positions) - min(positions) <= self._resolution else math.inf
        # Including the state before: a lens that arrives during the exposure slows down.
        around = self._states[max(0, first - 1) : last + 1]
        speeds = [
            (after.position - before.position) / (after.stamp - before.stamp)
            for before, after in pairwise(around)
        ]
        slowest, fastest = sorted((min(speeds), max(speeds)), key=abs) if speeds else (0.0, 0.0)
        uniform = slowest * fastest > 0 and abs(slowest) > _UNIFORM * abs(fastest)
        uniform &= all(state.moving for state in around)
        if not uniform or end == begin:
            return math.inf
        return abs(self.position(end) - self.position(begin))
