from aif_ros.pipeline.stamp_join import StampJoin


def test_values_of_one_stamp_come_together():
    join = StampJoin(2)
    assert join.add(0, 1, "a") is None
    assert join.add(0, 2, "b") is None
    assert join.add(1, 1, "c") == ("a", "c")
    assert join.add(1, 2, "d") == ("b", "d")
    assert join.add(1, 3, "e") is None


def test_one_stream_may_be_ahead_no_further_than_the_capacity():
    join = StampJoin(2, capacity=2)
    for stamp in (1, 2, 3):
        join.add(0, stamp, stamp)
    assert join.add(1, 1, "late") is None
    assert join.add(1, 2, "in time") == (2, "in time")
