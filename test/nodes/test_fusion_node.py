import itertools

import cv2
import numpy as np
import pytest
import rclpy
from bench import World, texture
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from stepped_node import SteppedNodes

from aif_ros.fusion.fuser import make_fuser
from aif_ros.nodes import saved_image
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    FUSED_IMAGE,
    FUSION_EPOCH,
    LEFT_OUT,
    LENS_STATE,
    SHARPNESS,
    SOURCE_POSITION,
    SOURCE_SAMPLES,
)
from aif_ros.types.frame import LensState

SIZE = (64, 48)
HERE, THERE = 0.0, 1.5e-3


@pytest.fixture
def flat_lens(tmp_path):
    """Calibration of a lens without focus breathing, so that pixels stay where they are."""
    path = tmp_path / "flat.yaml"
    path.write_text(
        "{name: flat, metres_per_step: 1.0e-6, limits: [0.0, 1.5e-3], "
        "blur_per_metre: 90000.0, calibration_width: 640}"
    )
    return {"calibration": str(path)}


def halves():
    """The same picture twice: once the left half sharp, once the right half."""
    sharp = texture(SIZE)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    left, right = blurred.copy(), blurred.copy()
    left[:, :32], right[:, 32:] = sharp[:, :32], sharp[:, 32:]
    return sharp, left, right


def test_fuses_the_sharp_halves(bench, flat_lens):
    bench.active(FusionNode, **flat_lens)
    fused = bench.listen(FUSED_IMAGE)
    sharpness, sources = bench.listen(SHARPNESS), bench.listen(SOURCE_POSITION)
    samples = bench.listen(SOURCE_SAMPLES)
    world = World(bench)
    sharp, left, right = halves()
    world.frame(left, HERE)
    bench.spin_until(lambda: len(fused) == 1)
    stamp = world.frame(right, THERE)
    bench.spin_until(lambda: len(fused) == 2 and len(sources) == 2)
    picture = fused[-1]
    assert (picture.stamp, picture.frame_id) == (stamp, "camera")
    for columns in (slice(8, 24), slice(40, 56)):
        difference = np.abs(picture.image[:, columns].astype(int) - sharp[:, columns])
        assert difference.mean() < 3
    assert (sources[-1].image[:, 8:24] == HERE).all()
    assert sources[-1].image[:, 40:56] == pytest.approx(THERE)
    bench.spin_until(lambda: samples and samples[-1].stamp == stamp)
    assert (samples[-1].image == sources[-1].image[2::5, 2::5]).all()
    assert sharpness[-1].image.shape == SIZE[::-1]
    assert sources[-1].stamp == sharpness[-1].stamp == stamp


def test_does_not_fuse_what_was_exposed_in_motion_or_shows_nothing_new(bench):
    bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    first = world.frame(texture(SIZE), HERE)
    bench.spin_until(lambda: fused)
    world.frame(texture(SIZE, 1), 5e-4, moving=True)
    world.frame(texture(SIZE, 2), HERE)
    last = world.frame(texture(SIZE, 3), THERE)
    bench.spin_until(lambda: fused[-1].stamp == last)
    assert [picture.stamp for picture in fused] == [first, last]


def test_in_dynamic_mode_every_frame_counts(bench):
    bench.active(FusionNode, mode="dynamic")
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    for seed in range(3):
        stamp = world.frame(texture(SIZE, seed), HERE)
        bench.spin_until(lambda stamp=stamp: fused and fused[-1].stamp == stamp)


def test_every_position_is_fused(bench):
    node = bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    for index in range(4):
        stamp = world.frame(texture(SIZE), index * 4e-4)
        bench.spin_until(lambda stamp=stamp: fused and fused[-1].stamp == stamp)
    assert node._step.fused.frames == 4


def test_a_frame_of_another_scene_is_named_and_not_fused(bench, diagnostics, logged):
    node = bench.active(FusionNode)
    fused, left_out = bench.listen(FUSED_IMAGE), bench.listen(LEFT_OUT)
    world = World(bench)
    for seed in (0, 1):
        # J is published as of both, so that focus control goes on.
        stamp = world.frame(texture(SIZE, seed), seed * 4e-4)
        bench.spin_until(lambda stamp=stamp: fused and fused[-1].stamp == stamp)
    assert node._step.fused.frames == 1
    bench.spin_until(lambda: left_out and left_out[-1].positions)
    assert left_out[-1].positions == pytest.approx((4e-4,))
    bench.spin_until(lambda: logged.find("WARN", "not fused: it shows another scene"))
    bench.spin_until(lambda: diagnostics.last("fusion").get("frames of other scenes") == "1")
    node.reset()
    bench.spin_until(lambda: not left_out[-1].positions)


def test_a_frame_that_is_fused_in_part_is_named(bench, diagnostics, logged):
    node = bench.active(FusionNode)
    fused, left_out = bench.listen(FUSED_IMAGE), bench.listen(LEFT_OUT)
    world = World(bench)
    for number in range(2):
        image = texture(SIZE)
        if number:
            image[20:24] = 0
        stamp = world.frame(image, number * 4e-4)
        bench.spin_until(lambda stamp=stamp: fused and fused[-1].stamp == stamp)
    assert node._step.fused.frames == 2
    bench.spin_until(lambda: left_out and left_out[-1].damaged)
    assert left_out[-1].damaged == pytest.approx((4e-4,))
    bench.spin_until(lambda: logged.find("WARN", "parts of a frame are not fused"))
    bench.spin_until(lambda: diagnostics.last("fusion").get("frames fused in part") == "1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "yuv999"}, "camera/image_raw: unknown image encoding 'yuv999'"),
        ({"encoding": ""}, "unknown image encoding ''"),
        ({"width": 0}, "the image is empty"),
        ({"height": 4000}, "truncated"),
    ],
)
def test_unusable_images_are_reported_and_skipped(bench, diagnostics, logged, change, words):
    bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    good = CAMERA_IMAGE.encode
    bad: Image = good(StampedImage(texture(SIZE), 1, "camera"))
    for name, value in change.items():
        setattr(bad, name, value)
    world.images(bad, raw=True)
    bench.spin_until(lambda: diagnostics.find("fusion", "WARN", words))
    bench.spin_until(lambda: logged.find("WARN", words))
    assert diagnostics.last("fusion")["unusable messages"] == "1"
    world.frame(texture(SIZE), HERE)
    bench.spin_until(lambda: fused)


def test_a_picture_of_another_size_is_refused_until_reset(bench, diagnostics):
    bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    world.frame(texture((64, 48)), HERE)
    bench.spin_until(lambda: fused)
    world.frame(texture((32, 24)), THERE)
    bench.spin_until(
        lambda: diagnostics.find("fusion", "ERROR", r"\(24, 32, 3\).*reset the fusion")
    )
    assert bench.call(Trigger, "fusion/reset").success
    world.frame(texture((32, 24)), THERE)
    bench.spin_until(lambda: fused[-1].image.shape == (24, 32, 3))


def test_who_comes_late_gets_the_newest_picture(bench):
    bench.active(FusionNode)
    world = World(bench)
    early = bench.listen(FUSED_IMAGE)
    stamp = world.frame(texture(SIZE), HERE)
    bench.spin_until(lambda: early)
    late = bench.listen(FUSED_IMAGE)
    bench.spin_until(lambda: late)
    assert late[0].stamp == stamp


def test_mono_pictures_stay_mono(bench):
    bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    World(bench).frame(texture(SIZE)[..., 0], HERE)
    bench.spin_until(lambda: fused)
    assert fused[0].image.shape == SIZE[::-1]


class TestSaving:
    def test_on_demand(self, bench, tmp_path):
        node = bench.active(FusionNode)
        answer = bench.call(Trigger, "fusion/save")
        assert not answer.success
        assert "save_path" in answer.message
        path = tmp_path / "new folder" / "fused.png"
        node.set_parameters([rclpy.Parameter("save_path", value=str(path))])
        answer = bench.call(Trigger, "fusion/save")
        assert (answer.success, answer.message) == (False, "nothing has been fused yet")
        fused = bench.listen(FUSED_IMAGE)
        World(bench).frame(texture(SIZE), THERE)
        bench.spin_until(lambda: fused)
        answer = bench.call(Trigger, "fusion/save")
        assert (answer.success, answer.message) == (True, str(path))
        written = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(written, fused[-1].image)

    BAD = ("no_folder\0/x.png", "/proc/x.png", "picture.unknown")

    @pytest.mark.parametrize("name", BAD)
    def test_where_it_cannot_be_written_is_said_at_once(self, bench, logged, name):
        node = bench.make(FusionNode, save_path=name)
        assert node.trigger_configure().name == "FAILURE"
        bench.spin_until(lambda: logged.find("ERROR", "cannot configure: .*"))
        assert not logged.find("ERROR", "Traceback")

    @pytest.mark.parametrize("name", BAD)
    def test_where_it_cannot_be_written_nothing_is_lost(self, bench, tmp_path, monkeypatch, name):
        monkeypatch.setattr(saved_image.tempfile, "gettempdir", lambda: str(tmp_path))
        node = bench.active(FusionNode)
        fused = bench.listen(FUSED_IMAGE)
        World(bench).frame(texture(SIZE), THERE)
        bench.spin_until(lambda: fused)
        node.set_parameters([rclpy.Parameter("save_path", value=name)])
        answer = bench.call(Trigger, "fusion/save")
        assert not answer.success
        assert answer.message
        assert node.trigger_deactivate().name == "SUCCESS"
        # The image stays in the node, and a second try succeeds.
        assert node.trigger_cleanup().name == "FAILURE"
        (spare,) = tmp_path.glob("aif_ros_fused_*.tif")
        spared = cv2.cvtColor(cv2.imread(str(spare)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(spared, fused[-1].image)
        path = tmp_path / "good.png"
        node.set_parameters([rclpy.Parameter("save_path", value=str(path))])
        assert node.trigger_cleanup().name == "SUCCESS"
        assert path.exists()

    def test_a_loss_at_the_end_is_no_success(self, bench, tmp_path, monkeypatch):
        monkeypatch.setattr(saved_image.tempfile, "gettempdir", lambda: "/proc/no/folder")
        node = bench.active(FusionNode)
        fused = bench.listen(FUSED_IMAGE)
        World(bench).frame(texture(SIZE), THERE)
        bench.spin_until(lambda: fused)
        node.set_parameters([rclpy.Parameter("save_path", value="/proc/x.png")])
        bench.remove(node)
        assert node.failed

    def test_when_the_node_goes(self, bench, tmp_path):
        path = tmp_path / "fused.png"
        node = bench.active(FusionNode, save_path=str(path))
        fused = bench.listen(FUSED_IMAGE)
        World(bench).frame(texture(SIZE), THERE)
        bench.spin_until(lambda: fused)
        bench.remove(node)
        assert path.exists()
        assert not node.failed


def test_in_dynamic_mode_frames_of_slow_motion_are_fused(bench, diagnostics):
    node = bench.active(FusionNode, mode="dynamic")
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    world.frame(texture(SIZE), HERE)
    bench.spin_until(lambda: fused)
    for pace, count in ((1e-5, 2), (1e-2, 2), (1e-5, 3)):
        stamp = world.frame(texture(SIZE), HERE, moving=True, pace=pace)
        bench.spin_until(lambda stamp=stamp: fused[-1].stamp == stamp)
        assert node._step.fused.frames == count


def test_no_frame_is_older_than_the_epoch_of_its_image(bench, monkeypatch):
    """Else focus control waits for ever: in a static scene, no other frame is merged there."""
    stepped = SteppedNodes(bench, monkeypatch)
    node, _ = stepped.make(FusionNode)
    # A busy computer: time passes from one line to the next.
    times = itertools.count(stepped.clock.now(), 50_000_000)
    node.now = lambda: next(times)
    node.reset()
    started = node._step.started
    frames = [(started + 10_000_000, texture(SIZE) >> 4), (started + 60_000_000, texture(SIZE))]
    for index, (stamp, image) in enumerate(frames):
        # The second one shows that the samples have more bits than those of the first.
        image = image.astype(np.uint16) << (0 if index == 0 else 8)
        for offset in (-24_000_000, -8_000_000, 8_000_000):
            if offset > 0:
                stepped.feed(CAMERA_IMAGE, StampedImage(image, stamp, "camera"))
            state = LensState(stamp + offset, THERE if index else HERE, False)
            stepped.feed(LENS_STATE, state)
        stepped.settle()
        assert stepped.published_on(FUSED_IMAGE)[-1].stamp == stamp
        assert stepped.published_on(FUSION_EPOCH)[-1] <= stamp
    assert len(stepped.published_on(FUSION_EPOCH)) == 3


def test_every_new_image_has_an_epoch_of_its_own(bench):
    node = bench.active(FusionNode)
    epochs, fused = bench.listen(FUSION_EPOCH), bench.listen(FUSED_IMAGE)
    bench.spin_until(lambda: len(epochs) == 1)
    World(bench).frame(texture(SIZE), THERE)
    bench.spin_until(lambda: fused)
    assert bench.call(Trigger, "fusion/reset").success
    bench.spin_until(lambda: len(epochs) == 2)
    # A node that is only paused keeps its image.
    node.trigger_deactivate()
    node.trigger_activate()
    bench.spin_until(lambda: len(epochs) == 3)
    bench.remove(node)
    bench.active(FusionNode)
    bench.spin_until(lambda: len(epochs) == 4)
    assert epochs[0] < epochs[1] == epochs[2] < epochs[3]


@pytest.mark.parametrize("method", ["laplacian", "pyramid"])
def test_the_chosen_fusion_method_is_used(bench, method):
    node = bench.active(FusionNode, fusion_method=method)
    fused = bench.listen(FUSED_IMAGE)
    World(bench).frame(texture(SIZE), HERE)
    bench.spin_until(lambda: fused)
    assert type(node._step._fuser) is type(make_fuser(method))


def test_no_more_than_queue_size_frames_wait(bench):
    node = bench.active(FusionNode, queue_size=2)
    world = World(bench)
    for index in range(5):
        # No lens state comes: all of them must wait.
        world.images(StampedImage(texture(SIZE), world.now + index * 1_000_000, "camera"))
        bench.spin_until(
            lambda index=index: (
                node._input.joiner.dropped + len(node._input.joiner._waiting) == index + 1
            )
        )
        assert node._input.joiner.dropped == max(0, index - 1)


def test_the_scene_type_changes_with_the_next_reset(bench):
    node = bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    world = World(bench)
    world.frame(texture(SIZE), HERE)
    bench.spin_until(lambda: len(fused) == 1)
    (result,) = node.set_parameters([rclpy.Parameter("mode", value="dynamic")])
    assert result.successful
    assert bench.call(Trigger, "fusion/reset").success
    # A static scene would not have used the second frame at this position.
    for seed in range(2):
        stamp = world.frame(texture(SIZE, seed), HERE)
        bench.spin_until(lambda stamp=stamp: fused[-1].stamp == stamp)
