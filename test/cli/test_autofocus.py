"""`aif autofocus` on a recorded stack, and what it says when it cannot focus."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile

from aif_ros.__main__ import main
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.simulated_lens import SimulatedLens

SIZE = (192, 128)
# Five slices 0.3 mm apart, far more than the depth of field; sharp in the fourth, at 1.125 mm.
LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 14e3, SIZE[0])
FOCUS = 1.125e-3


def write(folder, image_at):
    folder.mkdir()
    for index, position in enumerate(np.linspace(0.0, 1.5e-3, 5)):
        cv2.imwrite(str(folder / f"{index}.png"), image_at(position))
    return folder


@pytest.fixture
def stack(tmp_path):
    view = SceneView(
        texture(SIZE, np.random.default_rng(2)), np.full(SIZE[::-1], FOCUS, np.float32)
    )
    sensor = Sensor()
    return write(tmp_path / "stack", lambda at: sensor.expose(render(view, LENS, at)))


def focus(folder, tmp_path, *options):
    results = tmp_path / "results.json"
    code = main(["autofocus", str(folder), *options, "--json", str(results)])
    if code == 2:
        return None
    result = json.loads(results.read_text())
    # Scripts see by the exit code whether the window is in focus.
    assert code == (0 if result["focused"] else 1)
    return result


@pytest.mark.parametrize("search", ["neural", "fibonacci"])
def test_focuses_with_the_calibration_that_is_given(stack, tmp_path, search):
    LENS.save(tmp_path / "lens.yaml")
    options = ["--search", search, "--calibration", str(tmp_path / "lens.yaml")]
    result = focus(stack, tmp_path, *options, "--save", str(tmp_path / "out"))
    assert result["focused"]
    assert result["images"] == len(result["looks"])
    assert abs(result["position"] - FOCUS) < 0.19e-3
    assert (tmp_path / "out" / "window.png").is_file()


@pytest.mark.parametrize("command", ["autofocus", "run"])
def test_backlash_of_the_calibration_is_compensated(stack, tmp_path, monkeypatch, command):
    replace(LENS, backlash=5e-5).save(tmp_path / "lens.yaml")
    commands = []
    move_to = SimulatedLens.move_to

    def noted(lens, position):
        commands.append(position)
        move_to(lens, position)

    monkeypatch.setattr(SimulatedLens, "move_to", noted)
    calibrated = ["--calibration", str(tmp_path / "lens.yaml")]
    words = {
        "autofocus": ["autofocus", str(stack), "--search", "fibonacci", *calibrated],
        "run": ["run", "--scene", str(stack), "--preset", "classical", *calibrated],
    }
    assert main(words[command]) == 0
    # Each move downwards is followed by one upwards, which takes up the backlash.
    down = [i for i in range(1, len(commands)) if commands[i] < commands[i - 1]]
    assert down
    assert all(commands[i + 1] > commands[i] for i in down)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--start", "0.01"], "--start must lie within the travel"),
        (["--range", "1e-3", "1e-4"], "--range must be LOW HIGH, got 0.001 and 0.0001"),
        (["--window", "100", "0", "200", "9"], "--window 100 0 200 9 does not lie within"),
        (["--window", "9", "9", "1", "7"], "--window 9 9 1 7 is too small: 8 pixels a side"),
        (["--channel", "GFP"], "hold one image without channels"),
    ],
)
def test_options_are_checked_before_networks_are_loaded(
    stack, tmp_path, capsys, monkeypatch, option, said
):
    def load(*arguments):
        raise AssertionError("a network was loaded")

    monkeypatch.setattr("aif_ros.autofocus.searches.make_search", load)
    monkeypatch.setattr("aif_ros.calibration.sweep_calibration.calibrate_stack", load)
    assert focus(stack, tmp_path, *option) is None
    assert said in capsys.readouterr().err


def test_a_channel_of_a_file_with_several(stack, tmp_path, capsys):
    pages = np.stack(
        [cv2.imread(str(stack / f"{index}.png"), cv2.IMREAD_GRAYSCALE) for index in range(5)]
    )
    both = np.stack([np.full_like(pages, 128), pages], axis=1)
    tifffile.imwrite(tmp_path / "zc.tif", both, imagej=True, metadata={"axes": "ZCYX"})
    assert focus(tmp_path / "zc.tif", tmp_path, "--search", "sweep") is None
    assert "--channel" in capsys.readouterr().err
    assert focus(tmp_path / "zc.tif", tmp_path, "--search", "sweep", "--channel", "1")["focused"]


def test_positions_of_a_multi_page_file_are_read(stack, tmp_path):
    pages = [cv2.imread(str(stack / f"{index}.png"), cv2.IMREAD_GRAYSCALE) for index in range(5)]
    metadata = {"axes": "ZYX", "spacing": 0.2, "unit": "mm"}
    tifffile.imwrite(tmp_path / "z.tif", np.stack(pages), imagej=True, metadata=metadata)
    result = focus(tmp_path / "z.tif", tmp_path, "--search", "sweep")
    assert result["focused"]
    assert result["position"] == pytest.approx(0.6e-3, abs=0.02e-3)


@pytest.mark.parametrize("option", [["--start", "300"], ["--range", "0", "1500"]])
def test_steps_are_no_metres(stack, capsys, option):
    assert main(["autofocus", str(stack), *option]) == 2
    assert "give metres" in capsys.readouterr().err


def test_without_a_calibration_the_stack_calibrates_itself(stack, tmp_path):
    result = focus(stack, tmp_path)
    assert result["focused"]
    assert abs(result["position"] - FOCUS) < 0.19e-3


@pytest.mark.parametrize("level", [0, 255])
def test_nothing_to_focus_on(tmp_path, level):
    folder = write(tmp_path / "flat", lambda at: np.full((128, 192, 3), level, np.uint8))
    result = focus(folder, tmp_path, "--start", "0.00075")
    assert not result["focused"]
    assert "nothing to focus on" in result["reason"]
    assert result["position"] == pytest.approx(0.75e-3)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--window", "150", "0", "64", "64"], "does not lie within the image of 192x128"),
        (["--window", "0", "0", "32", "32"], "less than 64 x 64 px, got 32 x 32"),
        (["--start", "0.002"], "--start must lie within the travel"),
        (["--range", "0.001", "0.0005"], "--range must be LOW HIGH"),
        (["--search", "magic"], "--search must be one of neural"),
    ],
)
def test_impossible_requests_are_reported(stack, tmp_path, capsys, options, message):
    LENS.save(tmp_path / "lens.yaml")
    calibration = ["--calibration", str(tmp_path / "lens.yaml")]
    assert main(["autofocus", str(stack), *calibration, *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["autofocus", "calibrate", "run"])
@pytest.mark.parametrize(
    "pages, photometric, reason",
    [
        (1, "minisblack", "holds one image: a focal stack needs at least two"),
        (3, "itulab", "ITULAB colours of type uint8: save it as RGB or grey"),
    ],
)
def test_a_file_that_is_no_stack_is_refused_with_the_reason(
    tmp_path, capsys, command, pages, photometric, reason
):
    file = tmp_path / "z.tif"
    shape = (pages, 48, 64, 3) if photometric == "itulab" else (pages, 48, 64)
    tifffile.imwrite(file, np.zeros(shape, np.uint8), metadata=None, photometric=photometric)
    arguments = {
        "autofocus": [str(file), "--search", "fibonacci"],
        "calibrate": [str(file), "-o", str(tmp_path / "lens.yaml"), "--travel", "1e-4"],
        "run": ["--scene", str(file), "--preset", "classical", "-o", str(tmp_path / "o.png")],
    }
    assert main([command, *arguments[command]]) == 2
    assert reason in capsys.readouterr().err


def test_the_file_for_unknown_positions_is_named(tmp_path, capsys):
    file = tmp_path / "z.tif"
    pages = np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8)
    pages[2:] = cv2.GaussianBlur(pages[2], (0, 0), 2.0)
    tifffile.imwrite(file, pages, metadata=None, photometric="minisblack")
    main(["autofocus", str(file), "--search", "sweep"])
    assert f"give them in {file}.yaml" in capsys.readouterr().out


def test_bits_per_sample_of_a_rendered_scene_are_refused(capsys):
    assert main(["autofocus", "planes", "--bits-per-sample", "12"]) == 2
    assert (
        "--bits-per-sample has no effect on the images of a rendered scene"
        in capsys.readouterr().err
    )
