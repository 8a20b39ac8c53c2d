"""The library loop and the nodes run the same steps: the same events, the same decisions."""

import numpy as np
import pytest
from bench import World
from rosgraph_msgs.msg import Clock as ClockMessage

from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.clock import SimulatedClock
from aif_ros.fusion.fuser import make_fuser
from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.image_messages import to_time
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    FUSED_IMAGE,
    LENS_COMMANDS,
    LENS_STATE,
    LOOP_STATE,
    StampedImage,
)
from aif_ros.pipeline.loop import AllInFocusPipeline, run_loop
from aif_ros.simulation.open_subject import open_subject
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens

START = 1_700_000_000 * 10**9
EXPOSURE = 0.008
WIDTH = 160
AGENT = "rule_based"
LIMIT = 6


class Recording:
    """The library loop in simulated time, and everything that camera and lens said in it.

    `events` holds captures, lens states, maps of a frame, and actions, in their order.
    """

    def __init__(self, scene, dynamic):
        opened = open_subject(scene, width=WIDTH)
        model, clock = opened.lens_model, SimulatedClock(START)
        lens = SimulatedLens(model, clock, speed=5e-3)
        camera = SimulatedCamera(opened.subject, clock, lens, exposure_time=EXPOSURE)
        self.events, self.pictures, self.size = [], {}, camera.size
        self._note(camera, "capture")
        agent = make_agent(AGENT, model, dynamic=dynamic, max_captures=60)
        self._note(agent, "act")
        pipeline = AllInFocusPipeline(
            model,
            make_fuser("laplacian", model if dynamic else None),
            make_estimator("gradient_ratio", model),
            agent,
            dynamic=dynamic,
        )
        # Not the lens itself: the simulated camera queries it, too.
        observe = pipeline.observe
        pipeline.observe = lambda state: (self.events.append(("state", state)), observe(state))
        run_loop(camera, lens, pipeline, clock, self._see, exposure_time=EXPOSURE, max_frames=LIMIT)

    def _note(self, owner, name):
        original = getattr(owner, name)

        def noting(*arguments):
            result = original(*arguments)
            self.events.append((name, result))
            return result

        setattr(owner, name, noting)

    def _see(self, step):
        if step.fusion.unused is None:
            self.pictures[step.frame.stamp] = step.fusion.picture
            # The action that follows from these maps was noted before them.
            decided = step.action is not None
            self.events.insert(len(self.events) - decided, ("maps", step.frame.stamp))

    @property
    def actions(self):
        return [action for name, action in self.events if name == "act"]


class Nodes:
    """The nodes, fed by events; time is what the events say."""

    def __init__(self, bench, size, **options):
        self.bench, self.world = bench, World(bench, size)
        self.clock = bench.node.create_publisher(ClockMessage, "/clock", 10)
        self.nodes = [
            bench.active(node_type, use_sim_time=True, **options)
            for node_type in (FusionNode, AutofocusNode)
        ]
        self.nodes.append(
            # A busy computer must not make it report that it waits.
            bench.active(
                FocusControllerNode, use_sim_time=True, agent=AGENT, patience=3600.0, **options
            )
        )
        self.fused = bench.listen(FUSED_IMAGE)
        self.states = bench.listen(LOOP_STATE)
        self.commands, self.decided = bench.listen(LENS_COMMANDS), 0
        for topic in (CAMERA_IMAGE, LENS_STATE):
            path = f"{bench.namespace}/{topic.name}"
            bench.spin_until(lambda path=path: bench.node.count_subscribers(path) >= 2)
        self.world.info()

    def play(self, event):
        name, value = event
        if name == "state":
            self._set_time(value.stamp)
            self.world.states(value)
            self.bench.executor.spin_once(0.0)
        elif name == "capture":
            self.world.images(StampedImage(value.image, value.stamp, "camera"))
        elif name == "maps":
            # The controller must have them before the states that come next.
            self.bench.spin_until(lambda: self._last_maps() == [value, value])
        else:
            self._wait_for(value)

    def _last_maps(self):
        step = self.nodes[-1]._step
        maps = (*list(step._waiting)[-1:], step._fused_maps)
        return [each.stamp for each in maps if each is not None]

    def _set_time(self, now):
        self.clock.publish(ClockMessage(clock=to_time(now)))
        self.bench.spin_until(lambda: all(node.now() == now for node in self.nodes))

    def _wait_for(self, action):
        """Wait until the controller has decided the same; fails if it does not."""
        self.decided += action.position is not None

        def decided():
            if not self.states:
                return False
            last = self.states[-1]
            return len(self.commands) == self.decided and (last.reason, last.window) == (
                action.reason,
                action.window,
            )

        self.bench.spin_until(decided)


@pytest.mark.parametrize(("scene", "mode"), [("planes", "static")], ids=str)
def test_the_same_events_lead_to_the_same_decisions(bench, scene, mode):
    recording = Recording(scene, dynamic=mode == "dynamic")
    assert len(recording.actions) >= 4
    nodes = Nodes(bench, recording.size, mode=mode)
    for event in recording.events:
        nodes.play(event)
    positions = [action.position for action in recording.actions if action.position is not None]
    assert nodes.commands == positions
    # In a dynamic scene fusion takes the newest frame first: which others follow is up to timing.
    if mode == "static":
        fused = {picture.stamp: picture.image for picture in nodes.fused}
        assert fused.keys() == recording.pictures.keys()
        for stamp, picture in recording.pictures.items():
            np.testing.assert_array_equal(fused[stamp], picture)
