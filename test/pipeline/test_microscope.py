"""The demonstration microscope of pymmcore-plus: its fluorescent beads blur with the Z stage."""

import pytest

pytest.importorskip("pymmcore_plus", reason="needs pymmcore-plus")
pytest.importorskip("mm_test_adapters", reason="needs mm-test-adapters")

import numpy as np
import useq
from pymmcore_plus import CMMCorePlus

from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.microscope import AutofocusEngine, Microscope
from aif_ros.types.frame import Window

# The adapter's BeadBlurRate, 0.5 pixels of blur for each micrometre from 0.
LENS = LensModel("demo", 1e-6, (-40e-6, 60e-6), 0.5e6, 512)
# As `aif calibrate` finds it, in equivalent blur radius: what the heights rest on.
CALIBRATED = LensModel(
    "demo",
    2e-7,
    (-40e-6, 60e-6),
    0.586e6,
    512,
    reading_curve=((0.0, 1.73), (2.51, 3.29), (5.02, 5.23), (8.79, 9.83)),
)


@pytest.fixture
def core():
    core = CMMCorePlus()
    core.loadSystemConfiguration("MMConfig_demo.cfg")
    core.setProperty("Camera", "Mode", "Fluorescent Beads")
    core.setProperty("Camera", "BitDepth", "12")
    core.setExposure(20)
    yield core
    core.unloadAllDevices()


@pytest.fixture
def microscope(core):
    return Microscope(core, LENS, search="fibonacci", estimator="gradient_ratio", agent="sweep")


def test_focuses_from_afar(core, microscope):
    core.setPosition(50)
    run = microscope.focus()
    assert run.focused
    assert core.getPosition() == pytest.approx(0, abs=2)


@pytest.mark.parametrize("start", [-30, -10, 0, 50])
def test_focuses_with_the_networks(core, start):
    """The beads have soft rims: in focus they read as blurred by 3 px."""
    core.setPosition(start)
    window = Window.centred((512, 512), 256)
    run = Microscope(core, LENS, search="neural").focus(window)
    assert run.focused
    assert core.getPosition() == pytest.approx(0, abs=2)
    assert len(run.measurements) <= 15


def test_an_all_in_focus_snapshot_with_its_height_map(core):
    core.setPosition(20)
    snapshot = Microscope(core, CALIBRATED).all_in_focus()
    known = np.isfinite(snapshot.height)
    assert snapshot.image.shape == snapshot.height.shape == (512, 512)
    assert known.mean() > 0.4
    # All beads lie at 0; the captures are several micrometres apart.
    assert np.median(snapshot.height[known]) == pytest.approx(0, abs=2e-6)
    assert len(snapshot.positions) >= 3


def test_autofocus_actions_of_an_acquisition(core, microscope):
    core.mda.set_engine(AutofocusEngine(microscope))
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 30), (0, 0, 25)],
        autofocus_plan=useq.AxesBasedAF(axes=("p",), autofocus_motor_offset=0),
    )
    positions = []
    core.mda.events.frameReady.connect(
        lambda image, event, meta: positions.append(core.getZPosition())
    )
    core.mda.run(sequence)
    assert positions == pytest.approx([0, 0], abs=2)


def test_failed_autofocus_keeps_the_stage_and_the_acquisition_continues(
    core, microscope, monkeypatch
):
    def fail():
        core.setZPosition(12)
        raise DeviceError("the stage has stalled")

    monkeypatch.setattr(microscope, "focus", fail)
    core.mda.set_engine(AutofocusEngine(microscope))
    sequence = useq.MDASequence(
        stage_positions=[(0, 0, 30)],
        autofocus_plan=useq.AxesBasedAF(axes=("p",), autofocus_motor_offset=0),
    )
    positions = []
    core.mda.events.frameReady.connect(
        lambda image, event, meta: positions.append(core.getZPosition())
    )
    core.mda.run(sequence)
    assert positions == pytest.approx([30], abs=0.3)
