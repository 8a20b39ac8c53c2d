"""Where blur is least, although more is left than in focus."""

import numpy as np
import pytest

from aif_ros.autofocus.least_blur import blur_rises
from aif_ros.autofocus.search import FocusMeasurement

LAST = (0.0, 4.0)


@pytest.mark.parametrize(
    "others, rises",
    [
        ([(1.0, 5.0), (2.0, 8.0)], True),
        ([(2.0, 8.0), (1.0, 5.0)], True),
        ([(1.0, 3.6), (2.0, 8.0)], True),
        ([(1.0, 5.0)], None),
        ([(-2.0, 8.0)], None),
        ([(0.1, 8.0)], None),
        ([(1.0, np.nan)], None),
        ([(1.0, 3.0), (2.0, 8.0)], False),
        ([(1.0, 8.0), (2.0, 6.0)], False),
    ],
)
def test_readings_must_rise_in_order(others, rises):
    measurements = [FocusMeasurement(*each) for each in [*others, LAST]]
    assert blur_rises(measurements, 1, 0.5) is rises
    mirrored = [FocusMeasurement(-each.position, each.score) for each in measurements]
    assert blur_rises(mirrored, -1, 0.5) is rises
