"""Continuous autofocus: when a new search is due."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.types.frame import Window

# This many blurred frames in a row start a search: single ones may be blurred by motion. As many
# after a search give the blur that counts as being in focus.
_FRAMES = 3
# Pause after a search, seconds: the first value, doubled after each failed search up to the second.
_PAUSES = (1.0, 30.0)
# A window is out of focus again if its distance to focus has grown by this many half depths of
# focus and by this share since it was focused: more than the noise of the estimators.
_MARGIN, _MARGIN_SHARE = 1.0, 0.25


class FocusWatch:
    """Watches one window and asks for a search when it goes out of focus.

    An estimator can report blur for a window at its best focus. Its estimate after a successful
    search is therefore the reference for later ones: a static scene is not searched again.

    Args:
        lens_model: of the lens.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self._blurred = 0
        self._pause = _PAUSES[0]
        self._resume_at = 0.0
        self._focused: list[float] | None = None

    def ended(self, focused: bool, now: float) -> None:
        """Note that a search has ended at `now` (seconds)."""
        self._blurred = 0
        self._focused = [] if focused else None
        self._pause = _PAUSES[0] if focused else min(2 * self._pause, _PAUSES[1])
        self._resume_at = now + self._pause

    def needs_search(
        self, maps: DefocusMaps, window: Window, image_size: tuple[int, int], now: float
    ) -> bool:
        """Return whether to search now.

        Args:
            maps: of the newest frame.
            window: to keep in focus, pixels.
            image_size: (width, height) of the frame, pixels.
            now: time of any steady clock, seconds.
        """
        weight = _cells(window, image_size, maps.in_focus.shape)
        share, distance = _mean(maps.in_focus, weight), _mean(maps.distance, weight)
        if share is None or distance is None:
            return False
        if self._focused is not None and len(self._focused) < _FRAMES:
            self._focused.append(distance)
            return False
        blurred = share < 0.5 and self._has_grown(distance, image_size[0])
        self._blurred = self._blurred + 1 if blurred else 0
        return self._blurred >= _FRAMES and now > self._resume_at

    def _has_grown(self, distance: float, image_width: int) -> bool:
        if self._focused is None:
            return True
        before = float(np.median(self._focused))
        margin = _MARGIN * self._lens_model.half_depth_of_focus(image_width)
        return distance > before + max(margin, _MARGIN_SHARE * before)


def _cells(
    window: Window, image_size: tuple[int, int], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the share of each cell that lies within a window."""
    mask = window.mask(image_size).astype(np.float32)
    return np.asarray(cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA))


def _mean(values: NDArray[np.float32], weight: NDArray[np.float32]) -> float | None:
    """Return the weighted mean of the known values; None: none is known."""
    known = np.isfinite(values)
    weight = np.where(known, weight, 0.0)
    total = weight.sum()
    return float(np.sum(np.where(known, values, 0.0) * weight) / total) if total > 0 else None
