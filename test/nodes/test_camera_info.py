"""Intrinsics: read as other drivers read them, or guessed."""

import math

import pytest
import yaml

from aif_ros.nodes.camera_info import CameraInfoError, guess_camera_info, load_camera_info
from aif_ros.nodes.camera_node import CameraNode
from aif_ros.nodes.topics import CAMERA_INFO

SIZE = (8, 6)
# As camera_calibration writes it.
CALIBRATION = {
    "image_width": 8,
    "image_height": 6,
    "camera_name": "test",
    "camera_matrix": {"rows": 3, "cols": 3, "data": [9.0, 0, 4, 0, 9.5, 3, 0, 0, 1]},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, -0.2, 0, 0, 0]},
    "rectification_matrix": {"rows": 3, "cols": 3, "data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    "projection_matrix": {"rows": 3, "cols": 4, "data": [8.0, 0, 4, 0, 0, 8.5, 3, 0, 0, 0, 1, 0]},
}


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        path = tmp_path / "my camera.yaml"
        path.write_text(yaml.safe_dump(CALIBRATION | changes))
        return path

    return write


@pytest.mark.parametrize("form", [str, lambda path: path.as_uri()], ids=["path", "file url"])
def test_the_file_of_camera_calibration(write, form):
    info = load_camera_info(form(write()), SIZE)
    assert (info.width, info.height) == SIZE
    assert list(info.k) == CALIBRATION["camera_matrix"]["data"]
    assert list(info.p) == CALIBRATION["projection_matrix"]["data"]
    assert list(info.d) == [0.1, -0.2, 0.0, 0.0, 0.0]
    assert info.distortion_model == "plumb_bob"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_width": 640}, "is for images of 640x6 pixels, the camera's have 8x6"),
        ({"camera_matrix": {"data": 9 * [0.0]}}, "a focal length is zero"),
        ({"projection_matrix": {"data": 12 * [0.0]}}, "a focal length is zero"),
        ({"camera_matrix": {"data": [1.0]}}, "camera_matrix must hold 9 finite numbers"),
        ({"camera_matrix": {"data": 9 * [math.nan]}}, "camera_matrix must hold 9 finite numbers"),
        ({"rectification_matrix": None}, "rectification_matrix must hold 9 finite numbers"),
        ({"distortion_coefficients": {"data": ["a"]}}, "must hold finite numbers"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(write, changes, words):
    with pytest.raises(CameraInfoError, match=words):
        load_camera_info(str(write(**changes)), SIZE)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/no/such.yaml", "cannot read camera_info_url"),
        ("file:///no/such.yaml", "No such file"),
        ("package://no_such_package/camera.yaml", "there is no package no_such_package"),
        ("http://example.org/camera.yaml", "must be file:// or package://"),
    ],
)
def test_what_is_not_there_is_named(url, words):
    with pytest.raises(CameraInfoError, match=words):
        load_camera_info(url, SIZE)


def test_the_guess_is_a_pinhole_camera():
    info = guess_camera_info((640, 480), 1.0)
    assert info.k[0] == info.k[4] == pytest.approx(320 / math.tan(0.5))
    assert (info.k[2], info.k[5]) == (319.5, 239.5)


@pytest.fixture
def pictures(tmp_path):
    import cv2
    import numpy as np

    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((6, 8, 3), 50 * index, np.uint8))
    return str(folder)


def test_the_camera_node_publishes_what_the_file_says(bench, pictures, write):
    bench.active(CameraNode, camera_source=pictures, camera_info_url=str(write()))
    infos = bench.listen(CAMERA_INFO)
    bench.spin_until(lambda: infos)
    assert list(infos[0].k) == CALIBRATION["camera_matrix"]["data"]
    assert infos[0].header.frame_id == "camera_optical_frame"


def test_the_camera_node_says_that_it_guesses(bench, pictures, diagnostics):
    bench.active(CameraNode, camera_source=pictures)
    bench.spin_until(
        lambda: (
            "guessed from horizontal_field_of_view"
            in diagnostics.last("camera").get("intrinsics", "")
        )
    )


def test_the_camera_node_refuses_zero_intrinsics(bench, pictures, write, logged):
    path = write(camera_matrix={"data": 9 * [0.0]})
    node = bench.make(CameraNode, camera_source=pictures, camera_info_url=str(path))
    assert node.trigger_configure().name == "FAILURE"
    bench.spin_until(lambda: logged.find("ERROR", "a focal length is zero"))
