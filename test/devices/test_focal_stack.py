import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from camera_contract import CameraContract
from lens_contract import LensContract

from aif_ros.autofocus.searches import make_search
from aif_ros.control.sweep import sweep_positions
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError
from aif_ros.devices.focal_stack import FocalStack, is_focal_stack
from aif_ros.devices.image_files.stack_axes import Selection
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_step import focus_window
from aif_ros.pipeline.rig import Rig
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens


def write_slices(folder, count=5, suffix=".png", dtype=np.uint8, shape=(6, 8, 3)):
    """Slice k is filled with 10 k (blue 10 k + 1)."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        image = np.full(shape, 10 * index, dtype)
        if len(shape) == 3:
            image[..., 0] += 1
        assert cv2.imwrite(str(folder / f"slice{index}{suffix}"), image)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_slices(tmp_path / "stack")


@pytest.fixture
def clock():
    return SimulatedClock(1_700_000_000 * 10**9)


@pytest.fixture
def stack(folder):
    return FocalStack(folder)


@pytest.fixture
def lens(stack, clock):
    return SimulatedLens(stack.lens_model(), clock, rests=stack.positions)


@pytest.fixture
def camera(stack, clock, lens):
    return SimulatedCamera(stack, clock, lens)


class TestReplayAsCamera(CameraContract):
    pass


class TestReplayAsLens(LensContract):
    resolution = 1.5e-3 / 8


def test_replay_shows_the_slice_the_lens_is_at(stack, camera, lens, clock):
    for target, shown in ((0.0, 0), (0.75e-3, 20), (0.8e-3, 20), (1.5e-3, 40)):
        lens.move_to(target)
        clock.sleep(1.0)
        assert camera.capture().image[0, 0].tolist() == [shown, shown, shown + 1]


def test_positions_are_spaced_equally_over_the_travel(stack):
    np.testing.assert_allclose(stack.positions, np.linspace(0, 1.5e-3, 5))


def test_near_slices_are_at_the_higher_positions(folder):
    (folder / "info.yaml").write_text("order: near to far; by the file names\n")
    stack = FocalStack(folder)
    assert stack.positions[0] == 0.0
    assert stack.files[0].name == "slice4.png"


def test_positions_of_the_info_file_are_used(folder):
    (folder / "info.yaml").write_text("positions: [3.0e-4, 2.0e-4, 1.0e-4, 5.0e-5, 0.0]\n")
    stack = FocalStack(folder)
    assert stack.positions.tolist() == [0.0, 5e-5, 1e-4, 2e-4, 3e-4]
    assert stack.files[0].name == "slice4.png"
    assert stack.lens_model().limits == pytest.approx((-2.5e-5, 3.25e-4))


def test_numbers_in_names_count_as_numbers(tmp_path):
    stack = FocalStack(write_slices(tmp_path, count=12))
    assert [file.stem for file in stack.files][-3:] == ["slice9", "slice10", "slice11"]


def test_depths_of_field_of_neighbouring_slices_touch(stack):
    model = stack.lens_model()
    pitch = stack.positions[1]
    assert 2 * model.half_depth_of_focus(stack.size[0]) == pytest.approx(pitch)
    assert model.metres_per_step == pytest.approx(pitch)


def test_a_sweep_shows_every_slice(stack):
    positions = sweep_positions(stack.lens_model(), stack.size[0])
    np.testing.assert_allclose(positions, stack.positions, atol=1e-9)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(24, 30, 3), (20, 30)], ids=["size", "grey"])
def test_unlike_slices_are_refused_when_the_stack_is_opened(tmp_path, suffix, shape):
    for index in range(4):
        image = np.zeros(shape if index == 2 else (20, 30, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}{suffix}"), image)
    with pytest.raises(DeviceError, match=rf"2\{suffix}.* is .*: all slices .* must be alike"):
        FocalStack(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_mono_slices(tmp_path, suffix):
    folder = write_slices(tmp_path, suffix=suffix, dtype=np.uint16, shape=(6, 8))
    image = FocalStack(folder).read(1)
    assert image.dtype == np.uint16
    assert image.shape == (6, 8)


class TestFaults:
    @pytest.mark.parametrize("key", ["channel", "time"])
    def test_a_choice_in_the_info_file_is_named_by_the_file(self, folder, key):
        (folder / "info.yaml").write_text(f"{key}: 1\n")
        with pytest.raises(DeviceError, match=rf"^{folder}/info.yaml: {key} 1: ") as caught:
            FocalStack(folder)
        assert "--" not in str(caught.value)
        with pytest.raises(DeviceError, match=r"^--channel 0"):
            FocalStack(folder, Selection("0"))

    def test_no_folder(self, tmp_path):
        with pytest.raises(DeviceError, match=r"no folder .*nowhere"):
            FocalStack(tmp_path / "nowhere")

    def test_no_picture(self, tmp_path):
        with pytest.raises(DeviceError, match="no image"):
            FocalStack(tmp_path)

    def test_one_picture(self, tmp_path):
        with pytest.raises(DeviceError, match="at least two"):
            FocalStack(write_slices(tmp_path, count=1))

    @pytest.mark.parametrize("content", [b"", b"no picture", None])
    def test_a_damaged_slice_is_left_out_and_named(self, folder, content, caplog):
        file = folder / "slice2.png"
        file.write_bytes(file.read_bytes()[:40] if content is None else content)
        stack = FocalStack(folder)
        assert [path.stem for path in stack.files] == ["slice0", "slice1", "slice3", "slice4"]
        np.testing.assert_allclose(stack.positions, [0, 3.75e-4, 1.125e-3, 1.5e-3])
        assert stack.read(2)[0, 0, 0] == 30
        assert "left out a slice: " in caplog.text and str(file) in caplog.text

    def test_damage_that_only_decoding_shows(self, tmp_path, caplog):
        for index in range(4):
            image = np.full((40, 40), 40 * index, np.uint8)
            tifffile.imwrite(tmp_path / f"{index}.tif", image, compression="zlib")
        odd = tmp_path / "2.tif"
        with tifffile.TiffFile(odd) as file:
            place = file.pages.first.dataoffsets[0]
        content = bytearray(odd.read_bytes())
        content[place : place + 8] = bytes(8)
        odd.write_bytes(content)
        stack = FocalStack(tmp_path)
        assert [int(stack.read(index).max()) for index in (2, 1, 3)] == [40, 40, 120]
        assert caplog.text.count("2.tif") == 1

    def test_too_few_slices_that_can_be_read(self, tmp_path):
        write_slices(tmp_path, count=2)
        (tmp_path / "slice1.png").write_bytes(b"")
        with pytest.raises(DeviceError, match=r"slice1\.png .*copy the file again"):
            FocalStack(tmp_path)

    def test_slice_of_another_size_is_named(self, folder):
        cv2.imwrite(str(folder / "slice2.png"), np.zeros((7, 8, 3), np.uint8))
        with pytest.raises(DeviceError, match=r"slice2\.png is 8x7 in colour"):
            FocalStack(folder).read(2)

    @pytest.mark.parametrize(
        "content, message",
        [
            ("positions: [1.0e-3, 2.0e-3]", "each of the 5"),
            ("positions: [1, 2, 3, 4, .nan]", "finite"),
            ("positions: [1, 2, 3, 4, 4]", "twice"),
            ("positions: [1, 2, 3, 4, many]", "list of numbers"),
            ("- 1", "mapping"),
            ("{", "is not valid YAML"),
            ("positions: [0, 100, 200, 300, 400]", "metres"),
            ("positions: [0, a, 2, 3]", "list of numbers"),
            ("positions: [[0, 1], [2]]", "list of numbers"),
            ("positions: 1.0e-3", "list of finite numbers"),
            ("a: &a [1]\npositions: *a", "alias"),
            ("bits: many", "'bits' must be a whole number"),
            ("time: -1", "'time' must be a whole number"),
        ],
    )
    def test_malformed_info_is_named(self, folder, content, message):
        (folder / "info.yaml").write_text(content)
        with pytest.raises(DeviceError, match=rf"info\.yaml.*{message}|{message}.*info\.yaml"):
            FocalStack(folder)


def test_is_focal_stack(folder, tmp_path):
    assert is_focal_stack(folder)
    assert not is_focal_stack(folder / "slice0.png")
    scene = tmp_path / "scene"
    scene.mkdir()
    for name in ("image.png", "depth.png"):
        cv2.imwrite(str(scene / name), np.zeros((4, 4), np.uint8))
    assert not is_focal_stack(scene)
    assert not is_focal_stack(tmp_path / "nowhere")


def test_a_folder_with_one_file_of_several_slices(tmp_path):
    pages = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((6, 8), np.uint8)
    tifffile.imwrite(
        tmp_path / "z.tif",
        pages,
        imagej=True,
        metadata={"axes": "ZYX", "spacing": 2.0, "unit": "um"},
    )
    assert is_focal_stack(tmp_path)
    np.testing.assert_allclose(FocalStack(tmp_path).positions, [0, 2e-6, 4e-6])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_parts_have_no_detail(tmp_path, caplog, dtype):
    noise, full = np.random.default_rng(0), np.iinfo(dtype).max
    for index in range(2):
        pixels = np.full((60, 80, 4), full // 3, dtype)
        pixels[..., 3] = full
        hidden = noise.integers(0, full, (30, 30, 4), dtype)
        hidden[..., 3] = 0
        pixels[10:40, 20:50] = hidden
        cv2.imwrite(str(tmp_path / f"{index}.png"), pixels)
    pixels = FocalStack(tmp_path).read(1)
    assert pixels.dtype == dtype
    np.testing.assert_allclose(pixels.astype(float), full // 3, atol=0.01 * full)
    assert "pixels without data (transparent, or not finite) are filled" in caplog.text


def test_an_animation_is_refused_as_such(tmp_path):
    frames = [PIL.Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (0, 99)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(DeviceError, match="an animation of 2 images"):
        FocalStack(tmp_path / "a.png")


def test_unevenly_spaced_slices_can_be_focused(tmp_path, clock):
    """The lens rests at the slice nearest to where it is sent, which may be far from there."""
    folder = write_slices(tmp_path / "uneven", count=4, shape=(64, 64, 3))
    (folder / "info.yaml").write_text("positions: [0, 0.0001, 0.0005, 0.0015]")
    stack = FocalStack(folder)
    lens_model = stack.lens_model()
    lens = SimulatedLens(lens_model, clock, rests=stack.positions)
    rig = Rig(SimulatedCamera(stack, clock, lens), lens, clock, lens_model)
    run = focus_window(rig, make_search("fibonacci", lens_model))
    assert "nothing to focus on" in run.reason


def test_a_calibrated_lens_keeps_its_blur_but_rests_at_the_slices(stack):
    calibrated = LensModel("mine", 1e-6, (0.0, 1e-3), 12345.0, 640, breathing_per_metre=3.0)
    model, plain = stack.lens_model(calibrated), stack.lens_model()
    assert (model.name, model.blur_per_metre, model.breathing_per_metre) == ("mine", 12345.0, 3.0)
    assert (model.metres_per_step, model.limits) == (plain.metres_per_step, plain.limits)
