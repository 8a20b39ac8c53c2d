"""Common part of the contrast searches, which maximise the sharpness of the window."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aif_ros.autofocus.one_side import OneSide
from aif_ros.autofocus.search import Decision, FocusMeasurement, search_range
from aif_ros.autofocus.window_contrast import WindowContrast
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image, to_gray
from aif_ros.types.resizing import downscale_to_side


@dataclass(frozen=True)
class VerificationSettings:
    """Limits of a contrast search and of the verification of its last move.

    Chosen on rendered windows (`test/autofocus/test_searches.py`), unless a line gives another
    source.

    Attributes:
        max_images: number of images after which a search ends in any case; a sweep of most lenses
            takes fewer.
        reproduced: least ratio of the contrast at the final position to the highest contrast: half
            a pixel of blur more gives about 0.85.
        equal: least ratio of two contrasts that may be those of one image. A pixel of blur gives
            about 0.7, but less of a change where all detail is coarse.
        compared: distances, half depths of focus, between positions whose images must not be equal.
        same_image: largest ratio of the squared difference of two images to that of two taken
            without a move in between: they differ by noise only. Of 10,000 pixels and more, the
            ratio is known to 3 %.
        copy_side: longer side of the copies that are kept to be compared, pixels.
    """

    max_images: int = 200
    reproduced: float = 0.9
    equal: float = 0.97
    compared: tuple[float, float] = (0.9, 8.0)
    same_image: float = 1.1
    copy_side: int = 256


_SETTINGS = VerificationSettings()


class ContrastSearch(ABC):
    """A search for the lens position of the highest Tenengrad.

    All positions are approached from the same side: moves the other way first go beyond their
    target, so that the backlash that the calibration of a motor lacks is always taken up in
    the same direction. The search ends at the position of its last image, so the last move is
    verified: that image must be as sharp as the sharpest one, and not the same as one from
    elsewhere, which only shows that the lens has not moved. If it is not so, the search begins
    again with a longer approach.

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
        self._copies: list[Image] = []
        self._contrast = WindowContrast()
        self._start = position
        self._half_depth_of_focus = self._lens_model.half_depth_of_focus(image_width)
        self._one_side = OneSide(
            self._lens_model, position, self._limits, self._half_depth_of_focus
        )
        self._begin_from(position, first=0)

    def _begin_from(self, position: float, first: int) -> None:
        """Begin to search from `position`, with the images from index `first` on."""
        self._first = first
        self._peak: float | None = None
        self._approached = False
        self._repeated: int | None = None
        self._prepare(position)

    def update(self, patch: Image, position: float) -> Decision:
        """Process the image of the window at lens position `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable.
        """
        self._contrast.add(patch)
        gray = np.asarray(to_gray(patch), np.float32)
        self._copies.append(downscale_to_side(gray, _SETTINGS.copy_side))
        positions = [*(each.position for each in self.measurements), position]
        self.measurements = [
            FocusMeasurement(place, float(value))
            for place, value in zip(positions, self._contrast.values, strict=True)
        ]
        if self._peak is None:
            return self._search()
        return self._verify(self._peak)

    def _search(self) -> Decision:
        """Continue the search, or start to verify the sharpest position."""
        target = self._next() if len(self.measurements) < _SETTINGS.max_images else None
        if target is not None:
            return self._approach(target, "searching for higher contrast")
        if not self._contrast.varies:
            reason = "nothing to focus on: the contrast is the same everywhere"
            return Decision(self._start, True, False, reason)
        if self._first == 0 and self._rests_on_first():
            # The lens may have come to its start from the other side.
            self._first = 1
            reason = "taking the first image again, from the side of the others"
            return self._approach(self.measurements[0].position, reason, again=True)
        self._peak = self.best.position
        return self._verify(self._peak)

    def _rests_on_first(self) -> bool:
        """Whether the first image is the sharpest, or next to it on one side."""
        best, first = self.best.position, self.measurements[0].position
        return self._one_side.needed and not any(
            min(best, first) < each.position < max(best, first) for each in self.measurements
        )

    def _approach(self, target: float, reason: str, *, again: bool = False) -> Decision:
        """Go to `target`, from the side of all images; `again`: even if the lens is there."""
        via = self._one_side.via(self.measurements[-1].position, target, again=again)
        return Decision(target, False, None, reason, via)

    def _verify(self, peak: float) -> Decision:
        """End if the lens is at the sharpest position and the contrast there is reproduced."""
        last = self.measurements[-1]
        same = max(0.5 * self._half_depth_of_focus, self._lens_model.arrival_tolerance)
        at_peak = abs(last.position - peak) <= same
        # A first image that was taken again does not count, whatever was wrong with it.
        highest = max(each.score for each in self.measurements[min(self._first, 1) :])
        if at_peak and last.score >= _SETTINGS.reproduced * highest:
            return self._end_in_focus(last)
        if not self._approached:
            self._approached = True
            return self._approach(peak, "verifying the sharpest position", again=at_peak)
        return self._begin_again(
            "the sharpest position is not found again: the motor has backlash that the lens "
            "calibration lacks, or the scene has changed"
        )

    def _end_in_focus(self, last: FocusMeasurement) -> Decision:
        """End in focus, unless the lens has not moved between this image and one from elsewhere."""
        focused = Decision(last.position, True, True, "highest contrast of all images")
        equal = self._equal_elsewhere(last)
        if not equal:
            return focused
        if self._repeated is None:
            self._repeated = len(self.measurements) - 1
            reason = "is the image the same as at another position?"
            return Decision(last.position, False, None, reason)
        here = self._copies[-1]
        noise = _squared_difference(here, self._copies[self._repeated])
        differences = [_squared_difference(here, self._copies[index]) for index in equal]
        if min(differences) > _SETTINGS.same_image * noise:
            return focused
        return self._begin_again(
            "the image is the same at different lens positions: the motor has more backlash than "
            "the search can take up, or the lens does not follow it"
        )

    def _begin_again(self, reason: str) -> Decision:
        """Search again with a longer approach; end with `reason` if that was tried before."""
        here = self.measurements[-1].position
        if not self._one_side.lengthen():
            return Decision(here, True, False, reason)
        self._begin_from(here, first=len(self.measurements))
        return self._approach(here, "searching again with a longer approach", again=True)

    def _equal_elsewhere(self, last: FocusMeasurement) -> list[int]:
        """Indices of images from other positions that are as sharp as the last one."""
        near, far = (share * self._half_depth_of_focus for share in _SETTINGS.compared)
        return [
            index
            for index, each in enumerate(self.measurements)
            if index >= self._first
            and near <= abs(each.position - last.position) <= far
            and each.score >= _SETTINGS.equal * last.score
        ]

    @property
    def images(self) -> Sequence[FocusMeasurement]:
        """Images in use: those since the search has last begun."""
        return self.measurements[self._first :]

    @property
    def best(self) -> FocusMeasurement:
        """The sharpest of `images`."""
        return max(self.images, key=lambda each: each.score)

    @abstractmethod
    def _prepare(self, position: float) -> None:
        """Start a new search from `position`, metres."""

    @abstractmethod
    def _next(self) -> float | None:
        """Return the next lens position, metres, or None at the end."""


def _squared_difference(first: Image, second: Image) -> float:
    """Mean squared difference of two images of one size; infinite for others."""
    if first.shape != second.shape:
        return float("inf")
    return float(np.mean(np.square(first - second), dtype=np.float64))
