"""The interface of all autofocus searches: looks at one window in, lens positions out."""

from dataclasses import dataclass, field
from typing import Protocol

from aif_ros.types.image import Image


@dataclass(frozen=True)
class Look:
    """One look at the window.

    Attributes:
        position: lens position, metres.
        score: what the search measured there (sharpness for contrast searches, estimated blur
            radius in pixels for neural ones); the focus curve is made of these.
    """

    position: float
    score: float


@dataclass(frozen=True)
class Decision:
    """What a search wants next.

    Attributes:
        position: where the lens shall go, metres; when `done`, where it shall stay.
        done: whether the search has ended.
        focused: whether it ended in focus; None while not done.
        reason: why, for people.
    """

    position: float
    done: bool
    focused: bool | None
    reason: str


class FocusSearch(Protocol):
    """Focuses one window. `begin` once, then `look` for each image until the decision is done.

    Example:
        >>> import numpy as np
        >>> from aif_ros.autofocus.fibonacci import FibonacciSearch
        >>> from aif_ros.optics.lens_model import LensModel
        >>> lens_model = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
        >>> texture = np.random.default_rng(0).random((64, 64), np.float32)
        >>> search = FibonacciSearch(lens_model)
        >>> search.begin(0.0, lens_model.limits, image_width=640)
        >>> position, done = 0.0, False
        >>> while not done:
        ...     contrast = 1 / (1 + abs(position - 0.3e-3) * 1e4)  # a scene in focus at 0.3 mm
        ...     patch = (0.5 + contrast * (texture - 0.5)).astype(np.float32)
        ...     decision = search.look(patch, position)
        ...     position, done = decision.position, decision.done
        >>> decision.focused, abs(position - 0.3e-3) < lens_model.half_depth_of_focus(640)
        (True, True)
    """

    looks: list[Look]

    def begin(self, position: float, limits: tuple[float, float], image_width: int) -> None:
        """Forget all earlier looks and start from `position`.

        Args:
            position: where the lens is, metres.
            limits: range of positions to search, metres.
            image_width: width in pixels of the whole image that the window is cut from.
        """
        ...

    def look(self, patch: Image, position: float) -> Decision:
        """Take in the window as seen at `position` (metres) and decide."""
        ...


@dataclass(frozen=True)
class FocusRun:
    """A finished search.

    Attributes:
        position: where the lens was left, metres.
        focused: whether the search says it is in focus.
        reason: why it ended.
        looks: every look in order: the trajectory, and (sorted by position) the focus curve.
    """

    position: float
    focused: bool
    reason: str
    looks: list[Look] = field(default_factory=list)
