"""A lens that reports motion although the picture stays the same ends the loop with a fault."""

import cv2
import numpy as np
import pytest
from stepped_node import SteppedNodes

from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.camera_info import guess_camera_info
from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    CAMERA_INFO,
    CONTROL_STATUS,
    IMAGE_DOUBT,
    IMAGE_FAULT,
    LEFT_OUT,
    LENS_COMMANDS,
    LENS_STATE,
    LOOP_STATE,
)
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.image_change import DOUBT_RECORDED, STUCK, STUCK_RECORDED
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import LensState

SIZE = (160, 128)
SHARP = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.float32), None, 1.0
)
OTHER = np.ascontiguousarray(np.rot90(SHARP, 2))
LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 1.5e4, SIZE[0])
MOST = 60  # frames; the agent stops far earlier


class World:
    """Nodes around a lens that always arrives, and a camera that sees it move or not."""

    def __init__(self, stepped, folder, camera_backend="device", **controller):
        self.stepped, self.moves = stepped, False
        self.cut = None
        """Number of the lens position from which another scene is seen; None: none."""
        self._position, self._handled, self._random = 0.0, 0, np.random.default_rng(1)
        LENS.save(folder / "lens.yaml")
        lens = {"calibration": str(folder / "lens.yaml")}
        self.autofocus, _ = stepped.make(AutofocusNode, camera_backend=camera_backend, **lens)
        self.fusion, _ = stepped.make(FusionNode, **lens)
        controller = {"agent": "sweep", **lens, **controller}
        self.controller, _ = stepped.make(FocusControllerNode, **controller)
        stepped.feed(CAMERA_INFO, guess_camera_info(SIZE, 0.9))

    def run(self):
        """Let the loop run to its end; returns its last state."""
        for _ in range(MOST):
            self._look()
            if self.state.state in ("stopped", "fault"):
                return self.state
            commands = self.stepped.published_on(LENS_COMMANDS)
            if len(commands) > self._handled:
                self._handled = len(commands)
                self._report(moving=True)
                self._position = commands[-1]
        raise AssertionError(f"the loop has not ended: {self.state}")

    @property
    def state(self):
        return self.stepped.published_on(LOOP_STATE)[-1]

    @property
    def level(self):
        return self.stepped.published_on(CONTROL_STATUS)[-1].level

    def _look(self):
        """A frame between two states of a lens at rest."""
        self._report()
        self.stepped.clock.sleep(0.01)
        seen = self._position if self.moves else 1e-4
        other = len(self.stepped.published_on(LENS_COMMANDS)) + 1 == self.cut
        image = cv2.GaussianBlur(OTHER if other else SHARP, None, 0.3 + abs(seen - 3e-4) * 1e4)
        image = np.clip(image + self._random.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
        self.stepped.feed(CAMERA_IMAGE, StampedImage(image, self.stepped.clock.now(), "camera"))
        self._report()

    def _report(self, moving=False):
        self.stepped.clock.sleep(0.1)
        state = LensState(self.stepped.clock.now(), self._position, moving)
        self.stepped.feed(LENS_STATE, state)
        self.stepped.settle()


@pytest.fixture
def stepped(bench, monkeypatch):
    return SteppedNodes(bench, monkeypatch)


def test_the_loop_ends_with_the_fault(stepped, tmp_path):
    world = World(stepped, tmp_path)
    assert (state := world.run()).state == "fault"
    assert state.reason == STUCK
    assert world.level == b"\2"
    for node in (world.controller, world.autofocus):
        node.diagnose()
        assert node.diagnostics._shown(0.0) == (b"\2", STUCK)


@pytest.mark.parametrize("captures, end", [(60, "fault"), (3, "stopped")])
def test_slices_that_are_alike_are_reported_as_slices(stepped, tmp_path, captures, end):
    world = World(stepped, tmp_path, camera_backend="stack", max_captures=captures)
    state = world.run()
    assert state.state == end
    said = state.reason if end == "fault" else state.doubt
    assert said == (STUCK_RECORDED if end == "fault" else DOUBT_RECORDED)


@pytest.mark.parametrize("moves", [False, True])
def test_an_end_after_few_frames_states_the_doubt(stepped, tmp_path, moves):
    world = World(stepped, tmp_path, max_captures=3)
    world.moves = moves
    state = world.run()
    assert (state.state, state.frames_captured) == ("stopped", 3)
    assert bool(state.doubt) == (not moves)
    world.controller.diagnose()
    level, message = world.controller.diagnostics._shown(0.0)
    if moves:
        assert (level, world.level) == (b"\0", b"\0")
    else:
        assert "3 are too few" in state.doubt
        assert (level, world.level, message) == (b"\1", b"\1", state.doubt)


def test_a_doubt_that_comes_after_the_stop_counts(stepped, tmp_path):
    world = World(stepped, tmp_path)
    world.moves = True
    world.run()
    stepped.feed(IMAGE_DOUBT, "too few")
    assert (world.state.state, world.state.doubt) == ("stopped", "too few")


def test_frames_that_are_left_out_are_part_of_the_state(stepped, tmp_path):
    world = World(stepped, tmp_path)
    world.moves = True
    stepped.settle()
    stepped.feed(LEFT_OUT, LeftOut((1e-4,), ("it shows nothing",)))
    state = world.run()
    assert state.left_out.positions == (1e-4,)
    assert world.level == b"\1"
    assert "1 frame is not fused" in stepped.published_on(CONTROL_STATUS)[-1].message
    world.controller.diagnose()
    assert "1 frame is not fused" in world.controller.diagnostics._shown(0.0)[1]
    # A new loop knows them until fusion reports others.
    world.controller.begin()
    assert world.controller.state.left_out.positions == (1e-4,)
    stepped.feed(LEFT_OUT, LeftOut())
    assert world.state.left_out == LeftOut()


def test_the_fusion_node_reports_a_scene_cut_to_the_controller(stepped, tmp_path):
    world = World(stepped, tmp_path, max_captures=4)
    world.moves, world.cut = True, 3
    state = world.run()
    assert len(state.left_out.positions) == 1


def test_a_lens_that_moves_is_none(stepped, tmp_path):
    world = World(stepped, tmp_path)
    world.moves = True
    assert world.run().state == "stopped"
    assert stepped.published_on(IMAGE_FAULT) == [""]
    assert world.level == b"\0"


def test_a_new_fused_image_begins_again(stepped, tmp_path):
    world = World(stepped, tmp_path)
    world.run()
    world.moves = True
    stepped.clock.sleep(1.0)
    # As focus_controller/start does after a fault.
    world.fusion.reset()
    stepped.settle()
    assert world.state.state == "running"
    assert world.run().state == "stopped"
    assert stepped.published_on(IMAGE_FAULT) == ["", STUCK, ""]
    world.autofocus.diagnose()
    assert world.autofocus.diagnostics._shown(0.0) == (b"\0", "")


def test_a_fault_that_comes_after_the_stop_counts(stepped, tmp_path):
    world = World(stepped, tmp_path)
    world.moves = True
    world.run()
    stepped.feed(IMAGE_FAULT, STUCK)
    assert (world.state.state, world.state.reason) == ("fault", STUCK)
