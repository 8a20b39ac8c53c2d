"""The scene of a run, by other ways of capturing it: for the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from aif_ros.benchmarks.control_episode import RigSettings, run_episode
from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import LensModel
from aif_ros.settings.presets import PRESETS
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.types.image import Image


@dataclass(frozen=True)
class ComparedRun:
    """Another run on the same scene, without ROS, in simulated time.

    Attributes:
        name: for people.
        fused: its J, float32 in [0, 1].
        frames: captures.
        seconds: from the first exposure to the last.
    """

    name: str
    fused: Image
    frames: int
    seconds: float


FULL_SWEEP = "Full sweep"
"""Name of the run whose J defines coverage."""


def compared_runs(
    scene: Scene, lens_model: LensModel, *, fusion: str, estimator: str
) -> Sequence[ComparedRun]:
    """Run a full sweep and the classical preset on a still scene.

    Args:
        scene: a still scene.
        lens_model: of the lens in use.
        fusion: fusion method of the full sweep.
        estimator: blur estimator of the full sweep, which has no influence on it.
    """
    classical = PRESETS["classical"]
    return [
        _run(scene, lens_model, FULL_SWEEP, "sweep", fusion, estimator),
        _run(
            scene,
            lens_model,
            "Classical preset",
            classical.agent,
            classical.fusion,
            classical.estimator,
        ),
    ]


def _run(
    scene: Scene, lens_model: LensModel, name: str, agent: str, fusion: str, estimator: str
) -> ComparedRun:
    rig = RigSettings(
        lens_model, make_estimator(estimator, lens_model), lambda moving: make_fuser(fusion)
    )
    start = lens_model.limits[0]
    episode = run_episode(scene, name, make_agent(agent, lens_model), rig, start)
    fused = episode.steps[-1].fused
    assert fused is not None, "every frame was fused"
    return ComparedRun(name, fused.image, episode.frames, episode.seconds)
