"""Words of messages for people."""

from aif_ros.types.wording import listed


def test_a_long_list_is_cut_off():
    assert listed([]) == ""
    assert listed(["a", "b", "c"], 3) == "a, b, c"
    assert listed(["a", "b", "c"], 2) == "a, b, ..."
