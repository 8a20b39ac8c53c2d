"""The library loop and the nodes run the same steps: the same events, the same decisions."""

from dataclasses import replace

import numpy as np
import pytest
from recorded_loop import AGENT, RecordedLoop
from stepped_node import SteppedNodes

from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.camera_info import guess_camera_info
from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, CAMERA_INFO, DECISION, FUSED_IMAGE, LENS_STATE


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
    recording = RecordedLoop(scene, dynamic=mode == "dynamic")
    assert len(recording.decisions) >= 4
    nodes = Nodes(bench, monkeypatch, recording.size, mode=mode)
    for event in recording.events:
        nodes.play(*event)
    # When a decision is made is up to the clock of either loop.
    assert [replace(each, stamp=0) for each in nodes.decisions] == recording.decisions
    fused = {picture.stamp: picture.image for picture in nodes.stepped.published_on(FUSED_IMAGE)}
    assert fused.keys() == recording.pictures.keys()
    for stamp, picture in recording.pictures.items():
        np.testing.assert_array_equal(fused[stamp], picture)
