"""Common part of the contrast searches, which maximise the sharpness of the window."""

from abc import ABC, abstractmethod

from aif_ros.autofocus.search import Decision, FocusMeasurement, search_range
from aif_ros.autofocus.window_contrast import WindowContrast
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image

_MOST_IMAGES = 200
"""Number of images after which a search ends in any case; a sweep of most lenses takes fewer."""
_REPRODUCED = 0.9
"""Least ratio of the contrast at the final position to the highest contrast: half a pixel of blur
more gives about 0.85."""
_RUN_UP = 6.0
"""Half depths of focus from which the sharpest position is approached again after a motor with
backlash has missed it: more than the backlash of most motors."""


class ContrastSearch(ABC):
    """A search for the lens position of the highest Tenengrad.

    It ends at the position of its last image, so the last move is verified.

    Args:
        lens_model: of the lens in use; steps are measured in its depth of focus.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self.measurements: list[FocusMeasurement] = []

    def begin(self, position: float, limits: tuple[float, float], image_width: int) -> None:
        """Discard all earlier images and start from `position`; see `FocusSearch`.

        Raises:
            ValueError: the limits are empty or not finite.
        """
        self._limits = search_range(self._lens_model, limits)
        self.measurements = []
        self._contrast = WindowContrast()
        self._start = position
        self._half_depth_of_focus = self._lens_model.half_depth_of_focus(image_width)
        self._peak: float | None = None
        self._approaches: list[list[float]] = []
        self._refuted: set[int] = set()
        self._prepare()

    def update(self, patch: Image, position: float) -> Decision:
        """Process the image of the window at lens position `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable.
        """
        self._contrast.add(patch)
        positions = [*(each.position for each in self.measurements), position]
        values = self._contrast.values
        self.measurements = [
            FocusMeasurement(place, 0.0 if index in self._refuted else float(value))
            for index, (place, value) in enumerate(zip(positions, values, strict=True))
        ]
        if self._peak is None:
            return self._search()
        return self._verify(self._peak)

    def _search(self) -> Decision:
        """Continue the search, or start to verify the sharpest position."""
        target = self._next() if len(self.measurements) < _MOST_IMAGES else None
        if target is not None:
            return Decision(target, False, None, "searching for higher contrast")
        if not self._contrast.varies:
            reason = "nothing to focus on: the contrast is the same everywhere"
            return Decision(self._start, True, False, reason)
        self._peak = self.best.position
        self._approaches = self._approaches_to(self.measurements.index(self.best))
        return self._verify(self._peak)

    def _approaches_to(self, index: int) -> list[list[float]]:
        """Moves back to an image: directly, then with the approach direction of that image."""
        peak, before = (
            self.measurements[index].position,
            self.measurements[max(index - 1, 0)].position,
        )
        side = -1.0 if before <= peak else 1.0
        run_up = peak + side * _RUN_UP * self._half_depth_of_focus
        low, high = self._limits
        return [[peak], [min(max(run_up, low), high), peak]]

    def _verify(self, peak: float) -> Decision:
        """End if the lens is at the sharpest position and the contrast there is reproduced."""
        last = self.measurements[-1]
        same = max(0.5 * self._half_depth_of_focus, 0.75 * self._lens_model.metres_per_step)
        found = last.score >= _REPRODUCED * self.best.score
        if found and abs(last.position - peak) <= same:
            return Decision(last.position, True, True, "highest contrast of all images")
        while self._approaches and not self._approaches[0]:
            del self._approaches[0]
        if self._approaches:
            return Decision(
                self._approaches[0].pop(0), False, None, "verifying the sharpest position"
            )
        if not self._refuted and abs(last.position - peak) <= same:
            # The contrast there is not reproduced: continue without that image, once.
            best = self.measurements.index(self.best)
            self._refuted.add(best)
            self.measurements[best] = FocusMeasurement(self.measurements[best].position, 0.0)
            self._peak = None
            return self._search()
        reason = (
            "the sharpest position is not found again: the motor has backlash that the lens "
            "calibration lacks, or the scene has changed"
        )
        return Decision(last.position, True, False, reason)

    @property
    def best(self) -> FocusMeasurement:
        """The sharpest image so far."""
        return max(self.measurements, key=lambda each: each.score)

    @abstractmethod
    def _prepare(self) -> None:
        """Start a new search."""

    @abstractmethod
    def _next(self) -> float | None:
        """Return the next lens position, metres, or None at the end."""
