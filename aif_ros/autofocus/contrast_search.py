"""Common part of the contrast searches: they climb the sharpness of the window."""

from abc import ABC, abstractmethod

from aif_ros.autofocus.search import Decision, Look
from aif_ros.autofocus.window_contrast import WindowContrast
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image

_MOST_LOOKS = 200
"""A search that has not ended by then never will."""
_REPRODUCED = 0.9
"""Back at the sharpest position, the contrast must be this share of what it was there: at half a
pixel of blur more it is about 0.85."""
_RUN_UP = 6.0
"""Half depths of focus from which the sharpest position is approached anew after a motor with
backlash has missed it: more than the backlash of most motors."""


class ContrastSearch(ABC):
    """A search for the lens position of the highest Tenengrad.

    It ends where it has last looked: the last move is verified.

    Args:
        lens_model: of the lens in use; steps are measured in its depth of focus.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self.looks: list[Look] = []

    def begin(self, position: float, limits: tuple[float, float], image_width: int) -> None:
        """Forget all earlier looks and start from `position`; see `FocusSearch`.

        Raises:
            ValueError: the limits are empty or not finite.
        """
        low, high = (self._lens_model.within_limits(limit) for limit in limits)
        if not low < high:
            raise ValueError(f"limits {limits} leave no lens positions to search")
        self.looks = []
        self._contrast = WindowContrast()
        self._start = position
        self._limits = low, high
        self._depth_of_focus = self._lens_model.half_depth_of_focus(image_width)
        self._peak: float | None = None
        self._ways: list[list[float]] = []
        self._refuted: set[int] = set()
        self._prepare()

    def look(self, patch: Image, position: float) -> Decision:
        """Take in the window as seen at `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable.
        """
        self._contrast.add(patch)
        positions = [*(look.position for look in self.looks), position]
        values = self._contrast.values
        self.looks = [
            Look(place, 0.0 if index in self._refuted else float(value))
            for index, (place, value) in enumerate(zip(positions, values, strict=True))
        ]
        if self._peak is None:
            return self._search()
        return self._verify(self._peak)

    def _search(self) -> Decision:
        """Go on, or turn to verifying the sharpest position."""
        target = self._next() if len(self.looks) < _MOST_LOOKS else None
        if target is not None:
            return Decision(target, False, None, "looking for higher contrast")
        if not self._contrast.varies:
            reason = "nothing to focus on: the contrast is the same everywhere"
            return Decision(self._start, True, False, reason)
        self._peak = self.best.position
        self._ways = self._ways_to(self.looks.index(self.best))
        return self._verify(self._peak)

    def _ways_to(self, index: int) -> list[list[float]]:
        """Positions that lead back to a look: straight, then as it was come to at first."""
        peak, before = self.looks[index].position, self.looks[max(index - 1, 0)].position
        side = -1.0 if before <= peak else 1.0
        run_up = peak + side * _RUN_UP * self._depth_of_focus
        low, high = self._limits
        return [[peak], [min(max(run_up, low), high), peak]]

    def _verify(self, peak: float) -> Decision:
        """End if the lens is at the sharpest position and sees there what it saw before."""
        last = self.looks[-1]
        same = max(0.5 * self._depth_of_focus, 0.75 * self._lens_model.metres_per_step)
        found = last.score >= _REPRODUCED * self.best.score
        if found and abs(last.position - peak) <= same:
            return Decision(last.position, True, True, "highest contrast of all looks")
        while self._ways and not self._ways[0]:
            del self._ways[0]
        if self._ways:
            return Decision(self._ways[0].pop(0), False, None, "verifying the sharpest position")
        if not self._refuted and abs(last.position - peak) <= same:
            # What was seen there has gone: go on without it, once.
            best = self.looks.index(self.best)
            self._refuted.add(best)
            self.looks[best] = Look(self.looks[best].position, 0.0)
            self._peak = None
            return self._search()
        reason = (
            "the sharpest position is not found again: the motor has backlash that the lens "
            "calibration lacks, or the scene has changed"
        )
        return Decision(last.position, True, False, reason)

    @property
    def best(self) -> Look:
        """The sharpest look so far."""
        return max(self.looks, key=lambda look: look.score)

    @abstractmethod
    def _prepare(self) -> None:
        """Start anew."""

    @abstractmethod
    def _next(self) -> float | None:
        """Return where to look next, metres, or None at the end."""
