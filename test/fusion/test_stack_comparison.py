"""Comparing the slices of a stack."""

import numpy as np
import pytest
from disk_stack import SHAPE, slices

from aif_ros.devices.image_files.samples import MaskedImage
from aif_ros.fusion.lost_lines import LostLines
from aif_ros.fusion.slice_reader import SliceReader
from aif_ros.fusion.stack_comparison import Comparison, compare, without_lines


def lines(*rows):
    lost = np.zeros(SHAPE[0], bool)
    lost[list(rows)] = True
    return LostLines(lost, np.zeros(SHAPE[1], bool))


def test_lost_rows_and_what_covers_a_slice_are_excluded(tmp_path):
    def edit(images):
        images[1][50:54] = 0
        images[3][60:115, 20:90] = 20

    comparison = compare(SliceReader(slices(tmp_path, edit)), align=True, match_exposure=True)
    assert [bool(lost) for lost in comparison.lost] == [False, True, False, False, False]
    assert comparison.inconsistent[3][65:110, 25:85].mean() > 0.9
    shares = comparison.excluded_shares
    assert 4 / 120 <= shares[1] < 0.1 < shares[3] < 0.5
    assert shares[0] == shares[2] == shares[4] == 0


def test_nothing_is_compared_without_a_reason(tmp_path):
    reader = SliceReader(slices(tmp_path), track=lambda images, doing: pytest.fail(doing))
    comparison = compare(reader, align=False, match_exposure=False)
    np.testing.assert_array_equal(comparison.transforms, [np.eye(3)] * 5)


def test_what_may_be_fused_of_a_slice():
    image = MaskedImage(np.zeros((*SHAPE, 3), np.uint8), None)
    area = np.zeros((60, 80), bool)
    area[:, :40] = True
    comparison = Comparison([np.eye(3)] * 2, [], [None, area], [None, lines(3)])
    assert comparison.valid(0, image) is None
    valid = comparison.valid(1, image)
    assert not valid[:, :80].any() and not valid[3].any()
    assert valid[4:, 80:].all()
    known = np.zeros(SHAPE, bool)
    known[3:10] = True
    rest = without_lines(MaskedImage(image.pixels, known), lines(3)).valid
    assert rest[4:10].all() and rest.sum() == 6 * SHAPE[1]
    assert without_lines(image, None) is image
