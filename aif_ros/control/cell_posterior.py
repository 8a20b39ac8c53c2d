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

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.types.log_softmax import log_softmax


@dataclass(frozen=True)
class RadiusErrors:
    """Distribution of the errors of measured radii: Student's t.

    Attributes:
        degrees_of_freedom: few, since outliers are far larger than the uncertainty.
        min_error_px: least standard deviation, pixels: close to the mean error, 0.18 px at 2 to
            10 px, that `benchmark estimator` measures.
        min_error: the same as a share of the radius; `benchmark estimator` measures 0.018 at 27 to
            60 px.
    """

    degrees_of_freedom: float = 3.0
    min_error_px: float = 0.2
    min_error: float = 0.03


_ERRORS = RadiusErrors()
_RESOLUTION = 0.5
"""Spacing of the positions, in half depths of focus: half of the tolerance of focus."""


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
        scale = np.hypot(spread, np.hypot(_ERRORS.min_error_px, _ERRORS.min_error * expected))
        with np.errstate(invalid="ignore"):
            squares = ((radius - expected) / scale) ** 2
            power = -(_ERRORS.degrees_of_freedom + 1) / 2
            likelihood = power * np.log1p(squares / _ERRORS.degrees_of_freedom) - np.log(scale)
        self._log += np.where(np.isfinite(likelihood), likelihood, 0.0)
        self._log = log_softmax(self._log)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Probability of each of `positions`, shape (..., positions); the last axis sums to 1."""
        return np.asarray(np.exp(log_softmax(self._log)))
