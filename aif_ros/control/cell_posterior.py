"""Posterior over the focus position of each cell of a defocus map, from blur radii.

A blur radius gives the distance to focus but not its sign: radius r measured at lens position z
is equally likely for the focus positions z - r / gain and z + r / gain. The likelihoods of
measurements at several lens positions, multiplied, have a common maximum at the focus position.

Three other posteriors have only the grid of positions in common with this one; their evidence and
their axes differ. `autofocus.window_posterior` also evaluates the estimator's class probabilities,
the probability of being in focus and the contrast, which exist for a single window only, jointly
with the bias of the texture. `control.focus_belief` also evaluates the source positions of J and is
batched for training. `pipeline.focus_map` reads distance maps, in metres, forgets, and interpolates
the peak.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.types.log_softmax import log_softmax

_RESOLUTION = 0.5
"""Spacing of the positions, in half depths of focus."""
_DEGREES_OF_FREEDOM = 3.0
"""Of the Student's t distribution of errors: outliers are far larger than the uncertainty."""
_LEAST_ERROR_PX = 0.2
"""Least standard deviation of a radius, pixels: close to the mean error, 0.18 px at 2 to 10 px,
that `benchmark estimator` measures."""
_LEAST_ERROR = 0.03
"""The same as a share of the radius; `benchmark estimator` measures 0.018 at 27 to 60 px."""


class CellPosterior:
    """Probability over focus positions for each cell of a grid.

    Args:
        lens_model: the lens; focus positions lie within its limits.
        shape: of the grid; () for a single cell.
        image_width: width in pixels of the images that blur is measured in.

    Example:
        >>> lens_model = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
        >>> posterior = CellPosterior(lens_model, shape=(), image_width=640)
        >>> posterior.update(position=0.4e-3, radius=4.8, uncertainty=0.3)  # 0.2 mm or 0.6 mm
        >>> above = posterior.positions > 0.4e-3
        >>> round(float(posterior.probability[above].sum()), 1)
        0.5
        >>> posterior.update(position=0.6e-3, radius=0.2, uncertainty=0.3)
        >>> round(float(posterior.probability[above].sum()), 1)
        1.0
    """

    def __init__(self, lens_model: LensModel, shape: tuple[int, ...], image_width: int) -> None:
        low, high = lens_model.limits
        pitch = _RESOLUTION * lens_model.half_depth_of_focus(image_width)
        count = int(np.ceil((high - low) / pitch)) + 1
        self.positions: NDArray[np.float64] = np.linspace(low, high, count)
        self._gain = lens_model.blur_gain(image_width)
        self._log: NDArray[np.float64] = np.zeros((*shape, count))

    def update(self, position: float, radius: ArrayLike, uncertainty: ArrayLike) -> None:
        """Multiply by the likelihood of one measurement of each cell.

        Args:
            position: lens position, metres.
            radius: measured blur radius, pixels, of the grid's shape; NaN: no measurement.
            uncertainty: its standard deviation, pixels; NaN likewise.
        """
        radius = np.asarray(radius, dtype=np.float64)[..., None]
        spread = np.asarray(uncertainty, dtype=np.float64)[..., None]
        expected = np.abs(self.positions - position) * self._gain
        scale = np.hypot(spread, np.hypot(_LEAST_ERROR_PX, _LEAST_ERROR * expected))
        with np.errstate(invalid="ignore"):
            squares = ((radius - expected) / scale) ** 2
            power = -(_DEGREES_OF_FREEDOM + 1) / 2
            likelihood = power * np.log1p(squares / _DEGREES_OF_FREEDOM) - np.log(scale)
        self._log += np.where(np.isfinite(likelihood), likelihood, 0.0)
        self._log = log_softmax(self._log)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Probability of each of `positions`, shape (..., positions); the last axis sums to 1."""
        return np.asarray(np.exp(log_softmax(self._log)))
