"""Score the focus-control agents in the whole loop, on still and on moving scenes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from aif_ros.benchmarks.figures import as_rgb, distance_picture
from aif_ros.control.agent import Action, Agent, Observation
from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.devices.clock import SimulatedClock
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.loop import AllInFocusPipeline, Assessment, Step, run_loop
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.oracle import oracle_positions
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.scenes.scene import Scene, SceneError
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.simulation.truth import Truth
from aif_ros.types.frame import Frame

# A capture that brings less of the picture into focus than this has gained nothing.
_NOTHING_GAINED = 1e-3


class OracleAgent:
    """Knows the truth of a still scene and covers it with the fewest captures. For scoring only.

    Args:
        lens_model: of the lens in use.
        focus_position: (H, W) true focus positions, metres.
    """

    def __init__(self, lens_model: LensModel, focus_position: NDArray[np.floating]) -> None:
        self._lens_model = lens_model
        self._focus_position = focus_position
        self.reset()

    def reset(self) -> None:
        """Begin a new scene."""
        self._ahead: list[float] | None = None

    def act(self, observation: Observation) -> Action:
        """Go on to the next position, beginning at the nearer end; stop after the last."""
        if self._ahead is None:
            here = observation.position
            reach = self._lens_model.half_depth_of_focus(observation.frame.image_size[0])
            self._ahead = oracle_positions(self._focus_position, reach, start=here)
            if self._ahead and abs(here - self._ahead[0]) > abs(here - self._ahead[-1]):
                self._ahead.reverse()
        if not self._ahead:
            return Action(None, None, "everything is in focus")
        position = self._lens_model.within_limits(self._ahead.pop(0))
        return Action(position, None, "known to be there")


@dataclass(frozen=True)
class RigSettings:
    """What all agents are tried with.

    Attributes:
        lens_model: the lens.
        estimator: tells blur from images.
        new_fuser: makes a fuser that has seen nothing; told whether things move.
        frame_rate: frames per second.
        exposure_time: seconds.
        lens_speed: metres of travel per second.
        settling_time: seconds after a move.
        frame_limit: captures of a still scene at most.
    """

    lens_model: LensModel
    estimator: BlurEstimator
    new_fuser: Callable[[bool], Fuser]
    frame_rate: float = 30.0
    exposure_time: float = 0.008
    lens_speed: float = 5e-3
    settling_time: float = 0.02
    frame_limit: int = 60


@dataclass
class Episode:
    """What one agent did with one scene.

    Attributes:
        scene: name of the scene.
        agent: name of the agent.
        frames: captures that it decided on, with the lens at rest.
        stopped: whether the agent stopped by itself.
        reason: why it ended.
        seconds: from the first exposure to the last.
        psnr: of J against the truth, dB: at every frame period; of still scenes at the end.
        in_focus_share: share of J within the depth of field, likewise.
        hunting_rate: share of the captures after the first that gained nothing.
        decision_seconds: how long each decision took.
        shots: what was seen at each capture.
    """

    scene: str
    agent: str
    frames: int = 0
    stopped: bool = False
    reason: str = ""
    seconds: float = 0.0
    psnr: list[float] = field(default_factory=list)
    in_focus_share: list[float] = field(default_factory=list)
    hunting_rate: float = 0.0
    decision_seconds: list[float] = field(default_factory=list)
    shots: list[Assessment] = field(default_factory=list)


class _Timed:
    """Lets an agent decide and notes how long it takes."""

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


class _TimeIsUp(Exception):  # noqa: N818 (an end, not a fault)
    """A moving scene has been watched long enough."""


class _Scorer:
    """Watches an episode; compares J, as it stands then, with the truth at every frame period."""

    def __init__(
        self, episode: Episode, truth: Truth, rig: RigSettings, seconds: float | None
    ) -> None:
        self._episode = episode
        self._truth = truth
        self._reach = rig.lens_model.half_depth_of_focus
        self._period = 1 / rig.frame_rate
        self._limit = seconds
        self._compared = 0
        self._hunting = 0
        self._newest: Fused | None = None
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
        if step.unused is None and step.result is not None:
            self._count(step.frame, step.result)
        if self._limit is not None and now >= self._limit:
            raise _TimeIsUp

    def _count(self, frame: Frame, result: Assessment) -> None:
        episode = self._episode
        if episode.shots:
            focus = self._truth.at(frame.stamp * 1e-9)[1]
            sharp_now = np.abs(focus - frame.position) <= self._reach(focus.shape[1])
            sharp_before = self._sharp(episode.shots[-1].fused, focus)
            self._hunting += (sharp_now & ~sharp_before).mean() < _NOTHING_GAINED
        self.last = frame.stamp
        episode.shots.append(result)
        episode.frames += 1
        if episode.frames > 1:
            episode.hunting_rate = self._hunting / (episode.frames - 1)

    def compare(self, seconds: float) -> None:
        """Compare the newest J with the truth at that time."""
        picture, focus = self._truth.at(seconds)
        assert self._newest is not None
        self._episode.psnr.append(psnr(self._newest.image, picture))
        self._episode.in_focus_share.append(float(self._sharp(self._newest, focus).mean()))

    def _compare_until(self, seconds: float) -> None:
        assert self.first is not None
        start = self.first * 1e-9
        while (due := start + self._compared * self._period) < seconds:
            self.compare(due)
            self._compared += 1

    def _sharp(self, fused: Fused, focus: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.abs(fused.source_position - focus) <= self._reach(focus.shape[1])


def run_episode(
    scene: Scene,
    name: str,
    agent: Agent,
    rig: RigSettings,
    start: float,
    seconds: float | None = None,
) -> Episode:
    """Let an agent run the loop on a scene, in simulated time.

    Args:
        scene: what the camera looks at.
        name: the agent's name.
        agent: decides.
        rig: everything else.
        start: lens position at first, metres.
        seconds: how long to watch a moving scene; None: until the agent stops.
    """
    clock = SimulatedClock()
    lens = SimulatedLens(
        rig.lens_model, clock, speed=rig.lens_speed, settling_time=rig.settling_time, start=start
    )
    camera = SimulatedCamera(
        RenderedScene(scene, rig.lens_model),
        clock,
        lens,
        exposure_time=rig.exposure_time,
        frame_rate=rig.frame_rate,
    )
    episode = Episode(scene.name, name)
    still = seconds is None
    pipeline = AllInFocusPipeline(
        rig.lens_model,
        rig.new_fuser(not still),
        rig.estimator,
        _Timed(agent, episode.decision_seconds),
        still_scene=still,
    )
    scorer = _Scorer(episode, Truth(scene, rig.lens_model), rig, seconds)
    try:
        result = run_loop(
            camera,
            lens,
            pipeline,
            clock,
            scorer.see,
            max_frames=rig.frame_limit if still else 10**6,
            exposure_time=rig.exposure_time,
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
    return episode


def still_scenes(folder: Path | None, lens_model: LensModel) -> list[Scene]:
    """Open the RGB-D scenes in a folder, one folder each; None: those that need no files.

    Raises:
        SceneError: there are none, or one is unusable.
    """
    if folder is None:
        return [open_scene(name, lens_model) for name in ("motorcycle", "planes")]
    return _open_all(folder, lens_model, "depth.*")


def moving_scenes(folder: Path | None, lens_model: LensModel) -> list[Scene]:
    """Open the RGB-D videos in a folder, one folder each; None: scenes that need no files.

    Raises:
        SceneError: there are none, or one is unusable.
    """
    if folder is None:
        return [
            open_scene("moving_planes", lens_model),
            open_scene("motorcycle", lens_model, crossing=120.0),
            open_scene("motorcycle", lens_model, pan=20.0),
        ]
    return _open_all(folder, lens_model, "rgb")


def _open_all(folder: Path, lens_model: LensModel, mark: str) -> list[Scene]:
    """Open every scene in `folder`: those that hold something called `mark`."""
    if not folder.is_dir():
        raise SceneError(f"there is no folder {folder}")
    folders = [child for child in [folder, *sorted(folder.iterdir())] if any(child.glob(mark))]
    if not folders:
        raise SceneError(f"{folder} holds no scene: no folder in it holds {mark}")
    return [open_scene(str(child), lens_model) for child in folders]


Episodes = dict[str, Episode]
"""What each agent, by name, did with one scene from the same start."""


def still_figures(scenes: Sequence[Episodes]) -> dict[str, dict[str, float]]:
    """Sum up still scenes, agent by agent; `sweep` and `oracle` must be among the agents."""
    return {
        name: {
            "frames_mean": _mean([runs[name].frames for runs in scenes]),
            "frames_over_oracle": _mean(
                [runs[name].frames / runs["oracle"].frames for runs in scenes]
            ),
            "psnr_final": _mean([runs[name].psnr[-1] for runs in scenes]),
            "psnr_minus_sweep": _mean(
                [runs[name].psnr[-1] - runs["sweep"].psnr[-1] for runs in scenes]
            ),
            "seconds": _mean([runs[name].seconds for runs in scenes]),
            "stopped_share": _mean([runs[name].stopped for runs in scenes]),
            "hunting_rate": _mean([runs[name].hunting_rate for runs in scenes]),
            "decision_ms": _decision_ms([runs[name] for runs in scenes]),
        }
        for name in _agents(scenes)
    }


def moving_figures(scenes: Sequence[Episodes]) -> dict[str, dict[str, float]]:
    """Sum up moving scenes, agent by agent: means over time, then over scenes."""
    return {
        name: {
            "psnr_mean": _mean([_mean(runs[name].psnr) for runs in scenes]),
            "in_focus_share": _mean([_mean(runs[name].in_focus_share) for runs in scenes]),
            "hunting_rate": _mean([runs[name].hunting_rate for runs in scenes]),
            "frames_mean": _mean([runs[name].frames for runs in scenes]),
            "decision_ms": _decision_ms([runs[name] for runs in scenes]),
        }
        for name in _agents(scenes)
    }


def scene_figures(
    still: Sequence[Episodes], moving: Sequence[Episodes]
) -> dict[str, dict[str, dict[str, dict[str, float | str]]]]:
    """Return what each agent did with each scene."""

    def table(scenes: Sequence[Episodes]) -> dict[str, dict[str, dict[str, float | str]]]:
        return {
            next(iter(runs.values())).scene: {
                name: {
                    "frames": run.frames,
                    "psnr": _mean(run.psnr),
                    "in_focus_share": _mean(run.in_focus_share),
                    "hunting_rate": run.hunting_rate,
                    "seconds": run.seconds,
                    "reason": run.reason,
                }
                for name, run in runs.items()
            }
            for runs in scenes
        }

    return {"static": table(still), "dynamic": table(moving)}


def setup(rig: RigSettings) -> dict[str, str | float]:
    """Return what the figures depend on beside the scenes."""
    return {
        "lens": rig.lens_model.name,
        "estimator": type(rig.estimator).__name__,
        "frame_rate": rig.frame_rate,
        "exposure_time": rig.exposure_time,
        "lens_speed": rig.lens_speed,
        "settling_time": rig.settling_time,
        "frame_limit": rig.frame_limit,
    }


def _agents(scenes: Sequence[Episodes]) -> list[str]:
    return list(scenes[0]) if scenes else []


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _decision_ms(episodes: Sequence[Episode]) -> float:
    return 1e3 * float(np.median([s for episode in episodes for s in episode.decision_seconds]))


def save_figure(episode: Episode, lens_model: LensModel, path: Path, *, rows: int = 6) -> None:
    """Draw an episode in the manner of the paper's Figure 4, one row for each capture.

    Frame with the window chosen next, fused image, distance map of the frame.

    Args:
        episode: with at least one capture.
        lens_model: of the lens in use.
        path: PNG to write.
        rows: captures shown at most, evenly chosen, the first and the last among them.
    """
    count = min(rows, len(episode.shots))
    chosen = np.unique(np.linspace(0, len(episode.shots) - 1, count).round().astype(int))
    width, height = episode.shots[0].frame_blur.image_size
    figure = Figure(figsize=(9.6, 3.2 * height / width * len(chosen) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(chosen), 3, squeeze=False)
    gain = lens_model.blur_gain(width)
    known = [shot.frame_blur.radius[np.isfinite(shot.frame_blur.radius)] for shot in episode.shots]
    farthest = float(np.percentile(np.concatenate([*known, np.ones(1)]), 98)) / gain
    for row, index in zip(axes, chosen, strict=True):
        shot = episode.shots[index]
        distance = shot.frame_blur.radius / gain
        pictures: list[NDArray[Any]] = [
            as_rgb(shot.image),
            as_rgb(shot.fused.image),
            distance_picture(shot.image, distance, farthest),
        ]
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(picture)
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(f"t = {index + 1}")
        window = shot.action.window
        if window is not None:
            corner = (window.x, window.y)
            for axis in (row[0], row[2]):
                axis.add_patch(
                    Rectangle(corner, window.width, window.height, fill=False, color="w", lw=1.5)
                )
    for axis, title in zip(
        axes[0], ("frame I(t), next window", "fused J(t)", "distance to focus"), strict=True
    ):
        axis.set_title(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
