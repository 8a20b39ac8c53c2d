"""Narrowing down a single peak."""

import numpy as np
import pytest

from aif_ros.autofocus.fibonacci import end_distance, narrow_down
from aif_ros.autofocus.search import FocusMeasurement

ENOUGH = 0.004


def search(peak, start, limits=(0.0, 1.0), enough=ENOUGH):
    """Positions that a search for the peak of a curve looks at."""
    curve = [FocusMeasurement(start, -abs(start - peak))]
    while (position := narrow_down(curve, limits, enough)) is not None:
        assert len(curve) < 100
        curve.append(FocusMeasurement(position, -abs(position - peak)))
    return [each.position for each in curve]


@pytest.mark.parametrize("start", [0.0, 0.3, 0.618, 1.0])
@pytest.mark.parametrize("peak", [0.0, 0.123, 0.5, 0.874, 1.0])
def test_ends_beside_the_peak(peak, start):
    positions = search(peak, start)
    assert min(abs(position - peak) for position in positions) <= ENOUGH
    assert all(0.0 <= position <= 1.0 for position in positions)
    assert len(set(positions)) == len(positions)


@pytest.mark.parametrize("peak", [0.123, 0.5, 0.874])
def test_the_number_of_images_is_that_of_the_golden_section(peak):
    """Each image leaves 0.618 of the range; the start need not lie at a section of it."""
    assert len(search(peak, 0.381966)) <= 2 + np.ceil(np.log(2 * ENOUGH) / np.log(0.618034))


def test_the_wider_gap_beside_the_best_is_divided_next():
    curve = [FocusMeasurement(*point) for point in ((0.1, 0.5), (0.3, 0.9), (0.9, 0.2))]
    assert narrow_down(curve, (0.0, 1.0), 0.01) == pytest.approx(0.3 + 0.381966 * 0.6)
    mirrored = [FocusMeasurement(1 - each.position, each.score) for each in curve]
    assert narrow_down(mirrored, (0.0, 1.0), 0.01) == pytest.approx(0.7 - 0.381966 * 0.6)


def test_the_order_of_the_images_does_not_matter():
    curve = [FocusMeasurement(*point) for point in ((0.9, 0.2), (0.3, 0.9), (0.1, 0.5))]
    assert narrow_down(curve, (0.0, 1.0), 0.01) == narrow_down(curve[::-1], (0.0, 1.0), 0.01)


@pytest.mark.parametrize("scores", [(0.9, 0.5, 0.1), (0.1, 0.5, 0.9)])
def test_a_best_image_at_a_limit_looks_inwards_only(scores):
    positions = (0.0, 0.5, 1.0)
    curve = [FocusMeasurement(*point) for point in zip(positions, scores, strict=True)]
    best = positions[int(np.argmax(scores))]
    assert abs(narrow_down(curve, (0.0, 1.0), 0.01) - best) == pytest.approx(0.5 * 0.381966)
    assert narrow_down(curve, (0.0, 1.0), 0.5) is None


def test_the_end_is_a_depth_of_focus_or_a_motor_step():
    assert end_distance(1e-5, 1e-6) == 2e-5
    assert end_distance(1e-6, 1e-5) == 1.25e-5
