"""Every declared parameter has an effect: another value changes what the node does.

Each node runs through a script of its own, with all parameters but one the same. A parameter
without an entry in `OTHER_VALUES` fails.
"""

import array

import cv2
import numpy as np
import pytest
import torch
from bench import Bench
from executables import node_type
from std_msgs.msg import Float64MultiArray
from stepped_node import PassingEvent, SteppedNodes

from aif_ros.nodes.camera_info import guess_camera_info
from aif_ros.nodes.topic import StampedImage, StampedMaps
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    CAMERA_INFO,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    FUSION_EPOCH,
    LENS_COMMANDS,
    LENS_STATE,
)
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import CHANNELS, SOURCES_PER_SIDE, DefocusMaps
from aif_ros.settings.declaration import declared
from aif_ros.settings.nodes import NODE_SETTINGS
from aif_ros.types.frame import LensState
from aif_ros.weights.device import choose_device

MILLISECOND = 1_000_000
SIZE = (160, 128)

STACK = {"camera_backend": "stack", "camera_source": "stack"}
SCENE = {"scene": "planes", "width": 64}
NEURAL_FUSION = {"fusion_method": "neural"}
NEURAL_ESTIMATOR = {"estimator": "neural"}

# Node and parameter: another value, and what else is set in both runs.
OTHER_VALUES = {
    "lens_node": {
        "lens_backend": ("stack", {"lens_source": "stack"}),
        "lens_source": ("stack_2", {"lens_backend": "stack", "lens_source": "stack"}),
        "calibration": ("other.yaml", {}),
        "lens_joint": ("z_stage", {}),
        "state_rate": (20.0, {}),
        "command_timeout": (60.0, {}),
        "lens_speed": (0.001, {}),
        "settling_time": (0.05, {}),
    },
    "sim_camera_node": {
        "scene": ("moving_planes", SCENE),
        "width": (32, SCENE),
        "shake": (3.0, SCENE),
        "pan": (5.0, SCENE),
        "crossing": (20.0, SCENE),
        "frame_rate": (7.0, SCENE),
        "backlash": (1e-4, SCENE),
        "seed": (1, SCENE),
        "exposure_time": (0.002, SCENE),
        "lens_joint": ("z_stage", SCENE),
        "calibration": ("other.yaml", SCENE),
        "frame_id": ("microscope", SCENE),
        "camera_info_url": ("camera.yaml", SCENE),
        "horizontal_field_of_view": (0.5, SCENE),
        "compressed_rate": (0.2, SCENE),
    },
    "camera_node": {
        "camera_backend": ("device", STACK),
        "camera_source": ("stack_2", STACK),
        "frame_rate": (7.0, STACK),
        "exposure_time": (0.002, STACK),
        "lens_joint": ("z_stage", STACK),
        "frame_id": ("microscope", STACK),
        "camera_info_url": ("camera.yaml", STACK),
        "horizontal_field_of_view": (0.5, STACK),
        "compressed_rate": (0.2, STACK),
    },
    "fusion_node": {
        "fusion_method": ("pyramid", {}),
        "device": ("cuda", NEURAL_FUSION),
        "mode": ("dynamic", {}),
        "calibration": ("other.yaml", {}),
        "exposure_time": (0.1, {}),
        "lens_joint": ("z_stage", {}),
        "bits_per_sample": (16, {}),
        "image_transport": ("compressed", {}),
        "queue_size": (1, {}),
        "save_path": ("fused.png", {}),
    },
    "autofocus_node": {
        "estimator": ("neural", {}),
        "device": ("cuda", NEURAL_ESTIMATOR),
        "search": ("sweep", {}),
        "window_size": (32, {}),
        "search_timeout": (3600.0, {}),
        "mode": ("dynamic", {}),
        "calibration": ("other.yaml", {}),
        "exposure_time": (0.1, {}),
        "lens_joint": ("z_stage", {}),
        "bits_per_sample": (16, {}),
        "image_transport": ("compressed", {}),
        "camera_backend": ("stack", {}),
    },
    "focus_controller_node": {
        "agent": ("sweep", {}),
        "device": ("cuda", {"agent": "learned"}),
        "max_captures": (2, {}),
        "autostart": (False, {}),
        "patience": (3600.0, {}),
        "mode": ("dynamic", {}),
        "calibration": ("other.yaml", {}),
        "lens_joint": ("z_stage", {}),
    },
}

CASES = [
    (executable, setting.name)
    for executable, settings in NODE_SETTINGS.items()
    for setting in declared(settings)
]


def picture(position, seed=0):
    """A texture in focus at 0.4 mm, uint16 RGB of 12 bits."""
    random = np.random.default_rng(seed)
    sharp = random.integers(0, 4096, (SIZE[1], SIZE[0], 3)).astype(np.float32)
    blur = 0.3 + abs(position - 4e-4) * 1e4
    return cv2.GaussianBlur(sharp, None, blur).astype(np.uint16)


class Script:
    """What happens around a node: `run` is called with it."""

    def __init__(self, stepped, node):
        self.stepped, self.node, self.clock = stepped, node, stepped.clock
        self.position = 2e-4

    def lens(self, milliseconds, *, moving=False):
        """Report a lens state after some time."""
        self.clock.sleep(milliseconds * 1e-3)
        self.stepped.feed(LENS_STATE, LensState(self.clock.now(), self.position, moving))

    def image(self, seen=None):
        """Deliver an image exposed now; its lens states are complete after the next one.

        `seen`: lens position that it shows; None: the reported one.
        """
        shown = picture(self.position if seen is None else seen)
        image = StampedImage(shown, self.clock.now(), "camera")
        self.stepped.feed(CAMERA_IMAGE, image)

    def move(self, position):
        self.lens(10, moving=True)
        self.position = position
        self.lens(10, moving=True)
        self.lens(10)


class LensScript(Script):
    def run(self):
        self.node._wake = PassingEvent(self.clock)
        for target, age in ((6e-4, 0), (12e-4, 0), (3e-4, 5 * 10**9)):
            info = {"source_timestamp": self.clock.now() - age}
            self.node._command(Float64MultiArray(data=[target]), info)
            for _ in range(20):
                self.stepped.step()


class CameraScript(Script):
    def run(self):
        for index in range(6):
            # Reports from before and after the exposure.
            position = 4e-4 + (2e-4 if index % 2 else 0.0)
            for ahead in (0, 1, 2000):
                stamp = self.clock.now() + ahead * MILLISECOND
                self.stepped.feed(LENS_STATE, LensState(stamp, position, False))
            self.stepped.step()
            self.clock.sleep(2.0)


class FusionScript(Script):
    def run(self):
        self._frames(2e-4)
        self._frames(6e-4)
        # Two frames wait; the lens moves soon after the exposure of the second.
        self.move(8e-4)
        self.lens(10)
        self.image()
        self.lens(10)
        self.move(10e-4)
        self.lens(10)
        self.image()
        self.lens(10)
        self.lens(10, moving=True)
        for _ in range(3):
            self.stepped.step()

    def _frames(self, position):
        """Two frames at one position."""
        self.move(position)
        for _ in range(2):
            self.lens(100)
            self.image()
            self.lens(100)
            self.stepped.step()


class AutofocusScript(FusionScript):
    def run(self):
        # A lens that reports motion without moving; then a new fused image begins.
        for position in (2e-4, 12e-4):
            self.move(position)
            self.lens(100)
            self.image(seen=2e-4)
            self.lens(100)
            self.stepped.step()
        self.stepped.feed(FUSION_EPOCH, self.clock.now())
        super().run()
        self.node._searches.begin()
        for _ in range(2):
            commands = self.stepped.published_on(LENS_COMMANDS)
            self.move(commands[-1] if commands else self.position)
            self.lens(100)
            self.image()
            self.lens(100)
            self.stepped.step()
        # The search goes on, or is given up.
        self.lens(30_000)
        self.stepped.step()


class ControlScript(Script):
    def run(self):
        info = guess_camera_info(SIZE, 0.9)
        self.clock.sleep(5.0)
        self.node._check()
        self.stepped.feed(CAMERA_INFO, info)
        for _ in range(8):
            commands = self.stepped.published_on(LENS_COMMANDS)
            self.move(commands[-1] if commands else self.position)
            self.clock.sleep(0.01)
            stamp = self.clock.now()
            self.lens(10)
            for topic, sources in ((DEFOCUS_MAPS, 0), (FUSED_DEFOCUS_MAPS, SOURCES_PER_SIDE**2)):
                maps = DefocusMaps(self._values(sources), stamp)
                self.stepped.feed(topic, StampedMaps(maps, "camera"))

    def _values(self, sources):
        """Maps of a scene that is in focus between 0.3 and 0.9 mm."""
        focus = np.linspace(3e-4, 9e-4, 20).reshape(4, 5)
        distance = abs(self.position - focus)
        near = distance < 5e-5
        values = np.empty((4, 5, len(CHANNELS) + sources), np.float32)
        values[..., 0], values[..., 1], values[..., 2], values[..., 3] = distance, 2e-5, near, 0.1
        values[..., len(CHANNELS) :] = self.position
        return values


SCRIPTS = {
    "lens_node": LensScript,
    "sim_camera_node": CameraScript,
    "camera_node": CameraScript,
    "fusion_node": FusionScript,
    "autofocus_node": AutofocusScript,
    "focus_controller_node": ControlScript,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that parameters name."""
    folder = tmp_path_factory.mktemp("files")
    narrow = LensModel("narrow", 1e-6, (0.0, 8e-4), 50_000.0, 3840, breathing_per_metre=200.0)
    narrow.save(folder / "other.yaml")
    for name, seed in (("stack", 0), ("stack_2", 1)):
        (folder / name).mkdir()
        positions = [seed * 1e-4 + index * 2e-4 for index in range(5)]
        (folder / name / "info.yaml").write_text(f"positions: {positions}\n")
        for index, position in enumerate(positions):
            image = (picture(position, seed) / 16).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{index}.png"), image)
    (folder / "camera.yaml").write_text(CAMERA_CALIBRATION)
    return folder


CAMERA_CALIBRATION = """\
image_width: 64
image_height: 48
camera_name: camera
camera_matrix: {rows: 3, cols: 3, data: [80, 0, 32, 0, 80, 24, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [80, 0, 32, 0, 0, 80, 24, 0, 0, 0, 1, 0]}
"""


@pytest.fixture(scope="module")
def observe(folder):
    """Function that runs the script of a node and returns its messages, diagnostics and files."""
    patch, bench, known = pytest.MonkeyPatch(), Bench(), {}
    patch.chdir(folder)
    patch.setattr(torch.cuda, "is_available", lambda: False)
    choose_device.cache_clear()
    stepped = SteppedNodes(bench, patch, viewers=1)

    def observe(executable, **parameters):
        key = executable, tuple(parameters.items())
        if key not in known:
            before = set(folder.iterdir())
            node, configured = stepped.make(node_type(executable), **parameters)
            if configured:
                SCRIPTS[executable](stepped, node).run()
            health = node.diagnostics
            faults = [text for *_, text in health._faults.values()]
            values = [health.hardware_id, health._values, health._totals]
            messages = stepped.published
            stepped.clear()
            files = sorted(path.name for path in set(folder.iterdir()) - before)
            known[key] = comparable([configured, values, faults, files, *messages])
        return known[key]

    yield observe
    bench.close()
    patch.undo()
    choose_device.cache_clear()


def comparable(seen):
    """What can be compared by ==. Not the bytes of messages: padding is left as it was."""
    if isinstance(seen, tuple | list):
        return tuple(map(comparable, seen))
    if hasattr(seen, "get_fields_and_field_types"):
        return tuple(comparable(getattr(seen, name)) for name in seen.get_fields_and_field_types())
    if isinstance(seen, array.array | np.ndarray):
        return seen.tobytes()
    return repr(seen)


@pytest.mark.parametrize(("executable", "name"), CASES)
def test_another_value_changes_what_the_node_does(observe, executable, name):
    value, others = OTHER_VALUES[executable][name]
    assert observe(executable, **others) != observe(executable, **others | {name: value})


@pytest.mark.parametrize("executable", NODE_SETTINGS)
def test_the_same_values_lead_to_the_same(observe, executable):
    others = next(iter(OTHER_VALUES[executable].values()))[1]
    usual = observe(executable, **others)
    # With this one spelled out, it is not taken from what is known.
    again = observe(executable, **others, lens_joint="focus")
    assert usual == again
    assert len(usual) > 10


def test_every_entry_belongs_to_a_parameter():
    entries = {
        (executable, name) for executable in OTHER_VALUES for name in OTHER_VALUES[executable]
    }
    assert entries == set(CASES)
