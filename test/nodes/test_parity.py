"""The library loop and the nodes run the same steps: the same events, the same decisions."""

import numpy as np
import pytest
from stepped_node import START, SteppedNodes

from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.clock import SimulatedClock
from aif_ros.fusion.fuser import make_fuser
from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.camera_info import guess_camera_info
from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, CAMERA_INFO, DECISION, FUSED_IMAGE, LENS_STATE
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.pipeline.loop import AllInFocusPipeline, run_loop
from aif_ros.simulation.open_subject import open_subject
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens

EXPOSURE = 0.008
WIDTH = 160
AGENT = "rule_based"
LIMIT = 6


class Recording:
    """The library loop in simulated time, and everything that camera and lens said in it.

    `events` holds captures, lens states, decisions, and after each capture the stamps of the newest
    maps of I and J, in their order.
    """

    def __init__(self, scene, dynamic):
        opened = open_subject(scene, width=WIDTH)
        model, clock = opened.lens_model, SimulatedClock(START)
        lens = SimulatedLens(model, clock, speed=5e-3)
        camera = SimulatedCamera(opened.subject, clock, lens, exposure_time=EXPOSURE)
        self.events, self.pictures, self.size = [], {}, camera.size
        self.decisions = []
        self._newest = [None, None]
        agent = make_agent(AGENT, model, dynamic=dynamic, max_captures=60)
        self._pipeline = AllInFocusPipeline(
            model,
            make_fuser("laplacian", model if dynamic else None),
            make_estimator("gradient_ratio", model),
            agent,
            dynamic=dynamic,
        )
        self._watch(camera, "capture", lambda capture: self._note("capture", capture))
        self._watch(agent, "act", self._decided)
        # Not the lens itself: the simulated camera queries it, too.
        self._watch(self._pipeline, "observe", lambda state, _: self._note("state", state))
        run_loop(
            camera,
            lens,
            self._pipeline,
            clock,
            self._see,
            exposure_time=EXPOSURE,
            max_frames=LIMIT,
        )

    def _note(self, name, value):
        self.events.append((name, value))

    def _watch(self, owner, name, note):
        original = getattr(owner, name)

        def watched(*arguments):
            result = original(*arguments)
            note(*arguments, result)
            return result

        setattr(owner, name, watched)

    def _decided(self, seen, action):
        self.decisions.append(DecisionRecord.of(len(self.decisions) + 1, seen, action))
        self._note("decision", len(self.decisions))

    def _see(self, step):
        stamp = step.frame.stamp
        if step.maps is not None:
            self._newest[0] = stamp
        if step.fusion.changed:
            self._newest[1] = stamp
            self.pictures[stamp] = step.fusion.picture
        # The decision that follows from these maps was noted before them.
        decided = step.action is not None
        self.events.insert(len(self.events) - decided, ("maps", tuple(self._newest)))


class Nodes:
    """The nodes, fed by events; time is what the events say.

    Each event passes through all nodes before the next one: in a dynamic scene the nodes skip
    frames that they have no time for, and what they use then depends on the computer.
    """

    def __init__(self, bench, monkeypatch, size, **options):
        self.stepped = SteppedNodes(bench, monkeypatch)
        for node_type in (FusionNode, AutofocusNode):
            self.stepped.make(node_type, **options)
        self._controller, _ = self.stepped.make(FocusControllerNode, agent=AGENT, **options)
        self.stepped.feed(CAMERA_INFO, guess_camera_info(size, 0.9))

    @property
    def decisions(self):
        return self.stepped.published_on(DECISION)

    def play(self, name, value):
        if name == "state":
            self.stepped.clock.sleep((value.stamp - self.stepped.clock.now()) * 1e-9)
            self.stepped.feed(LENS_STATE, value)
            self.stepped.settle()
        elif name == "capture":
            self.stepped.feed(CAMERA_IMAGE, StampedImage(value.image, value.stamp, "camera"))
            self.stepped.settle()
        elif name == "maps":
            assert self._newest_maps() == value
        else:
            assert len(self.decisions) == value

    def _newest_maps(self):
        step = self._controller._step
        newest = (step._waiting[-1] if step._waiting else None, step._fused_maps)
        return tuple(maps and maps.stamp for maps in newest)


@pytest.mark.parametrize(
    ("scene", "mode"), [("planes", "static"), ("moving_planes", "dynamic")], ids=str
)
def test_the_same_events_lead_to_the_same_decisions(bench, monkeypatch, scene, mode):
    recording = Recording(scene, dynamic=mode == "dynamic")
    assert len(recording.decisions) >= 4
    nodes = Nodes(bench, monkeypatch, recording.size, mode=mode)
    for event in recording.events:
        nodes.play(*event)
    assert nodes.decisions == recording.decisions
    fused = {picture.stamp: picture.image for picture in nodes.stepped.published_on(FUSED_IMAGE)}
    assert fused.keys() == recording.pictures.keys()
    for stamp, picture in recording.pictures.items():
        np.testing.assert_array_equal(fused[stamp], picture)
