"""Normalisation of log-probabilities."""

import numpy as np
import pytest
from scipy import special

from aif_ros.types.log_softmax import log_softmax


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 6)])
def test_is_that_of_scipy_along_the_last_axis(shape):
    values = np.random.default_rng(0).normal(0, 10, shape)
    np.testing.assert_allclose(log_softmax(values), special.log_softmax(values, axis=-1))


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_large_values_do_not_overflow(offset):
    values = np.array([0.0, 1.0, -2.0])
    np.testing.assert_allclose(log_softmax(values + offset), log_softmax(values))


def test_an_impossible_place_stays_impossible():
    assert np.exp(log_softmax(np.array([0.0, -np.inf, 0.0]))).tolist() == [0.5, 0.0, 0.5]
