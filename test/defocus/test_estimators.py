"""Blur estimators by their names."""

from dataclasses import replace

import numpy as np
import pytest

from aif_ros.defocus.estimators import ESTIMATORS, make_estimator
from aif_ros.defocus.gradient_ratio import GradientRatioEstimator
from aif_ros.defocus.neural import NeuralBlurEstimator
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.scenes.planes import texture
from aif_ros.weights import WEIGHTS

LENS = LensModel.load(DEFAULT_CALIBRATION)
IMAGE = texture((128, 96), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("neural", NeuralBlurEstimator),
        ("gradient_ratio", GradientRatioEstimator),
        (str(WEIGHTS / "blur.safetensors"), NeuralBlurEstimator),
    ],
)
def test_each_name_makes_its_estimator(name, kind):
    assert isinstance(make_estimator(name, LENS), kind)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_counts_as_in_focus_depends_on_the_lens(name):
    strict, lenient = (
        make_estimator(name, replace(LENS, depth_of_field_px=pixels)).estimate(IMAGE).in_focus
        for pixels in (0.3, 5.0)
    )
    known = np.isfinite(strict)
    assert known.any()
    assert (lenient[known] >= strict[known]).all()
    assert lenient[known].mean() > strict[known].mean()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("magic", "there is no estimator 'magic': choose from neural, gradient_ratio"),
        ("none.safetensors", r"there is no weight file none\.safetensors"),
    ],
)
def test_what_is_not_there_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        make_estimator(name, LENS)
