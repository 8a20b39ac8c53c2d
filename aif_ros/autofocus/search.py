"""The interface of all autofocus searches: images of one window in, lens positions out."""

from dataclasses import dataclass, field
from typing import Protocol

from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image


@dataclass(frozen=True)
class FocusMeasurement:
    """What was measured in one image of the window.

    Attributes:
        position: lens position, metres.
        score: measured there: sharpness (contrast searches) or estimated blur radius in pixels
            (neural search). The scores over the positions are the focus curve.
    """

    position: float
    score: float


@dataclass(frozen=True)
class Decision:
    """What a search requests after an image.

    Attributes:
        position: next lens position, metres; when `done`, the final one.
        done: whether the search has ended.
        focused: whether it ended in focus; None while not done.
        reason: text for people.
        via: position to move to first, metres, so that backlash is taken up on the way
            to `position`; no image is needed there. None: go directly.
    """

    position: float
    done: bool
    focused: bool | None
    reason: str
    via: float | None = None


def search_range(lens_model: LensModel, limits: tuple[float, float]) -> tuple[float, float]:
    """Return the part of `limits` (metres) that the lens can reach.

    Raises:
        ValueError: it is empty, or the limits are not finite.
    """
    low, high = (lens_model.within_limits(limit) for limit in limits)
    if not low < high:
        raise ValueError(f"limits {limits} leave no lens positions to search")
    return low, high


class FocusSearch(Protocol):
    """Focuses one window: `begin` once, then `update` for each image until the decision is done.

    Example:
        >>> import numpy as np
        >>> from aif_ros.autofocus.fibonacci import FibonacciSearch
        >>> lens_model = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
        >>> texture = np.random.default_rng(0).random((64, 64), np.float32)
        >>> search = FibonacciSearch(lens_model)
        >>> search.begin(0.0, lens_model.limits, image_width=640)
        >>> position, done = 0.0, False
        >>> while not done:
        ...     contrast = 1 / (1 + abs(position - 0.3e-3) * 1e4)  # a scene in focus at 0.3 mm
        ...     patch = (0.5 + contrast * (texture - 0.5)).astype(np.float32)
        ...     decision = search.update(patch, position)
        ...     position, done = decision.position, decision.done
        >>> decision.focused, abs(position - 0.3e-3) < lens_model.half_depth_of_focus(640)
        (True, True)
    """

    measurements: list[FocusMeasurement]

    def begin(self, position: float, limits: tuple[float, float], image_width: int) -> None:
        """Discard all earlier images and start from `position`.

        Args:
            position: current lens position, metres.
            limits: range of positions to search, metres.
            image_width: width in pixels of the whole image that the window is cut from.
        """
        ...

    def update(self, patch: Image, position: float) -> Decision:
        """Process the image of the window at lens position `position` (metres) and decide."""
        ...


@dataclass(frozen=True)
class FocusRun:
    """A finished search.

    Attributes:
        position: final lens position, metres.
        focused: whether the search ended in focus.
        reason: why it ended, for people.
        measurements: of all images in order: the trajectory; sorted by position: the focus curve.
        doubt: why the images leave open whether the lens moves, for people; empty: they do not.
    """

    position: float
    focused: bool
    reason: str
    measurements: list[FocusMeasurement] = field(default_factory=list)
    doubt: str = ""
