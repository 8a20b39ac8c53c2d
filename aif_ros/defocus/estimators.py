"""The blur estimators by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.optics.lens_model import LensModel
from aif_ros.weights import is_weight_file

if TYPE_CHECKING:
    from aif_ros.defocus.neural import NeuralBlurEstimator


def _gradient_ratio(lens_model: LensModel, device: str) -> BlurEstimator:
    from aif_ros.defocus.gradient_ratio import GradientRatioEstimator

    return GradientRatioEstimator(lens_model.depth_of_field_px)


def neural_estimator(
    lens_model: LensModel, device: str = "cpu", path: str | Path | None = None
) -> "NeuralBlurEstimator":
    """Return the blur network; in focus is what the depth of field of the lens allows.

    Args:
        lens_model: of the lens in use.
        device: to compute by: auto, cpu, cuda or onnxruntime.
        path: weights; default: the shipped ones.

    Raises:
        WeightsError: the weights are missing or damaged.
        ComputeDeviceError: there is no such device.
    """
    # torch is imported only where it is used: it takes a second and 200 MB.
    from aif_ros.defocus.neural import NeuralBlurEstimator

    return NeuralBlurEstimator(lens_model.depth_of_field_px, path, device)


ESTIMATORS: Mapping[str, Callable[[LensModel, str], BlurEstimator]] = {
    "neural": neural_estimator,
    "gradient_ratio": _gradient_ratio,
}
"""Makers by name, called with lens model and device."""


def make_estimator(name: str, lens_model: LensModel, device: str = "cpu") -> BlurEstimator:
    """Return a new estimator that counts as in focus what the lens's depth of field allows.

    Args:
        name: one of `ESTIMATORS`, or a weight file (`*.safetensors`) of the blur network.
        lens_model: of the lens in use.
        device: that computes the networks: auto, cpu, cuda or onnxruntime.

    Raises:
        ValueError: there is no estimator of that name, no such file or no such device.
    """
    if is_weight_file(name):
        return neural_estimator(lens_model, device, name)
    if name not in ESTIMATORS:
        raise ValueError(
            f"there is no estimator '{name}': choose from {', '.join(ESTIMATORS)}, or name a "
            ".safetensors file"
        )
    return ESTIMATORS[name](lens_model, device)
