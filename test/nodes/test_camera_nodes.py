import cv2
import numpy as np
import pytest

from aif_ros.nodes.camera_node import CameraNode
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.sim_camera_node import SimCameraNode
from aif_ros.nodes.stamps import to_stamp
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    CAMERA_INFO,
    LENS_COMMANDS,
    LENS_STATE,
    RECORDING_END,
)
from aif_ros.types.frame import LensState


@pytest.fixture
def stack(tmp_path):
    """A focal stack of three slices, each of one grey."""
    for index, grey in enumerate((50, 100, 150)):
        cv2.imwrite(str(tmp_path / f"slice{index}.png"), np.full((6, 8, 3), grey, np.uint8))
    return tmp_path


def grey(pictures):
    return int(pictures[-1].image[0, 0, 0]) if pictures else None


def test_a_stack_delivers_the_slice_of_the_lens_position(bench, stack):
    options = {"lens_source": str(stack), "lens_backend": "stack"}
    bench.active(LensNode, **options)
    bench.active(CameraNode, camera_source=str(stack), camera_backend="stack")
    pictures, states = bench.listen(CAMERA_IMAGE), bench.listen(LENS_STATE)
    command = bench.talk(LENS_COMMANDS)
    bench.spin_until(lambda: grey(pictures) == 50)
    command(1.5e-3)
    bench.spin_until(lambda: grey(pictures) == 150)
    # Between two slices there is no picture: the lens rests at the nearest one.
    command(0.7e-3)
    bench.spin_until(lambda: grey(pictures) == 100)
    bench.spin_until(lambda: states[-1].position == pytest.approx(0.75e-3))


def test_image_and_info_have_equal_stamp_and_frame(bench, stack):
    node = bench.make(
        CameraNode, camera_source=str(stack), frame_id="eye", horizontal_field_of_view=1.0
    )
    node.trigger_configure()
    pictures, infos = bench.listen(CAMERA_IMAGE), bench.listen(CAMERA_INFO)
    # Three images are soon played.
    topics = (CAMERA_IMAGE, CAMERA_INFO)
    publishers = [each for each in node.connections.publishers if each.topic in topics]
    bench.spin_until(lambda: all(each.subscribers for each in publishers))
    node.trigger_activate()
    bench.spin_until(lambda: pictures and infos)
    first = pictures[0].stamp
    bench.spin_until(lambda: first in [to_stamp(info.header.stamp) for info in infos])
    info = next(info for info in infos if to_stamp(info.header.stamp) == first)
    assert info.header.frame_id == pictures[-1].frame_id == "eye"
    assert (info.width, info.height) == (8, 6)
    assert info.k[0] == info.p[0] == pytest.approx(4 / np.tan(0.5))
    assert (info.k[2], info.k[5]) == (3.5, 2.5)


def test_a_recording_ends_without_fault(bench, stack, diagnostics, logged):
    bench.active(CameraNode, camera_source=str(stack))
    pictures, ends = bench.listen(CAMERA_IMAGE), bench.listen(RECORDING_END)
    bench.spin_until(lambda: ends and ends[-1])
    assert "played to its end" in ends[-1]
    bench.spin_until(lambda: diagnostics.find("camera", "OK", "running"))
    assert len(pictures) <= 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"camera_source": "/no/such/thing"}, "there is no camera '/no/such/thing': give"),
        ({"camera_source": "/no/such", "camera_backend": "stack"}, "/no/such"),
    ],
)
def test_what_cannot_be_opened_fails_with_a_reason(bench, logged, options, words):
    node = bench.make(CameraNode, **options)
    assert node.trigger_configure().name == "FAILURE"
    bench.spin_until(lambda: logged.find("ERROR", f"cannot configure: .*{words}"))
    assert not logged.find("ERROR", "Traceback")


def test_the_simulated_camera_renders_the_scene_at_the_lens_position(bench):
    bench.active(SimCameraNode, scene="planes", width=96)
    pictures = bench.listen(CAMERA_IMAGE)
    states = bench.talk(LENS_STATE)
    sharpness = {}
    for position in (0.0, 0.75e-3):
        seen = len(pictures)

        def waiting(position=position, seen=seen):
            states(LensState(bench.node.get_clock().now().nanoseconds, position, False))
            return len(pictures) > seen + 2

        bench.spin_until(waiting)
        image = pictures[-1].image
        assert image.shape == (72, 96, 3)
        sharpness[position] = cv2.Laplacian(image, cv2.CV_32F).var()
    assert sharpness[0.75e-3] != pytest.approx(sharpness[0.0], rel=0.05)


def test_the_simulated_camera_reports_missing_lens_states(bench, diagnostics):
    bench.active(SimCameraNode, scene="planes", width=96)
    bench.spin_until(
        lambda: diagnostics.find("camera", "ERROR", "no lens state for .* s: see that the lens is")
    )


def test_an_unknown_scene_fails_with_a_reason(bench, logged):
    node = bench.make(SimCameraNode, scene="nowhere")
    assert node.trigger_configure().name == "FAILURE"
    bench.spin_until(lambda: logged.find("ERROR", "cannot configure: there is no scene 'nowhere'"))
