"""What is known of where things are in focus: a probability for every lens position.

One image tells how blurred a thing is, not on which side of focus the lens stands: a look at
position z that finds a blur radius r speaks for the focus positions z - r / gain and z + r / gain
alike. Looks from several positions, multiplied, agree at one of them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from aif_ros.optics.lens_model import LensModel

# Positions are told apart to this share of the depth of field.
_RESOLUTION = 0.5
# Estimates err now and then far more than they say: Student's t with so many degrees of freedom.
_FREEDOM = 3.0
# No estimate is better than this, pixels, nor than this share of the radius.
_LEAST_ERROR_PX = 0.2
_LEAST_ERROR = 0.03


class FocusPosterior:
    """Probability over focus positions, for one window or for each cell of a grid.

    Args:
        lens_model: the lens; nothing is in focus outside its limits.
        shape: of the grid; () for a single window.
        image_width: width in pixels of the images that blur is measured in.

    Example:
        >>> lens_model = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
        >>> posterior = FocusPosterior(lens_model, shape=(), image_width=640)
        >>> posterior.update(position=0.4e-3, radius=4.8, uncertainty=0.3)  # focus: 0.2 mm or 0.6 mm
        >>> side = posterior.positions > 0.4e-3
        >>> round(float(posterior.probability[side].sum()), 1)
        0.5
        >>> posterior.update(position=0.6e-3, radius=0.2, uncertainty=0.3)
        >>> round(float(posterior.probability[side].sum()), 1)
        1.0
    """

    def __init__(self, lens_model: LensModel, shape: tuple[int, ...], image_width: int) -> None:
        low, high = lens_model.limits
        pitch = _RESOLUTION * lens_model.half_depth_of_focus(image_width)
        count = int(np.ceil((high - low) / pitch)) + 1
        self.positions: NDArray[np.float64] = np.linspace(low, high, count)
        self._gain = lens_model.blur_gain(image_width)
        self._log = np.zeros((*shape, count))

    def update(self, position: float, radius: ArrayLike, uncertainty: ArrayLike) -> None:
        """Take in a look.

        Args:
            position: where the lens was, metres.
            radius: blur radius seen, pixels, of the grid's shape; NaN tells nothing.
            uncertainty: its standard deviation, pixels; NaN likewise.
        """
        radius = np.asarray(radius, dtype=np.float64)[..., None]
        spread = np.asarray(uncertainty, dtype=np.float64)[..., None]
        expected = np.abs(self.positions - position) * self._gain
        scale = np.hypot(spread, np.hypot(_LEAST_ERROR_PX, _LEAST_ERROR * expected))
        with np.errstate(invalid="ignore"):
            deviation = (radius - expected) / scale
            told = -(_FREEDOM + 1) / 2 * np.log1p(deviation**2 / _FREEDOM) - np.log(scale)
        self._log += np.where(np.isfinite(told), told, 0.0)
        self._log -= logsumexp(self._log, axis=-1, keepdims=True)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Probability of each of `positions`, shape (..., positions); the last axis sums to 1."""
        return np.exp(self._log - logsumexp(self._log, axis=-1, keepdims=True))
