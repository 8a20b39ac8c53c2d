"""Approach of every position from the same side, for lenses whose motor has backlash."""

import threading
from dataclasses import replace

from aif_ros.devices.device import FocusLens
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import LensState

_MARGIN = 1.25
"""Factor on the backlash by which a lens first moves below its target, to take up the backlash."""


def compensated(lens: FocusLens, lens_model: LensModel | None) -> FocusLens:
    """Return `lens`, approached from below if its calibration has a backlash.

    Args:
        lens: is moved.
        lens_model: its calibration; None: there is none, so no backlash is known.
    """
    if lens_model is None or not lens_model.backlash:
        return lens
    return BacklashCompensation(lens, lens_model.backlash)


class BacklashCompensation:
    """A lens that ends every move upwards, so that the backlash of its gears is always taken up.

    Moves downwards go below the target first. While it does so the lens counts as moving.

    Args:
        lens: is moved.
        backlash: dead travel after a reversal, metres.

    Raises:
        ValueError: `backlash` is not above 0.
    """

    def __init__(self, lens: FocusLens, backlash: float) -> None:
        if not backlash > 0:
            raise ValueError(f"backlash must be a number of metres above 0, got {backlash}")
        self._lens = lens
        self._overshoot = _MARGIN * backlash
        self._taken_up = False
        self._target: float | None = None
        # States are polled in one thread, commands may come from another.
        self._lock = threading.Lock()

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest position, metres."""
        return self._lens.limits

    def move_to(self, position: float) -> None:
        """Start moving to `position` (metres), from below.

        Raises:
            DeviceError: see the lens.
            ValueError: `position` is not finite or lies outside the limits; nothing moves.
        """
        with self._lock:
            current = self._lens.state().position
            below = max(self._lens.limits[0], position - self._overshoot)
            rises = position - current
            if rises == 0 and self._taken_up and self._target is None:
                return
            if rises >= self._overshoot or (rises > 0 and self._taken_up):
                self._lens.move_to(position)
                self._target, self._taken_up = None, True
            else:
                self._lens.move_to(below)
                self._target, self._taken_up = position, False

    def stop(self) -> None:
        """Stop; the backlash is no longer known to be taken up.

        Raises:
            DeviceError: see the lens.
        """
        with self._lock:
            self._target, self._taken_up = None, False
            self._lens.stop()

    def state(self) -> LensState:
        """Return position (metres) and motion now.

        Raises:
            DeviceError: see the lens.
        """
        with self._lock:
            state = self._lens.state()
            if self._target is None:
                return state
            if not state.moving:
                self._lens.move_to(self._target)
                self._target, self._taken_up = None, True
            return replace(state, moving=True)

    def close(self) -> None:
        """Switch it off."""
        self._lens.close()
