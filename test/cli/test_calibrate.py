"""`aif calibrate` on stacks in several forms, and what it reports of assumed travels."""

import json

import cv2
import numpy as np
import pytest
import tifffile

from aif_ros.__main__ import main
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView

SIZE = (256, 192)
COUNT = 13
PITCH = 1.5e-3 / (COUNT - 1)
LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 8e3, SIZE[0])


@pytest.fixture(scope="module")
def slices():
    view = SceneView(
        texture(SIZE, np.random.default_rng(2)), np.full(SIZE[::-1], 6 * PITCH, np.float32)
    )
    sensor = Sensor()
    positions = np.arange(COUNT) * PITCH
    return [sensor.expose(render(view, LENS, position)) for position in positions]


@pytest.fixture
def folder(tmp_path, slices):
    folder = tmp_path / "sweep"
    folder.mkdir()
    for index, image in enumerate(slices):
        cv2.imwrite(str(folder / f"{index}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def calibrate(tmp_path, source, *options):
    results = tmp_path / "results.json"
    arguments = ["calibrate", str(source), "-o", str(tmp_path / "lens.yaml"), *options]
    assert main([*arguments, "--json", str(results)]) == 0
    result = json.loads(results.read_text())
    assert LensModel.load(tmp_path / "lens.yaml").blur_per_metre > 0
    return result


def test_assumed_travel_is_reported(folder, tmp_path, capsys):
    assert calibrate(tmp_path, folder)["travel_assumed"]
    assert "the travel is assumed, 0 to 1.5 mm" in capsys.readouterr().out


def test_given_travel_is_no_assumption(folder, tmp_path, capsys):
    assert not calibrate(tmp_path, folder, "--travel", str(PITCH))["travel_assumed"]
    assert "assumed" not in capsys.readouterr().out


def test_travel_of_a_multi_page_file_is_read(slices, tmp_path):
    metadata = {"axes": "ZYX", "spacing": PITCH * 1e6, "unit": "um"}
    planes = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in slices])
    tifffile.imwrite(tmp_path / "z.tif", planes, imagej=True, metadata=metadata)
    result = calibrate(tmp_path, tmp_path / "z.tif")
    assert not result["travel_assumed"]
    assert result["blur_per_metre"]["value"] == pytest.approx(LENS.blur_per_metre, rel=0.3)


@pytest.mark.parametrize("option", [["--travel", "300"], ["--limits", "0", "1500"]])
def test_steps_are_no_metres(folder, tmp_path, capsys, option):
    assert main(["calibrate", str(folder), "-o", str(tmp_path / "l.yaml"), *option]) == 2
    assert "give metres" in capsys.readouterr().err


def test_a_channel_of_a_file_with_several(slices, tmp_path):
    planes = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in slices])
    both = np.stack([np.full_like(planes, 128), planes], axis=1)
    metadata = {"axes": "ZCYX", "spacing": PITCH * 1e6, "unit": "um"}
    tifffile.imwrite(tmp_path / "zc.tif", both, imagej=True, metadata=metadata)
    result = calibrate(tmp_path, tmp_path / "zc.tif", "--channel", "1")
    assert result["blur_per_metre"]["value"] == pytest.approx(LENS.blur_per_metre, rel=0.3)


def refused(folder, tmp_path, *options):
    output = tmp_path / "refused.yaml"
    arguments = ["calibrate", str(folder), "-o", str(output), "--travel", str(PITCH), *options]
    return main(arguments) == 2 and not output.exists()


def test_positions_that_grow_towards_far_objects_are_refused(folder, tmp_path, capsys):
    near = ["--near", "0", "0", "64", "96"]
    result = calibrate(tmp_path, folder, "--travel", str(PITCH), *near)
    assert result["direction"] == {"towards": "unknown", "evidence": ""}
    shown = capsys.readouterr()
    assert "direction: unknown" in shown.out
    assert "--near shows no direction" in shown.err
    assert refused(folder, tmp_path, "--higher-focuses", "far")
    words = "far objects are in focus at the higher positions, as you state, but near ones must be"
    assert words in capsys.readouterr().err
    view = SceneView(
        texture(SIZE, np.random.default_rng(2)), np.full(SIZE[::-1], 5 * PITCH, np.float32)
    )
    view.focus_position[:, SIZE[0] // 2 :] = 8 * PITCH
    for index in range(COUNT):
        # Near objects, on the right, at the lower positions: the motor counts the other way.
        image = Sensor(seed=index).expose(render(view, LENS, (COUNT - 1 - index) * PITCH))
        cv2.imwrite(str(folder / f"{index}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    near = ["--near", str(SIZE[0] // 2), "0", str(SIZE[0] // 2), str(SIZE[1])]
    assert refused(folder, tmp_path, *near)
    assert "list the slices in the other order" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--near", "200", "0", "200", "10"], "--near 200 0 200 10 does not lie within"),
        (["--travel", "-1"], "--travel: -1 m is no position"),
        (["--range", "0", "1e-3"], "--range is for a live calibration"),
        (["--slices", "9"], "--slices is for a live calibration"),
        (["--exposure-time", "0.02"], "--exposure-time is for a live calibration"),
        (["--search", "sweep"], "--search is for a live calibration"),
    ],
)
def test_wrong_options_are_named(folder, tmp_path, capsys, options, said):
    assert main(["calibrate", str(folder), "-o", str(tmp_path / "l.yaml"), *options]) == 2
    assert said in capsys.readouterr().err


def test_photographs_in_the_wrong_order(folder, tmp_path, capsys):
    # Slice 6 is in focus.
    swapped = [str(folder / "2.png"), str(folder / "6.png"), "--travel", str(4 * PITCH)]
    assert main(["calibrate", *swapped, "-o", str(tmp_path / "l.yaml")]) == 2
    assert "give the one in focus first" in capsys.readouterr().err


def test_outputs_are_checked_first(folder, capsys):
    assert main(["calibrate", str(folder), "-o", "/proc/nope/lens.yaml"]) == 2
    assert "/proc/nope" in capsys.readouterr().err


def test_tiny_pictures_are_refused(tmp_path, capsys):
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.zeros((48, 80), np.uint8))
    output = tmp_path / "lens.yaml"
    assert main(["calibrate", str(tmp_path), "--travel", "1e-4", "-o", str(output)]) == 2
    assert "has 80x48 pixels: a calibration needs 64 a side" in capsys.readouterr().err
    assert not output.exists()
