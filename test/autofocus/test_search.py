"""The range that a search is given."""

import pytest

from aif_ros.autofocus.search import search_range
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 24000.0, 640)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0.2e-3, 0.4e-3), (0.2e-3, 0.4e-3)),
        ((-1.0, 0.4e-3), (0.0, 0.4e-3)),
        ((0.2e-3, 1.0), (0.2e-3, 1e-3)),
    ],
)
def test_what_the_lens_reaches_is_left(limits, expected):
    assert search_range(LENS, limits) == expected


@pytest.mark.parametrize("limits", [(0.4e-3, 0.4e-3), (0.4e-3, 0.2e-3), (2.0, 3.0), (-3.0, -2.0)])
def test_an_empty_range_is_refused(limits):
    with pytest.raises(ValueError, match="leave no lens positions"):
        search_range(LENS, limits)


@pytest.mark.parametrize("limits", [(float("nan"), 1e-3), (0.0, float("inf"))])
def test_limits_that_are_not_finite_are_refused(limits):
    with pytest.raises(ValueError, match="finite"):
        search_range(LENS, limits)
