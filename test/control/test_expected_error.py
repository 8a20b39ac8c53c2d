import numpy as np
import pytest

from aif_ros.control.expected_error import (
    contrast_of,
    decibels,
    detail_error,
    detail_loss,
    fused_error,
)


def test_blur_costs_more_and_more_until_all_detail_is_lost():
    lost = detail_loss([0.0, 1.0, 3.0, 10.0, 1e3, np.inf])
    assert lost[0] == 0
    assert (np.diff(lost[:5]) > 0).all()
    assert lost[5] == lost[4] == pytest.approx(1.0, abs=1e-3)


def test_detail_is_the_contrast_lost_by_blur():
    # White noise of every size: blurred beyond all detail, its variance is the error.
    random = np.random.default_rng(0)
    contrasts = np.array([0.05, 0.1, 0.2])
    variances = [random.normal(0, c, 1000).var() for c in contrasts]
    ratio = detail_error(contrasts, 0.0) / variances
    assert (ratio > 0.5).all()
    assert (ratio < 3).all()


def test_blur_hides_some_of_the_contrast():
    assert detail_error(0.1, 10.0) == pytest.approx(2 * detail_error(0.1, 0.0))
    np.testing.assert_allclose(detail_error(contrast_of(0.01, [0.0, 5.0]), [0.0, 5.0]), 0.01)


def test_where_there_is_nothing_to_see_nothing_is_lost():
    assert detail_error(0.0, 3.0) == 0
    assert fused_error(0.0, 0.0) > 0


def test_decibels_are_those_of_a_signal_from_0_to_1():
    np.testing.assert_allclose(decibels([1.0, 1e-3]), [0.0, 30.0])
