"""The blur estimators one can choose from by name."""

from collections.abc import Callable, Mapping

from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.optics.lens_model import LensModel


def _gradient_ratio(lens_model: LensModel) -> BlurEstimator:
    from aif_ros.defocus.gradient_ratio import GradientRatioEstimator

    return GradientRatioEstimator(lens_model.depth_of_field_px)


def _neural(lens_model: LensModel) -> BlurEstimator:
    from aif_ros.defocus.neural import FocusDiscriminator, NeuralBlurEstimator

    return NeuralBlurEstimator(discriminator=FocusDiscriminator(lens_model.depth_of_field_px))


ESTIMATORS: Mapping[str, Callable[[LensModel], BlurEstimator]] = {
    "neural": _neural,
    "gradient_ratio": _gradient_ratio,
}
"""Makers by name; what they need is imported only when they are called."""


def make_estimator(name: str, lens_model: LensModel) -> BlurEstimator:
    """Return a new estimator that counts as in focus what the lens's depth of field allows.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"there is no estimator '{name}': choose from {', '.join(ESTIMATORS)}")
    return ESTIMATORS[name](lens_model)
