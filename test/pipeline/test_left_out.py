import pytest

from aif_ros.pipeline.left_out import LeftOut


def test_each_reason_is_named_once_and_some_positions():
    left_out = LeftOut.of({number * 1e-4: "it is black" for number in (6, 5, 4, 3, 2, 1)})
    assert left_out.warning == (
        "6 frames are not fused (it is black): at 0.0001 m, 0.0002 m, 0.0003 m, 0.0004 m, "
        "0.0005 m, ..."
    )
    assert "(a; b)" in LeftOut.of({2e-4: "a", 3e-4: "b", 4e-4: "a"}).warning


def test_frames_that_are_fused_in_part():
    left_out = LeftOut.of({}, [2e-4, 1e-4])
    assert left_out.damaged == (1e-4, 2e-4)
    assert left_out.warning.startswith("parts of 2 frames are not fused")
    assert left_out.warning.endswith("at 0.0001 m, 0.0002 m")


def test_a_position_of_several_frames_is_named_once():
    left_out = LeftOut.of({}, [2e-4, 1e-4, 2e-4])
    assert left_out.damaged == (1e-4, 2e-4, 2e-4)
    assert left_out.warning.startswith("parts of 3 frames are not fused")
    assert left_out.warning.endswith(": at 0.0001 m, 0.0002 m")


def test_nothing_left_out_is_no_warning():
    assert LeftOut.of({}) == LeftOut()
    assert LeftOut().warning == ""


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"positions": [1e-4]},
        {"positions": [], "reasons": [], "damaged": ["1e-4"]},
        {"positions": 1e-4, "reasons": ["black"], "damaged": []},
        {"positions": ["1e-4"], "reasons": ["black"], "damaged": []},
        {"positions": [float("nan")], "reasons": ["black"], "damaged": []},
        {"positions": [1e-4], "reasons": [None], "damaged": []},
        {"positions": None, "reasons": [], "damaged": []},
        7,
        "positions",
    ],
)
def test_other_fields_are_refused(fields):
    with pytest.raises(ValueError):
        LeftOut.of_fields(fields)
