"""Autofocus on recorded stacks, made here of two planes at known positions."""

import json

import cv2
import numpy as np
import pytest

from aif_ros.__main__ import main
from aif_ros.autofocus.searches import make_search
from aif_ros.benchmarks import stack_autofocus
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.image import ImageError

SIZE = (256, 128)
SLICES = 13
LENS = LensModel("test", 1.25e-4, (0.0, 1.5e-3), 14e3, SIZE[0])
LEFT, RIGHT = 3, 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of one stack: its left half is sharp in slice 3, its right half in slice 9."""
    stack = tmp_path_factory.mktemp("stacks") / "planes"
    stack.mkdir()
    positions = np.linspace(0.0, 1.5e-3, SLICES)
    place = np.where(np.arange(SIZE[0]) < 128, positions[LEFT], positions[RIGHT])
    place = place.astype(np.float32)[None].repeat(SIZE[1], axis=0)
    view = SceneView(texture(SIZE, np.random.default_rng(4)), place)
    sensor = Sensor()
    for index, position in enumerate(positions):
        image = sensor.expose(render(view, LENS, position))
        cv2.imwrite(str(stack / f"{index:02}.png"), image)
    return stack.parent


def test_windows_have_the_right_sharpest_slice(folder):
    stack = FocalStack(folder / "planes")
    slices = [stack.read(index)[..., 1].astype(np.float32) / 255 for index in range(SLICES)]
    windows = stack_autofocus.textured_windows(slices)
    assert len(windows) == 8
    assert {(window.x < 128, index) for window, index in windows} == {(True, 3), (False, 9)}


def test_pictures_smaller_than_a_window():
    with pytest.raises(ImageError, match="at least 64"):
        stack_autofocus.textured_windows([np.zeros((60, 200), np.float32)])


def test_pictures_without_texture():
    with pytest.raises(ImageError, match="nothing in the slices comes into focus"):
        stack_autofocus.textured_windows([np.full((128, 128), 0.5, np.float32)] * 3)


def test_runs_are_judged_by_the_sharpest_slice(folder):
    class Stays:
        """Ends where it began."""

        def begin(self, position, limits, image_width):
            self.inner = make_search("fibonacci", LENS)
            self.inner.begin(position, limits, image_width)
            self.measurements = self.inner.measurements

        def update(self, patch, position):
            from aif_ros.autofocus.search import Decision, FocusMeasurement

            self.measurements.append(FocusMeasurement(position, 0.0))
            return Decision(position, True, True, "lazy")

    stack = FocalStack(folder / "planes")
    runs = stack_autofocus.compare_on_stack(stack, LENS, {"stays": Stays()})["stays"]
    assert len(runs) == stack_autofocus.WINDOWS * stack_autofocus.STARTS
    for run in runs:
        assert run.success == (abs(run.start - run.sharpest) < 1.5 * 1.25e-4)
        assert run.images == 1
    figures = stack_autofocus.figures(runs)
    assert 0 < figures["success_rate"] < 0.5
    assert figures["images_mean"] == figures["images_p95"] == 1


def test_command(folder, tmp_path, capsys):
    results = tmp_path / "results.json"
    arguments = ["benchmark", "autofocus", "--stacks", str(folder), "--search", "sweep", "neural"]
    assert main([*arguments, "--save", str(tmp_path), "--json", str(results)]) == 0
    assert (tmp_path / "autofocus_stacks.png").stat().st_size > 0
    result = json.loads(results.read_text())
    assert result["stacks"]["planes"]["slices"] == SLICES
    for name in ("sweep", "neural"):
        assert result["methods"][name]["runs"] == 48
        assert result["methods"][name]["success_rate"] >= 0.9
    assert result["methods"]["neural"]["images_mean"] < result["methods"]["sweep"]["images_mean"]
    assert "planes" in capsys.readouterr().out


def test_no_stacks(tmp_path, capsys):
    assert main(["benchmark", "autofocus", "--stacks", str(tmp_path)]) != 0
    assert "no focal stack" in capsys.readouterr().err
