"""A run of the library loop in simulated time, with everything that camera and lens said in it."""

from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.clock import SimulatedClock
from aif_ros.fusion.fuser import make_fuser
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.pipeline.loop import AllInFocusPipeline
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.run_loop import run_loop
from aif_ros.simulation.open_subject import open_subject
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens

START = 1_700_000_000 * 10**9
EXPOSURE = 0.008
WIDTH = 160
AGENT = "rule_based"
LIMIT = 6


class RecordedLoop:
    """Runs the loop and records it.

    `events` holds captures, lens states, decisions, and after each capture the stamps of the newest
    maps of I and J, in their order; `pictures` each J by its stamp.
    """

    def __init__(self, scene, dynamic):
        opened = open_subject(scene, width=WIDTH)
        self.lens_model, self.dynamic = opened.lens_model, dynamic
        model, clock = self.lens_model, SimulatedClock(START)
        lens = SimulatedLens(model, clock, speed=5e-3)
        camera = SimulatedCamera(opened.subject, clock, lens, exposure_time=EXPOSURE)
        self.events, self.pictures, self.size = [], {}, camera.size
        self.decisions = []
        self._newest = [None, None]
        agent = self.new_agent()
        self._pipeline = AllInFocusPipeline(
            model, self.new_fuser(), self.new_estimator(), agent, dynamic=dynamic
        )
        self._watch(camera, "capture", lambda capture: self._note("capture", capture))
        self._watch(agent, "act", self._decided)
        # Not the lens itself: the simulated camera queries it, too.
        self._watch(self._pipeline, "observe", lambda state, _: self._note("state", state))
        rig = Rig(camera, lens, clock, model, exposure_time=EXPOSURE)
        run_loop(rig, self._pipeline, self._see, max_frames=LIMIT)

    def new_agent(self):
        return make_agent(AGENT, self.lens_model, dynamic=self.dynamic, max_captures=60)

    def new_fuser(self):
        return make_fuser("laplacian", self.lens_model if self.dynamic else None)

    def new_estimator(self):
        return make_estimator("gradient_ratio", self.lens_model)

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
        self.decisions.append(DecisionRecord.of(len(self.decisions) + 1, 0, seen, action))
        self._note("decision", len(self.decisions))

    def _see(self, step):
        stamp = step.frame.stamp
        if step.maps is not None:
            self._newest[0] = stamp
        if step.fused_maps is not None:
            self._newest[1] = stamp
            self.pictures[stamp] = step.fusion.image.image
        # The decision that follows from these maps was noted before them.
        decided = step.action is not None
        self.events.insert(len(self.events) - decided, ("maps", tuple(self._newest)))
