"""Times of messages as integer nanoseconds."""

import pytest
from builtin_interfaces.msg import Time

from aif_ros.nodes.stamps import to_stamp, to_time


@pytest.mark.parametrize("stamp", [0, 1, 999_999_999, 1_000_000_000, 1_764_547_200_123_456_789])
def test_are_exact_there_and_back(stamp):
    time = to_time(stamp)
    assert 0 <= time.nanosec < 1_000_000_000
    assert to_stamp(time) == stamp


def test_seconds_and_nanoseconds_add_up():
    assert to_stamp(Time(sec=3, nanosec=7)) == 3_000_000_007
