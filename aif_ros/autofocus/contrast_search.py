"""What the contrast searches share: they climb the sharpness of the window."""

from abc import ABC, abstractmethod

from aif_ros.autofocus.search import Decision, Look
from aif_ros.defocus.sharpness import tenengrad
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image

# A sharpness that varies by less than this factor over all looks is noise: nothing to focus on.
_LEAST_CONTRAST = 1.15
# Beyond this many looks a search has lost its way.
_MOST_LOOKS = 200


class ContrastSearch(ABC):
    """A search that looks for the lens position of the highest Tenengrad.

    Args:
        lens_model: of the lens in use; steps are measured in its depth of field.
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
        self._start = position
        self._limits = low, high
        self._depth_of_field = self._lens_model.half_depth_of_focus(image_width)
        self._prepare()

    def look(self, patch: Image, position: float) -> Decision:
        """Take in the window as seen at `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable.
        """
        self.looks.append(Look(position, tenengrad(patch)))
        target = self._next() if len(self.looks) < _MOST_LOOKS else None
        if target is not None:
            return Decision(target, False, None, "looking for higher contrast")
        scores = [look.score for look in self.looks]
        if max(scores) <= _LEAST_CONTRAST * min(scores):
            reason = "nothing to focus on: the contrast is the same everywhere"
            return Decision(self._start, True, False, reason)
        return Decision(self.best.position, True, True, "highest contrast of all looks")

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
