"""The median of what is known."""

import numpy as np
import pytest

from aif_ros.fusion.median import median_of_known


@pytest.mark.parametrize("count", [1, 4, 7])
def test_as_numpy_has_it(count):
    random = np.random.default_rng(count)
    values = random.random((count, 5, 6)).astype(np.float32)
    values[random.random(values.shape) < 0.3] = np.nan
    values[0, 1:] = 0.5
    expected = np.nanmedian(values[:, 1:], axis=0)
    np.testing.assert_allclose(median_of_known(values)[1:], expected, rtol=1e-6)


def test_unknown_where_nothing_is_known():
    assert np.isnan(median_of_known(np.full((3, 2), np.nan, np.float32))).all()
