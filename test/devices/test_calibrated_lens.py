"""A lens that is opened for use: its limits are reported first, its backlash is compensated."""

from dataclasses import replace

from aif_ros.devices.backlash import BacklashCompensation
from aif_ros.devices.calibrated_lens import open_calibrated_lens
from aif_ros.devices.clock import SimulatedClock
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 14e3, 128)


class Motor:
    limits = LENS.limits

    def limits_report(self, lens_model):
        return [f"limits of {lens_model.name}", "a doubt"]


def test_limits_are_reported_and_backlash_is_compensated():
    opened, reported = [], []

    def opener(text, clock, lens_model):
        opened.append((text, lens_model))
        return Motor()

    clock = SimulatedClock()
    plain = open_calibrated_lens("x:y", clock, LENS, reported.extend, opener=opener)
    assert isinstance(plain, Motor)
    loose = replace(LENS, backlash=2e-5)
    lens = open_calibrated_lens("x:y", clock, loose, reported.extend, opener=opener)
    assert isinstance(lens, BacklashCompensation)
    assert opened == [("x:y", LENS), ("x:y", loose)]
    assert reported == ["limits of test", "a doubt"] * 2
