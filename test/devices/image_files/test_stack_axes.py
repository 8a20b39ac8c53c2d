"""Which axis of a file is focus, and what must be chosen of the others."""

import numpy as np
import pytest

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.stack_axes import (
    AmbiguousError,
    Selection,
    metres,
    select,
    select_series,
)


def chosen(sizes, channels=(), **selection):
    return select("a.tif", sizes, channels, Selection(**selection))


class TestFocusAxis:
    @pytest.mark.parametrize("axis", ["Z", "I", "Q"])
    def test_depth_or_a_sequence(self, axis):
        result = chosen({"C": 1, axis: 5})
        assert (result.focus, result.count, result.notes) == (axis, 5, [])

    def test_depth_comes_before_a_sequence(self):
        with pytest.raises(DeviceError, match="2 planes along axis I: split it"):
            chosen({"I": 2, "Z": 5})

    def test_time_alone_is_taken_for_it_and_that_is_noted(self):
        result = chosen({"T": 7, "C": 1})
        assert (result.focus, result.count) == ("T", 7)
        assert result.notes == ["a.tif: its 7 time points are taken as slices"]

    def test_a_chosen_time_is_one_slice(self):
        result = chosen({"T": 7}, time=3)
        assert (result.focus, result.count, result.fixed["T"]) == ("", 1, 3)

    @pytest.mark.parametrize("sizes", [{}, {"Z": 1}, {"C": 1, "T": 1}])
    def test_one_plane_is_one_slice(self, sizes):
        result = chosen(sizes)
        assert (result.focus, result.count, result.flat(sizes)) == ("", 1, [0])

    def test_other_axes_are_refused(self):
        with pytest.raises(DeviceError, match=r"a\.tif has 3 planes along axis P: split it"):
            chosen({"P": 3, "Z": 5})


class TestFlat:
    @pytest.mark.parametrize("order", ["ZCT", "TCZ", "CZT", "TZC"])
    def test_the_slices_are_those_of_the_chosen_channel_and_time(self, order):
        sizes = {axis: {"Z": 4, "C": 3, "T": 2}[axis] for axis in order}
        flat = chosen(sizes, channel="2", time=1).flat(sizes)
        places = np.unravel_index(flat, tuple(sizes.values()))
        place = dict(zip(order, places, strict=True))
        assert place["Z"].tolist() == [0, 1, 2, 3]
        assert set(place["C"]) == {2}
        assert set(place["T"]) == {1}


SIZES = {"C": 3, "Z": 4}


@pytest.mark.parametrize("axis", ["I", "Q", "T"])
def test_slices_along_other_axes_are_all_of_them(axis):
    sizes = {"C": 2, axis: 3} if axis != "T" else {axis: 3}
    channel = "1" if axis != "T" else None
    first = 3 if axis != "T" else 0
    assert chosen(sizes, channel=channel).flat(sizes) == [first, first + 1, first + 2]


class TestChannel:
    @pytest.mark.parametrize(
        ("channel", "number"), [("1", 1), ("GFP", 1), ("0", 0), ("2", 2), ("DAPI", 0)]
    )
    def test_by_number_or_name(self, channel, number):
        assert chosen(SIZES, ["DAPI", "GFP"], channel=channel).fixed["C"] == number

    def test_a_name_comes_before_a_number(self):
        assert chosen(SIZES, ["1", "0", "x"], channel="0").fixed["C"] == 1

    def test_must_be_chosen_and_all_are_listed(self):
        with pytest.raises(AmbiguousError, match=r"3 channels, choose one: 0 \(DAPI\), 1, 2") as no:
            chosen(SIZES, ["DAPI", ""])
        assert no.value.key == "channel"

    @pytest.mark.parametrize("channel", ["3", "-1", "gfp", "", "1.0", "²"])
    def test_one_that_is_not_there_is_refused(self, channel):
        with pytest.raises(DeviceError, match=r"a.tif has no channel '.*' \(--channel\), choose"):
            chosen(SIZES, ["DAPI", "GFP"], channel=channel)

    def test_names_beyond_the_channels_do_not_count(self):
        with pytest.raises(DeviceError, match="no channel 'x'"):
            chosen({"C": 2, "Z": 4}, ["a", "b", "x"], channel="x")

    def test_of_a_file_with_one_it_must_be_that(self):
        assert chosen({"Z": 4}, channel="0").focus == "Z"
        with pytest.raises(DeviceError, match="no channel '1'"):
            chosen({"Z": 4}, channel="1")

    def test_many_are_listed_in_part(self):
        with pytest.raises(AmbiguousError, match=r"20 channels.* 11, \.\.\.$"):
            chosen({"C": 20, "Z": 4})


class TestTime:
    def test_must_be_chosen_beside_depth(self):
        with pytest.raises(AmbiguousError, match="5 time points, choose one: 0 to 4") as no:
            chosen({"T": 5, "Z": 4})
        assert no.value.key == "time"

    @pytest.mark.parametrize("time", [-1, 5])
    def test_one_that_is_not_there_is_refused(self, time):
        with pytest.raises(DeviceError, match=rf"no time point {time} \(--time\)"):
            chosen({"T": 5, "Z": 4}, time=time)

    def test_of_a_file_with_one_it_must_be_that(self):
        with pytest.raises(DeviceError, match=r"no time point 1 .*choose one: 0$"):
            chosen({"Z": 4}, time=1)


class TestSeries:
    def test_a_single_one_needs_no_choice(self):
        assert select_series("a", [""], Selection()) == 0

    def test_several_do(self):
        names = ["left", "right"]
        assert select_series("a", names, Selection(series="right")) == 1
        with pytest.raises(AmbiguousError, match=r"2 series.*0 \(left\), 1 \(right\)"):
            select_series("a", names, Selection())

    def test_how_it_is_chosen_is_said(self):
        selection = Selection(series="2", series_name="series in info.yaml")
        with pytest.raises(DeviceError, match=r"no series '2' \(series in info.yaml\)"):
            select_series("a", ["x"], selection)


class TestMetres:
    @pytest.mark.parametrize(
        ("value", "unit", "expected"),
        [
            (250, "nm", 250e-9),
            ("0.5", "µm", 0.5e-6),
            (0.5, "μm", 0.5e-6),
            (0.5, "\\u00B5m", 0.5e-6),
            (2, " Micron ", 2e-6),
            (-1, "mm", 1e-3),
            (1, "inch", 0.0254),
        ],
    )
    def test_known_units(self, value, unit, expected):
        assert metres(value, unit) == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("value", "unit"),
        [(1, "pixel"), (1, ""), (0, "mm"), ("x", "mm"), (None, "mm"), ("nan", "m"), ("inf", "m")],
    )
    def test_all_else_is_unknown(self, value, unit):
        assert metres(value, unit) is None
