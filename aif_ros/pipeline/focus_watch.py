"""Continuous autofocus: when a new search is due."""

import cv2
import numpy as np

from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.types.frame import Window

# So many blurred frames in a row start a search: single ones may be blurred by motion.
_BLURRED_FRAMES = 3
# Pause after a search, seconds: doubled after each one in vain, from the first up to the second.
_PAUSES = (1.0, 30.0)


class FocusWatch:
    """Watches one window and asks for a search when it goes out of focus."""

    def __init__(self) -> None:
        self._blurred = 0
        self._pause = _PAUSES[0]
        self._resume_at = 0.0

    def ended(self, focused: bool, now: float) -> None:
        """Note that a search has ended at `now` (seconds)."""
        self._blurred = 0
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
        share = _in_focus(maps, window, image_size)
        if share is None:
            return False
        self._blurred = self._blurred + 1 if share < 0.5 else 0
        return self._blurred >= _BLURRED_FRAMES and now > self._resume_at


def _in_focus(maps: DefocusMaps, window: Window, image_size: tuple[int, int]) -> float | None:
    """Return the mean probability of being in focus over a window; None: unknown."""
    in_focus = maps.in_focus
    cells = cv2.resize(
        window.mask(image_size).astype(np.float32),
        (in_focus.shape[1], in_focus.shape[0]),
        interpolation=cv2.INTER_AREA,
    )
    known = np.isfinite(in_focus)
    weight = np.where(known, cells, 0.0)
    if weight.sum() == 0.0:
        return None
    return float(np.sum(np.where(known, in_focus, 0.0) * weight) / weight.sum())
