import math

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, CalibrationError, LensModel


@pytest.fixture
def lens():
    return LensModel.load(DEFAULT_CALIBRATION)


def test_default_is_the_lens_of_the_paper(lens):
    travel = 300 * lens.metres_per_step
    assert lens.blur_radius(travel, 0.0, 3840) == pytest.approx(27.0)
    assert lens.magnification(travel) == pytest.approx(1.018)
    assert lens.steps(lens.half_depth_of_focus(3840)) == pytest.approx(11.1, abs=0.1)


def test_blur_is_signed_and_scales_with_the_image(lens):
    assert lens.blur_radius(1e-4, 3e-4, 3840) == pytest.approx(-18.0)
    assert lens.blur_radius(3e-4, 1e-4, 640) == pytest.approx(3.0)
    np.testing.assert_allclose(
        lens.blur_radius(1e-4, np.array([0.0, 1e-4, 2e-4]), 640), [1.5, 0.0, -1.5], atol=1e-12
    )


def test_travel_undoes_blur(lens):
    assert lens.blur_radius(lens.travel(7.5, 741), 0.0, 741) == pytest.approx(7.5)


def test_every_frame_covers_the_reference_geometry(lens):
    for position in np.linspace(*lens.limits, 7):
        assert lens.breathing_scale(position) >= 1.0
    assert lens.breathing_scale(lens.reference_position) == 1.0


def test_reference_is_the_narrowest_view_whichever_way_the_lens_breathes(lens):
    other = LensModel("x", 1e-6, (0.0, 1e-3), 9e4, 3840, breathing_per_metre=-30.0)
    assert lens.reference_position == lens.limits[1]
    assert other.reference_position == 0.0
    assert other.breathing_scale(1e-3) > 1.0


def test_within_limits(lens):
    assert lens.within_limits(-1.0) == lens.limits[0]
    assert lens.within_limits(1.0) == lens.limits[1]
    assert lens.within_limits(1e-3) == 1e-3
    for wrong in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            lens.within_limits(wrong)


def test_save_and_load_agree(lens, tmp_path):
    lens.save(tmp_path / "lens.yaml")
    assert LensModel.load(tmp_path / "lens.yaml") == lens


GOOD = {
    "name": "n",
    "metres_per_step": 1e-6,
    "limits": [0.0, 1e-3],
    "blur_per_metre": 9e4,
    "calibration_width": 3840,
}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"limits": [1e-3, 0.0]}, "limits"),
        ({"limits": [0.0]}, "'limits'"),
        ({"limits": [0.0, "far"]}, "limits"),
        ({"blur_per_metre": "much"}, "'blur_per_metre'"),
        ({"blur_per_metre": -1.0}, "blur_per_metre"),
        ({"metres_per_step": math.nan}, "metres_per_step"),
        ({"blur_per_meter": 1.0}, "'blur_per_meter' is unknown"),
        ({"breathing_per_metre": -2000.0}, "breathing_per_metre"),
        ({"name": None, "limits": None}, "limits"),
    ],
)
def test_malformed_calibration_names_file_and_key(tmp_path, change, said):
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(GOOD | change))
    with pytest.raises(CalibrationError) as error:
        LensModel.load(path)
    assert "broken.yaml" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("key", GOOD)
def test_missing_key_is_named(tmp_path, key):
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in GOOD.items() if k != key}))
    with pytest.raises(CalibrationError, match=f"'{key}' is missing"):
        LensModel.load(path)


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "a: [1", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(CalibrationError, match=r"broken\.yaml"):
        LensModel.load(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CalibrationError, match="nowhere"):
        LensModel.load(tmp_path / "nowhere.yaml")


def test_numbers_that_yaml_takes_for_text_are_read(tmp_path):
    path = tmp_path / "lens.yaml"
    path.write_text(
        "name: n\nmetres_per_step: 1e-6\nlimits: [0, 1e-3]\n"
        "blur_per_metre: 9e4\ncalibration_width: 3840\n"
    )
    assert LensModel.load(path).limits == (0.0, 1e-3)


class TestReadingCurve:
    LENS = LensModel(
        "curved",
        1e-6,
        (0.0, 1e-3),
        9e4,
        3840,
        reading_curve=((0.0, 0.8), (10.0, 5.0), (20.0, 12.0)),
    )

    def test_without_one_readings_are_blur(self, lens):
        np.testing.assert_array_equal(lens.expected_reading(np.array([0.0, 3.0]), 640), [0.0, 3.0])
        np.testing.assert_allclose(lens.distance(np.array([3.0]), 640), [lens.travel(3.0, 640)])

    def test_distance_undoes_the_expected_reading(self):
        blur = np.array([1.0, 7.0, 15.0, 40.0])
        reading = self.LENS.expected_reading(blur, 3840)
        np.testing.assert_allclose(reading[:2], [0.8 + 0.42, 0.8 + 0.42 * 7])
        np.testing.assert_allclose(self.LENS.distance(reading, 3840), blur / 9e4)

    def test_it_scales_with_the_image(self):
        small = self.LENS.expected_reading(np.array([5.0]), 1920)
        assert small == pytest.approx(0.5 * self.LENS.expected_reading(np.array([10.0]), 3840))

    def test_unknown_stays_unknown(self):
        assert np.isnan(self.LENS.distance(np.array([np.nan]), 640)).all()

    def test_save_and_load_agree(self, tmp_path):
        self.LENS.save(tmp_path / "lens.yaml")
        assert LensModel.load(tmp_path / "lens.yaml") == self.LENS

    @pytest.mark.parametrize(
        "curve",
        [((0.0, 1.0),), ((0.0, 1.0), (1.0, 1.0)), ((1.0, 0.0), (0.0, 1.0)), ((-1, 0), (1, 1))],
    )
    def test_curves_must_rise(self, curve):
        with pytest.raises(CalibrationError, match="reading_curve"):
            LensModel("x", 1e-6, (0.0, 1e-3), 9e4, 3840, reading_curve=curve)

    def test_malformed_file(self, tmp_path, lens):
        lens.save(tmp_path / "lens.yaml")
        with (tmp_path / "lens.yaml").open("a") as file:
            file.write("reading_curve: [1, 2]\n")
        with pytest.raises(CalibrationError, match=r"lens\.yaml.*reading_curve"):
            LensModel.load(tmp_path / "lens.yaml")


@pytest.mark.parametrize("backlash", [-1e-6, math.nan, 1.0])
def test_impossible_backlash(backlash):
    with pytest.raises(CalibrationError, match="backlash"):
        LensModel("x", 1e-6, (0.0, 1e-3), 9e4, 3840, backlash=backlash)


class TestObjectDistances:
    TABLE = ((0.0, float("inf")), (5e-4, 1.0), (1e-3, 0.5))

    def lens(self, table=TABLE):
        return LensModel("x", 1e-6, (0.0, 1.5e-3), 9e4, 3840, object_distances=table)

    def test_reciprocals_are_linear(self):
        positions = np.array([0.0, 2.5e-4, 5e-4, 7.5e-4, 1e-3])
        expected = [np.inf, 2.0, 1.0, 2 / 3, 0.5]
        np.testing.assert_allclose(self.lens().object_distance(positions), expected, rtol=1e-6)

    def test_unknown_and_outside_the_table(self):
        assert np.isnan(self.lens().object_distance(np.array([np.nan, 1.2e-3]))).all()

    def test_survives_a_file(self, tmp_path):
        self.lens().save(tmp_path / "lens.yaml")
        assert LensModel.load(tmp_path / "lens.yaml").object_distances == self.TABLE

    @pytest.mark.parametrize(
        "table",
        [
            ((0.0, 1.0),),
            ((0.0, 1.0), (1e-3, 2.0)),
            ((1e-3, 1.0), (0.0, 0.5)),
            ((0.0, 1.0), (1e-3, -0.5)),
            ((0.0, 1.0), (float("nan"), 0.5)),
        ],
    )
    def test_impossible_tables(self, table):
        with pytest.raises(CalibrationError, match="object_distances"):
            self.lens(table)

    def test_none(self):
        with pytest.raises(CalibrationError, match="holds no object distances"):
            self.lens(()).object_distance(np.zeros(1))


POSITIVE = st.floats(1e-3, 1e3)


@st.composite
def lenses(draw):
    """Any lens whose readings grow with its blur."""
    low = draw(st.floats(-1e-2, 1e-2))
    blurs = sorted(draw(st.sets(st.integers(1, 60), max_size=6)))
    readings = sorted(draw(st.sets(st.integers(1, 90), min_size=len(blurs), max_size=len(blurs))))
    return LensModel(
        name="any",
        metres_per_step=1e-6,
        limits=(low, low + draw(st.floats(1e-4, 1e-2))),
        blur_per_metre=1e4 * draw(POSITIVE),
        calibration_width=draw(st.integers(64, 8000)),
        breathing_per_metre=draw(st.floats(-10, 10)),
        depth_of_field_px=draw(st.floats(0.5, 3)),
        reading_curve=((0.0, 0.0), *zip(map(float, blurs), map(float, readings), strict=True))
        if blurs
        else (),
    )


@given(lenses(), st.integers(64, 8000), st.floats(-100, 100))
def test_any_lens_travels_as_far_as_it_blurs(lens, width, radius):
    travel = lens.travel(radius, width)
    assert lens.blur_radius(travel, 0.0, width) == pytest.approx(radius, abs=1e-9)


@given(lenses(), st.integers(64, 8000), st.floats(0, 100))
def test_any_reading_curve_is_undone(lens, width, radius):
    reading = lens.expected_reading(np.array(radius), width)
    assert lens.distance(reading, width) == pytest.approx(lens.travel(radius, width), rel=1e-6)


@given(lenses())
def test_any_calibration_survives_its_file(lens):
    assert LensModel._from_mapping(yaml.safe_load(lens.to_yaml())) == lens


@given(lenses(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_command_stays_within_the_limits(lens, position):
    low, high = lens.limits
    assert low <= lens.within_limits(position) <= high
    assert lens.breathing_scale(lens.within_limits(position)) >= 1 - 1e-12
