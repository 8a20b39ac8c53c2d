"""Compare focus-control agents over still and moving scenes, under several conditions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aif_ros.benchmarks.control_episode import Episode, OracleAgent, RigSettings, run_episode
from aif_ros.benchmarks.coverage import CoverageReference, oracle_captures
from aif_ros.control.agent import Agent
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.simulation.truth import Truth


@dataclass(frozen=True)
class LensCondition:
    """How lens and camera differ from the shipped calibration.

    Attributes:
        width: of the images, pixels; 0: as the scenes are.
        blur: factor on the blur per travel, of the lens and of its calibration.
        model_error: factor on the blur per travel that the calibration lacks.
    """

    width: int = 0
    blur: float = 1.0
    model_error: float = 1.0

    def lenses(self, lens_model: LensModel) -> tuple[LensModel, LensModel]:
        """Return the calibration of the lens, and the lens itself."""
        known = replace(lens_model, blur_per_metre=self.blur * lens_model.blur_per_metre)
        real = replace(known, blur_per_metre=self.model_error * known.blur_per_metre)
        return known, real


LENS_CONDITIONS: Mapping[str, LensCondition] = {
    "nominal": LensCondition(),
    "double_blur": LensCondition(blur=2.0),
    "lens_15_percent_more": LensCondition(model_error=1.15),
    "lens_15_percent_less": LensCondition(model_error=0.85),
    "width_1280": LensCondition(width=1280),
}
"""Conditions by name."""

Episodes = dict[str, Episode]
"""What each agent, by name, did with one scene from the same start."""


def play_still(
    scene: Scene,
    agents: Mapping[str, Agent],
    rig: RigSettings,
    start: float,
    *,
    required: float = 0.99,
    on_episode: Callable[[Episode], None] = lambda episode: None,
) -> Episodes:
    """Let every agent, and the oracle, run on a still scene.

    Args:
        scene: of the camera.
        agents: by name; `sweep` must be among them: its J is what the others must match.
        rig: everything else.
        start: lens position at first, metres.
        required: share of the tiles with detail that the oracle must cover.
        on_episode: called after each episode; the images in it are dropped then.
    """
    truth = Truth(scene, rig.true_lens).at(0.0)[0]
    reference: CoverageReference | None = None
    episodes: Episodes = {}

    def episode_of(name: str, agent: Agent) -> Episode:
        episode = run_episode(scene, name, agent, rig, start, reference=reference)
        episodes[name] = episode
        on_episode(episode)
        return episode

    swept = episode_of("sweep", agents["sweep"])
    fused = swept.steps[-1].fused
    assert fused is not None
    reference = CoverageReference.of(truth, fused.image)
    swept.covered = reference.covered(fused.image)
    swept.steps.clear()
    for name, agent in agents.items():
        if name != "sweep":
            episode_of(name, agent).steps.clear()
    captures = oracle_captures(
        scene,
        rig.true_lens,
        rig.lens_model,
        reference,
        lambda: rig.new_fuser(False),
        start,
        required=required,
    )
    episode_of("oracle", OracleAgent(captures)).steps.clear()
    return episodes


def still_figures(scenes: Sequence[Episodes]) -> dict[str, dict[str, float]]:
    """Sum up still scenes, agent by agent; `sweep` and `oracle` must be among the agents."""
    return {
        name: {
            "covered": _mean([runs[name].covered for runs in scenes]),
            "worst_scene_covered": min(runs[name].covered for runs in scenes),
            "frames_mean": _mean([runs[name].frames for runs in scenes]),
            "frames_over_oracle": _mean(
                [runs[name].frames / runs["oracle"].frames for runs in scenes]
            ),
            "psnr_final": _mean([runs[name].psnr[-1] for runs in scenes]),
            "psnr_minus_sweep": _mean(
                [runs[name].psnr[-1] - runs["sweep"].psnr[-1] for runs in scenes]
            ),
            "seconds": _mean([runs[name].seconds for runs in scenes]),
            "travel_mm": 1e3 * _mean([runs[name].travel for runs in scenes]),
            "stopped_share": _mean([runs[name].stopped for runs in scenes]),
            "remaining_estimate": _mean([runs[name].remaining for runs in scenes]),
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
    """Return the result of each agent in each scene.

    Args:
        still: episodes of each still scene, by agent.
        moving: likewise, of the moving scenes.
    """

    def table(scenes: Sequence[Episodes]) -> dict[str, dict[str, dict[str, float | str]]]:
        return {
            next(iter(runs.values())).scene: {
                name: {
                    "frames": run.frames,
                    "psnr": _mean(run.psnr),
                    **({} if np.isnan(run.covered) else {"covered": run.covered}),
                    "in_focus_share": _mean(run.in_focus_share),
                    "hunting_rate": run.hunting_rate,
                    "seconds": run.seconds,
                    "travel_mm": 1e3 * run.travel,
                    "reason": run.reason,
                }
                for name, run in runs.items()
            }
            for runs in scenes
        }

    return {"static": table(still), "dynamic": table(moving)}


def setup(rig: RigSettings) -> dict[str, str | float]:
    """Return the settings that the figures depend on."""
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
