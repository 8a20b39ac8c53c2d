"""One episode of focus control in the whole loop: renderer, networks, fusion, lens in motion."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aif_ros.benchmarks.coverage import CoverageReference
from aif_ros.control.agent import Action, Agent, Observation
from aif_ros.control.coverage import remaining_defocus
from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.devices.clock import Clock, SimulatedClock
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.loop import AllInFocusPipeline, Step
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.run_loop import run_loop
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.simulation.truth import Truth

NOTHING_GAINED = 1e-3
"""A capture that brings less than this share of the image into focus counts as hunting."""


class OracleAgent:
    """Captures a list of lens positions that was computed from the truth. For scoring only.

    Args:
        captures: lens positions, metres, in order; see `coverage.oracle_captures`.
    """

    def __init__(self, captures: Sequence[float]) -> None:
        self._captures = captures
        self.reset()

    def reset(self) -> None:
        """Start the list again."""
        self._ahead = list(self._captures)

    def act(self, observation: Observation) -> Action:
        """Go to the next position; stop after the last."""
        remaining = remaining_defocus(observation.fused)
        if not self._ahead:
            return Action(None, None, "the list of captures is complete", remaining)
        return Action(self._ahead.pop(0), None, f"{len(self._ahead)} captures left", remaining)


@dataclass(frozen=True)
class RigSettings:
    """The rig that all agents are compared on.

    Attributes:
        lens_model: calibration of the lens.
        estimator: blur estimator.
        new_fuser: makes an empty fuser; its argument: whether the scene moves.
        lens: the lens itself; None: exactly as `lens_model`.
        frame_rate: frames per second.
        exposure_time: seconds.
        lens_speed: metres of travel per second.
        settling_time: seconds after a move.
        frame_limit: captures of a still scene at most.
    """

    lens_model: LensModel
    estimator: BlurEstimator
    new_fuser: Callable[[bool], Fuser]
    lens: LensModel | None = None
    frame_rate: float = 30.0
    exposure_time: float = 0.008
    lens_speed: float = 5e-3
    settling_time: float = 0.02
    frame_limit: int = 60

    @property
    def true_lens(self) -> LensModel:
        """The lens that scenes are rendered and scored with."""
        return self.lens_model if self.lens is None else self.lens

    def devices(
        self, scene: Scene, clock: Clock, start: float
    ) -> tuple[SimulatedCamera, SimulatedLens]:
        """Return a camera that shows the scene, and its lens at `start`, metres."""
        lens = SimulatedLens(
            self.lens_model,
            clock,
            speed=self.lens_speed,
            settling_time=self.settling_time,
            start=start,
        )
        camera = SimulatedCamera(
            RenderedScene(scene, self.true_lens),
            clock,
            lens,
            exposure_time=self.exposure_time,
            frame_rate=self.frame_rate,
        )
        return camera, lens


@dataclass
class Episode:
    """Result of one agent in one scene.

    Attributes:
        scene: name of the scene.
        agent: name of the agent.
        frames: captures that it decided on, with the lens at rest.
        stopped: whether the agent stopped by itself.
        reason: why it ended.
        seconds: from the first exposure to the last.
        psnr: of J against the truth, dB: at every frame period; of still scenes at the end.
        in_focus_share: share of J within the depth of field, likewise.
        covered: share of the tiles with detail that J covers at the end, see `coverage`; NaN
            without a reference.
        remaining: the agent's own estimate of what J does not cover at the end, 0 to 1; 1 where
            it has none.
        hunting_rate: share of the captures after the first that gained nothing.
        travel: of the lens, metres.
        decision_seconds: how long each decision took.
        steps: results of each capture that was decided on.
    """

    scene: str
    agent: str
    frames: int = 0
    stopped: bool = False
    reason: str = ""
    seconds: float = 0.0
    psnr: list[float] = field(default_factory=list)
    in_focus_share: list[float] = field(default_factory=list)
    covered: float = float("nan")
    remaining: float = 1.0
    hunting_rate: float = 0.0
    travel: float = 0.0
    decision_seconds: list[float] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


class _Timed:
    """Measures how long an agent's decisions take."""

    def __init__(self, agent: Agent, seconds: list[float]) -> None:
        self._agent = agent
        self._seconds = seconds

    def reset(self) -> None:
        self._agent.reset()

    def act(self, observation: Observation) -> Action:
        started = time.perf_counter()
        action = self._agent.act(observation)
        self._seconds.append(time.perf_counter() - started)
        return action


class _TimeIsUp(Exception):  # noqa: N818 (no error)
    """The time for a moving scene is over."""


class _Scorer:
    """Observes an episode: compares the current J with ground truth at every frame period."""

    def __init__(
        self, episode: Episode, truth: Truth, rig: RigSettings, seconds: float | None
    ) -> None:
        self._episode = episode
        self._truth = truth
        self._reach = rig.true_lens.half_depth_of_focus
        self._period = 1 / rig.frame_rate
        self._limit = seconds
        self._compared = 0
        self._hunting = 0
        self._newest: Fused | None = None
        self._position: float | None = None
        self.first: int | None = None
        self.last = 0

    def see(self, step: Step) -> None:
        """Take in one frame."""
        if step.fused is None:
            return
        now = step.frame.stamp * 1e-9
        if self.first is None:
            self.first = step.frame.stamp
        elif self._limit is not None:
            self._compare_until(min(now, self._limit))
        self._newest = step.fused
        if step.unused is None and step.action is not None:
            self._count(step)
        if self._limit is not None and now >= self._limit:
            raise _TimeIsUp

    def _count(self, step: Step) -> None:
        episode, frame = self._episode, step.frame
        assert step.action is not None
        if self._position is not None:
            episode.travel += abs(frame.position - self._position)
        self._position = frame.position
        if episode.steps:
            focus = self._truth.at(frame.stamp * 1e-9)[1]
            sharp_now = np.abs(focus - frame.position) <= self._reach(focus.shape[1])
            before = episode.steps[-1].fused
            assert before is not None
            sharp_before = self._sharp(before, focus)
            self._hunting += (sharp_now & ~sharp_before).mean() < NOTHING_GAINED
        self.last = frame.stamp
        episode.steps.append(step)
        # Where nothing can be estimated, nothing is known to be covered.
        episode.remaining = float(np.nan_to_num(step.action.remaining, nan=1.0))
        episode.frames += 1
        if episode.frames > 1:
            episode.hunting_rate = self._hunting / (episode.frames - 1)

    @property
    def fused(self) -> Fused:
        """The newest J."""
        assert self._newest is not None
        return self._newest

    def compare(self, seconds: float) -> None:
        """Compare the newest J with the truth at that time."""
        sharp, focus = self._truth.at(seconds)
        assert self._newest is not None
        self._episode.psnr.append(psnr(self._newest.image, sharp))
        self._episode.in_focus_share.append(float(self._sharp(self._newest, focus).mean()))

    def _compare_until(self, seconds: float) -> None:
        assert self.first is not None
        start = self.first * 1e-9
        while (due := start + self._compared * self._period) < seconds:
            self.compare(due)
            self._compared += 1

    def _sharp(self, fused: Fused, focus: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.asarray(np.abs(fused.source_position - focus) <= self._reach(focus.shape[1]))


def run_episode(
    scene: Scene,
    name: str,
    agent: Agent,
    rig: RigSettings,
    start: float,
    seconds: float | None = None,
    reference: CoverageReference | None = None,
) -> Episode:
    """Let an agent run the loop on a scene, in simulated time.

    Args:
        scene: of the camera.
        name: the agent's name.
        agent: decides.
        rig: everything else.
        start: lens position at first, metres.
        seconds: how long to watch a moving scene; None: until the agent stops.
        reference: what J of a still scene has to cover; None: not scored, or it is J itself
            that others are compared with.

    Raises:
        DeviceError: the simulated lens or camera has failed.
    """
    clock = SimulatedClock()
    camera, lens = rig.devices(scene, clock, start)
    episode = Episode(scene.name, name)
    still = seconds is None
    pipeline = AllInFocusPipeline(
        rig.lens_model,
        rig.new_fuser(not still),
        rig.estimator,
        _Timed(agent, episode.decision_seconds),
        dynamic=not still,
    )
    scorer = _Scorer(episode, Truth(scene, rig.true_lens), rig, seconds)
    try:
        result = run_loop(
            Rig(camera, lens, clock, rig.lens_model, exposure_time=rig.exposure_time),
            pipeline,
            scorer.see,
            max_frames=rig.frame_limit if still else 10**6,
        )
        if result.fault is not None:
            raise result.fault
        episode.stopped, episode.reason = result.stopped, result.reason
    except _TimeIsUp:
        episode.reason = "time is up"
    assert scorer.first is not None
    episode.seconds = (scorer.last - scorer.first) * 1e-9
    if still:
        scorer.compare(0.0)
        if reference is not None:
            episode.covered = reference.covered(scorer.fused.image)
    return episode
