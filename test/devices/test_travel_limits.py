import pytest

from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import DeviceError
from aif_ros.devices.moonlite import MoonliteLens, MoonliteSettings
from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
from aif_ros.devices.simulators.serial_line import SerialSimulator
from aif_ros.devices.travel_limits import CALIBRATION, DEVICE, URI, Source, TravelLimits
from aif_ros.optics.lens_model import CalibrationError, LensModel


def limits(uri=(None, None), calibration=(None, None), device=(0, 65535), scale=4e-6, step=1):
    sources = (Source(DEVICE, *device), Source(URI, *uri), Source(CALIBRATION, *calibration))
    least = step or 0.2
    return TravelLimits.intersection(sources, "steps", scale, step=step, least=least)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "0 to 0.26214 m (0 to 65535 steps): from the device"),
        (
            {"uri": (None, 8000)},
            "0 to 0.032 m (0 to 8000 steps): low from the device, high from low and high in its",
        ),
        (
            {"calibration": (500, 9000)},
            "0.002 to 0.036 m (500 to 9000 steps): from the calibration",
        ),
        (
            {"uri": (None, 8000), "scale": -4e-6},
            "-0.032 to 0 m (8000 to 0 steps): low from low and high in its URI, high from the",
        ),
    ],
)
def test_what_sets_the_limits_is_named(arguments, words):
    assert str(limits(**arguments)).startswith(words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"uri": (0, 0.03)}, "low and high are steps, not metres: 0.03 m are 7500 steps"),
        (
            {"uri": (-15e-6, 15e-6), "device": (None, None), "scale": 1e-6, "step": 0},
            "low and high are steps, not metres: 1.5e-05 m are 15 steps",
        ),
        (
            {"uri": (None, 8000), "calibration": (-8000, 0)},
            "-0.032 to 0 m (-8000 to 0 steps) by the calibration. The calibration was made with "
            "the other sign of metres_per_unit",
        ),
        (
            {"uri": (None, 8000), "calibration": (9000, 12000)},
            "any to 0.032 m (any to 8000 steps) by low and high in its URI, 0.036 to 0.048 m "
            "(9000 to 12000 steps) by the calibration. Give the calibration of this lens",
        ),
        (
            {"uri": (None, 8000), "calibration": (9000, 12000), "scale": -4e-6},
            "-0.26214 to 0 m (65535 to 0 steps) by the device, -0.032 to any m (8000 to any steps) "
            "by low and high in its URI, -0.048 to -0.036 m (12000 to 9000 steps) by the calib",
        ),
        ({"uri": (70000, 80000)}, "by low and high in its URI. Correct low and high"),
    ],
)
def test_limits_that_leave_nothing_are_explained(arguments, words):
    with pytest.raises(ValueError, match="has nowhere to move") as caught:
        limits(**arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("low", "high", "doubts"), [(0, 65535, 0), (100, 70000, 1), (-5000, 900, 1), (0, 65600, 0)]
)
def test_a_calibration_beyond_the_device_is_doubted(low, high, doubts):
    doubt = limits(calibration=(low, high)).doubt
    assert bool(doubt) == doubts
    assert not doubts or "see that it is of this lens" in doubt


def test_a_doubt_with_a_negative_scale_has_its_limits_in_order():
    doubt = limits(calibration=(100, 70000), scale=-4e-6).doubt
    assert "allows -0.28 to -0.0004 m (70000 to 100 steps), more than the device, -0.2" in doubt


def test_reversed_limits():
    with pytest.raises(ValueError, match="low must be below high, got low=5 and high=3"):
        MoonliteSettings(low=5, high=3)


def test_limits_in_counts_are_no_calibration(tmp_path):
    file = tmp_path / "lens.yaml"
    LensModel("counts", 4e-6, (0.0, 8000.0), 1e4, 640).save(file)
    with pytest.raises(CalibrationError, match=r"lens.yaml: key 'limits': 8000 m is no position"):
        LensModel.load(file)


def test_the_report_names_a_calibration_of_another_step(tmp_path):
    with SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line:
        settings = MoonliteSettings(metres_per_unit=8e-6, high=8000)
        lens = MoonliteLens(str(line.path), SystemClock(), settings, limits=(0.0, 0.032))
        assert lens.limits_report() == [
            f"limits of the Moonlite focuser at {line.path}: 0 to 0.032 m (0 to 4000 steps): low "
            "from the device, high from the calibration"
        ]
        (_, doubt) = lens.limits_report(LensModel("other", 4e-6, (0.0, 0.032), 1e4, 640))
        assert "a step of the lens is 8e-06 m, by the calibration 'other' 4e-06 m" in doubt
        assert len(lens.limits_report(LensModel("same", 8.02e-6, (0.0, 0.032), 1e4, 640))) == 1
        lens.close()


def test_a_protocol_without_limits_is_named(tmp_path):
    with SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line:
        lens = MoonliteLens(str(line.path), SystemClock())
        (_, note) = lens.limits_report()
        assert "does not report where its travel ends: give it, in steps (?high=...)" in note
        lens.close()


def test_metres_for_counts(tmp_path):
    with (
        SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line,
        pytest.raises(DeviceError, match="low and high are steps, not metres"),
    ):
        MoonliteLens(str(line.path), SystemClock(), MoonliteSettings(high=0.032))
