import pytest

from aif_ros.pipeline.clock_jump import StampOrder, jumped_back

S = 1_000_000_000


@pytest.mark.parametrize(("stamp", "jumped"), [(9 * S, False), (9 * S - 1, True), (11 * S, False)])
def test_a_clock_jumps_back_by_more_than_messages_are_late(stamp, jumped):
    assert jumped_back(10 * S, stamp) == jumped


@pytest.mark.parametrize(
    ("stamps", "accepted"),
    [
        ([10, 20, 20], [True, True, False]),
        ([10, 30, 20, 40], [True, True, False, True]),
        # A recording of half a second is played again.
        ([0, S // 2, 0, S // 4, S // 2], [True, True, False, True, True]),
        ([10 * S, 0], [True, True]),
    ],
)
def test_frames_are_accepted_in_the_order_of_their_stamps(stamps, accepted):
    order = StampOrder()
    assert [order.accept(stamp) for stamp in stamps] == accepted
