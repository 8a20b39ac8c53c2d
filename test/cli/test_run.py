"""`aif run` on recorded stacks: what it writes, and what it leaves alone."""

import json
import signal

import cv2
import numpy as np
import pytest
import tifffile

from aif_ros.__main__ import main
from aif_ros.cli import _run_library
from aif_ros.devices.image_files import read_image, write_image
from aif_ros.settings import presets
from aif_ros.simulation import simulated_devices
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.types.image import to_float

SHARP = texture((96, 64), np.random.default_rng(3))
CLASSICAL = ["--preset", "classical", "--agent", "sweep"]


def planes(full):
    """Three slices, each sharp in one third."""
    gray = cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY)
    soft = cv2.GaussianBlur(gray, (0, 0), 3.0)
    found = np.stack([soft] * 3)
    for index in range(3):
        found[index, :, index * 32 : (index + 1) * 32] = gray[:, index * 32 : (index + 1) * 32]
    return (found * full).round().astype(np.uint16 if full > 255 else np.uint8)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "stack"
    folder.mkdir()
    for index, plane in enumerate(planes(255)):
        cv2.imwrite(str(folder / f"img_{index}.png"), plane)
    return folder


@pytest.mark.parametrize("devices", [["--lens"], ["--camera", "external", "--lens"]])
def test_devices_of_others_need_ros(capsys, devices):
    assert main(["run", *devices, "external"]) != 0
    assert f"{devices[0]} external needs ROS: add --ros" in capsys.readouterr().err


@pytest.fixture
def exposures(monkeypatch):
    """Exposure times of the simulated cameras that are made."""
    found = []

    class Noted(SimulatedCamera):
        def __init__(self, *args, exposure_time, **options):
            found.append(exposure_time)
            super().__init__(*args, exposure_time=exposure_time, **options)

    monkeypatch.setattr(simulated_devices, "SimulatedCamera", Noted)
    return found


SIMULATED = [
    ["run", *CLASSICAL, "--scene"],
    ["autofocus", "--window", "0", "0", "64", "64", "--search", "sweep"],
]


@pytest.mark.parametrize("command", SIMULATED)
@pytest.mark.parametrize(("given", "used"), [([], 0.008), (["--exposure-time", "0.02"], 0.02)])
def test_exposure_time_of_a_simulated_camera(folder, exposures, command, given, used):
    assert main([*command, str(folder), *given]) == 0
    assert exposures == [used]


@pytest.mark.parametrize("command", SIMULATED)
@pytest.mark.parametrize("given", ["0", "0.1"])
def test_exposure_time_that_a_simulated_camera_cannot_have(
    folder, exposures, capsys, command, given
):
    assert main([*command, str(folder), "--exposure-time", given]) == 2
    said = capsys.readouterr().err
    assert "--exposure-time must be more than 0 and at most 0.0333 s" in said
    assert not exposures


@pytest.mark.parametrize("command", [["run", "--scene"], ["autofocus"]])
def test_slices_without_a_difference_are_no_matter_of_a_motor(tmp_path, capsys, command):
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), planes(255)[0])
    options = ["--preset", "classical", "-o", str(tmp_path / "o.jpg")]
    if command == ["autofocus"]:
        options = ["--search", "fibonacci", "--window", "0", "0", "64", "64"]
    assert main([*command, str(tmp_path), *options]) != 0
    said = "".join(capsys.readouterr())
    assert "the slices differ by noise only" in said
    assert "motor" not in said


@pytest.mark.parametrize("command", [["run", "--scene"], ["stack"]])
def test_slices_of_one_bit_are_reported(tmp_path, capsys, caplog, command):
    """Grey levels rendered by the density of black and white pixels."""
    for number in range(3):
        random = np.random.default_rng(number).random(SHARP.shape[:2])
        dithered = cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY) > random
        cv2.imwrite(str(tmp_path / f"{number}.png"), 255 * dithered.astype(np.uint8))
    options = [] if command == ["stack"] else ["--preset", "classical"]
    main([*command, str(tmp_path), *options, "-o", str(tmp_path / "o.jpg")])
    assert "1 bit" in caplog.text
    assert "motor" not in capsys.readouterr().err


def test_the_travel_of_a_long_rail_is_no_fault(folder, tmp_path):
    """Slices 0.2 m apart: how fast the lens was then is not recorded."""
    (folder / "info.yaml").write_text("positions: [0.1, 0.3, 0.5]\n")
    output = tmp_path / "o.png"
    assert main(["run", "--scene", str(folder), *CLASSICAL, "-o", str(output)]) == 0
    assert psnr(to_float(read_image(output)), cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY)) > 30


@pytest.mark.parametrize("command", ["run", "autofocus", "calibrate"])
def test_a_slice_of_another_scene_is_named(folder, tmp_path, capsys, command):
    other = cv2.cvtColor(texture((96, 64), np.random.default_rng(8)), cv2.COLOR_RGB2GRAY)
    cv2.imwrite(str(folder / "img_1b.png"), (255 * other).round().astype(np.uint8))
    arguments = {
        "run": ["--scene", str(folder), *CLASSICAL, "-o", str(tmp_path / "o.png")],
        "autofocus": [str(folder), "--search", "sweep", "--window", "0", "0", "64", "64"],
        "calibrate": [str(folder), "--travel", "1e-4", "-o", str(tmp_path / "lens.yaml")],
    }
    main([command, *arguments[command]])
    said = capsys.readouterr().err
    assert "1 of 4 slices does not match the others" in said
    assert str(folder / "img_1b.png") in said


@pytest.mark.parametrize(
    "name, shown", [("img_00.png", 1), ("img_1b.png", 1), ("img_3.png", 1), ("img_1b.png", 0)]
)
def test_a_slice_of_no_use_is_not_fused(folder, tmp_path, capsys, name, shown):
    """It shows another scene, or is black."""
    other = cv2.cvtColor(texture((96, 64), np.random.default_rng(8)), cv2.COLOR_RGB2GRAY)
    cv2.imwrite(str(folder / name), (255 * shown * other).round().astype(np.uint8))
    output, results = tmp_path / "o.png", tmp_path / "o.json"
    arguments = ["run", "--scene", str(folder), *CLASSICAL, "-o", str(output)]
    assert main([*arguments, "--json", str(results)]) == 0
    assert psnr(to_float(read_image(output)), cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY)) > 30
    said = capsys.readouterr().err
    assert str(folder / name) in said
    if name == "img_1b.png":
        assert json.loads(results.read_text())["frames_not_fused"] == 1
        assert "1 frame is not fused" in said


@pytest.mark.parametrize("full", [65535, 4095, 1023])
def test_deep_slices_give_a_deep_picture(tmp_path, full):
    tifffile.imwrite(tmp_path / "z.tif", planes(full), photometric="minisblack", metadata=None)
    arguments = ["run", "--scene", str(tmp_path / "z.tif"), *CLASSICAL]
    assert main([*arguments, "-o", str(tmp_path / "o.tif")]) == 0
    picture = read_image(tmp_path / "o.tif")
    assert picture.dtype == np.uint16
    assert len(np.unique(picture)) > 500
    assert picture.max() > 40_000


def test_slices_of_8_and_16_bits_are_one_stack(folder, capsys):
    for index in (0, 2):
        odd = folder / f"img_{index}.png"
        cv2.imwrite(str(odd), cv2.imread(str(odd), cv2.IMREAD_UNCHANGED).astype(np.uint16) * 257)
    arguments = ["run", "--scene", str(folder), *CLASSICAL, "-o", str(folder / "sharp.png")]
    assert main(arguments) == 0
    picture = to_float(read_image(folder / "sharp.png"))
    assert psnr(picture, cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY)) > 30
    assert (
        main(["autofocus", str(folder), "--search", "sweep", "--window", "35", "0", "26", "64"])
        == 0
    )
    assert "in focus at 0.7500 mm" in capsys.readouterr().out


def test_own_picture_in_the_folder_is_no_slice(folder):
    arguments = ["run", "--scene", str(folder), *CLASSICAL, "-o", str(folder / "sharp.png")]
    for _ in range(2):
        assert main(arguments) == 0
    assert read_image(folder / "sharp.png").dtype == np.uint8


def test_a_damaged_slice_is_left_out(folder, caplog):
    cv2.imwrite(str(folder / "img_1b.png"), cv2.imread(str(folder / "img_1.png")))
    odd = folder / "img_1b.png"
    odd.write_bytes(odd.read_bytes()[:-1000])
    output = folder.parent / "sharp.png"
    assert main(["run", "--scene", str(folder), *CLASSICAL, "-o", str(output)]) == 0
    assert "img_1b.png cannot be decoded" in caplog.text
    assert psnr(to_float(read_image(output)), cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY)) > 30


def test_an_interrupt_while_the_image_is_written_does_not_cost_it(folder, tmp_path, monkeypatch):
    def write(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        write_image(*arguments, **options)

    monkeypatch.setattr(_run_library, "write_image", write)
    output = tmp_path / "sharp.png"
    assert main(["run", "--scene", str(folder), *CLASSICAL, "-o", str(output)]) == 0
    assert read_image(output).shape == (64, 96)


def test_a_slice_is_not_overwritten(folder, capsys):
    before = (folder / "img_1.png").read_bytes()
    assert main(["run", "--scene", str(folder), "-o", str(folder / "img_1.png")]) == 2
    assert "name another file" in capsys.readouterr().err
    assert (folder / "img_1.png").read_bytes() == before


@pytest.mark.parametrize("output", ["o.gif", "/proc/nope/o.png"])
def test_output_is_checked_before_the_loop(folder, capsys, output):
    assert main(["run", "--scene", str(folder), "-o", output]) == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("run", "-o"),
        ("run", "--json"),
        ("autofocus", "--json"),
        ("calibrate", "-o"),
        ("calibrate", "--json"),
        ("calibrate", "--plot"),
    ],
)
def test_no_output_replaces_an_input(folder, tmp_path, capsys, command, output):
    file = folder / "img_1.png"
    before = file.read_bytes()
    arguments = {
        "run": ["--scene", str(folder), *CLASSICAL],
        "autofocus": [str(folder), "--search", "sweep"],
        "calibrate": [str(folder), "--travel", "1e-4"],
    }
    if (command, output) != ("calibrate", "-o"):
        arguments["calibrate"] += ["-o", str(tmp_path / "lens.yaml")]
    assert main([command, *arguments[command], output, str(file)]) == 2
    assert f"{file} is an input" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize("command", [["run", "--ros"], ["run"], ["demo"]])
def test_pictures_too_small_for_the_maps_are_refused_before_the_start(capsys, command):
    assert main([*command, "--width", "20"]) == 2
    assert "--width 20: 32 pixels a side are needed" in capsys.readouterr().err


def test_a_real_lens_without_a_real_camera_is_refused(tmp_path, capsys):
    code = main(["run", *CLASSICAL, "--lens", "moonlite:/dev/nothere"])
    assert code == 2
    assert "add --camera CAMERA" in capsys.readouterr().err


def test_the_json_names_the_preset_that_took_the_place_of_the_default(
    folder, tmp_path, monkeypatch
):
    def run(*arguments):
        out = tmp_path / "run.json"
        assert main(["run", "--scene", str(folder), *arguments, "--json", str(out)]) == 0
        return json.loads(out.read_text())

    assert run(*CLASSICAL)["warning"] == ""
    monkeypatch.setattr(presets, "missing_for_networks", lambda: "PyTorch")
    assert "'classical'" in run("--agent", "sweep")["warning"]
