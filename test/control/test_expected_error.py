import numpy as np
import pytest

from aif_ros.control.expected_error import SMALLEST_ERROR, decibels, expected_error


def test_blur_costs_more_and_more_until_nothing_is_left():
    errors = expected_error([0.0, 1.0, 3.0, 10.0, 1e3, np.inf])
    assert errors[0] == SMALLEST_ERROR
    assert (np.diff(errors[:5]) > 0).all()
    assert errors[5] == errors[4]


def test_decibels_are_those_of_a_signal_from_0_to_1():
    np.testing.assert_allclose(decibels([1.0, 1e-3]), [0.0, 30.0])
    # Ten times the error of a sharp picture.
    lost = decibels(SMALLEST_ERROR) - decibels(10 * SMALLEST_ERROR)
    assert float(lost) == pytest.approx(10.0)
