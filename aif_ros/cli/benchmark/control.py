"""Compare the focus-control agents in the whole loop: renderer, networks, fusion, lens in motion.

Still scenes: share of the scene that the fused image covers, frames and travel until the agent
stops. A tile of 32 px with detail is covered if the fused image is at least 0.9 as sharp there as
the one of a full sweep. The oracle chooses by the truth and covers 99 % with few frames. Moving
scenes: the fused image against the truth at every frame period. Time is simulated; all agents
start from the same lens positions.

Examples:
  aif benchmark control
  aif benchmark control --rgbd scenes/ --video videos/ --json control.json --save figures/
  aif benchmark control --scenes 24 --condition all --frame-rate 3 10 30
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile
from aif_ros.settings import nodes
from aif_ros.settings.declaration import Limits, OneOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from aif_ros.benchmarks.control import Episodes, LensCondition
    from aif_ros.benchmarks.control_episode import Episode, RigSettings
    from aif_ros.optics.lens_model import LensModel


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    rgbd: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of RGB-D scenes (default: built-in ones)."),
    ] = None
    video: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of RGB-D videos (default: built-in ones)."),
    ] = None
    scenes: Annotated[
        int,
        tyro.conf.arg(metavar="N"),
        Limits(0, 10_000),
        Doc("Number of scenes laid out from photographs."),
    ] = 18
    photos: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR"),
        Doc("Folder of photographs for them (default: those of scikit-image)."),
    ] = None
    condition: Annotated[
        tuple[str, ...],
        OneOf(
            (
                "nominal",
                "double_blur",
                "lens_15_percent_more",
                "lens_15_percent_less",
                "width_1280",
                "all",
            )
        ),
        Doc("Conditions of the still scenes."),
    ] = ("nominal",)
    agents: Annotated[tuple[str, ...], nodes.AGENTS, Doc("Agents to compare (default: all).")] = ()
    estimator: nodes.Estimator = "neural"
    fusion: nodes.FusionMethod = "neural"
    calibration: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE"),
        Doc("Lens calibration (default: the shipped one)."),
    ] = None
    frame_rate: Annotated[
        tuple[float, ...],
        Doc("Frames per second; all of them are processed. Still scenes use the first."),
    ] = (30.0,)
    lens_speed: Annotated[float, Doc("Lens speed, metres of travel per second.")] = 5e-3
    seconds: Annotated[
        float, Limits(0.0, 3600.0), Doc("Duration of each moving scene, seconds. 0: none.")
    ] = 3.0
    seed: Annotated[int, Limits(0, 2**31 - 1), Doc("Seed of scenes and lens starts.")] = 0
    save: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder for a figure of each episode.")
    ] = None
    device: nodes.Device = "auto"
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Run every agent on every scene, sum up, draw."""
    from aif_ros.benchmarks import control
    from aif_ros.benchmarks.control_figure import save_episode_figure
    from aif_ros.cli import write_json
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel

    _check(args)
    lens_model = LensModel.load(args.calibration or DEFAULT_CALIBRATION)

    def save(kind: str, episode: "Episode") -> None:
        if args.save is not None:
            path = args.save / f"{kind}_{episode.scene}_{episode.agent}.png"
            save_episode_figure(episode, lens_model, path)

    still = _play_still(args, lens_model, save)
    moving = _play_moving(args, lens_model, save)
    static = {name: control.still_figures(scenes) for name, scenes in still.items()}
    dynamic = {rate: control.moving_figures(scenes) for rate, scenes in moving.items()}
    for name, figures in static.items():
        _print_table(f"static, {name}", figures)
    for speed, moving_table in dynamic.items():
        _print_table(f"dynamic, {speed} fps", moving_table)
    first = next(iter(still.values()))
    rig = _rig(args, lens_model, control.LensCondition(), args.frame_rate[0])
    result: dict[str, Any] = {
        "static": next(iter(static.values())),
        "dynamic": next(iter(dynamic.values()), {}),
        "scenes": control.scene_figures(first, next(iter(moving.values()), [])),
        "conditions": {
            name: {"static": static[name], "scenes": control.scene_figures(scenes, [])["static"]}
            for name, scenes in still.items()
        },
        "frame_rates": dynamic,
        "setup": {
            **control.setup(replace(rig, lens=None)),
            "fusion": args.fusion,
            "seed": args.seed,
            "seconds": args.seconds,
        },
    }
    write_json(result, args.json)
    return 0


def _check(args: Arguments) -> None:
    """Check the settings of the rig before the work."""
    from aif_ros.benchmarks.control_episode import RigSettings
    from aif_ros.cli import CommandError

    fastest = 1 / RigSettings.exposure_time
    for rate in args.frame_rate:
        if not 0 < rate <= fastest:
            raise CommandError(
                f"--frame-rate must be above 0 and at most {fastest:g} frames per second, "
                f"got {rate:g}"
            )
    if not 0 < args.lens_speed < math.inf:
        raise CommandError(
            f"--lens-speed must be a positive number of metres per second, got {args.lens_speed:g}"
        )


def _agents(args: Arguments) -> list[str]:
    from aif_ros.control.agents import AGENTS

    return list(args.agents or AGENTS)


def _rig(
    args: Arguments, lens_model: "LensModel", condition: "LensCondition", frame_rate: float
) -> "RigSettings":
    from aif_ros.benchmarks.control_episode import RigSettings
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.fusion.fuser import make_fuser

    known, real = condition.lenses(lens_model)
    return RigSettings(
        known,
        make_estimator(args.estimator, known, args.device),
        lambda moving: make_fuser(args.fusion, known if moving else None, args.device),
        real,
        frame_rate=frame_rate,
        lens_speed=args.lens_speed,
    )


def _play_still(
    args: Arguments, lens_model: "LensModel", save: "Callable[[str, Episode], None]"
) -> "dict[str, list[Episodes]]":
    """Episodes of the still scenes, by condition of the lens."""
    import numpy as np
    from tqdm import tqdm

    from aif_ros.benchmarks import control
    from aif_ros.benchmarks.control_scenes import laid_out_scenes, open_photos, still_scenes
    from aif_ros.control.agents import make_agent
    from aif_ros.simulation.scenes.scene import Scene

    photos = open_photos(args.photos)
    conditions = control.LENS_CONDITIONS if "all" in args.condition else args.condition
    played: dict[str, list[control.Episodes]] = {}
    for name in conditions:
        condition = control.LENS_CONDITIONS[name]
        random = np.random.default_rng(args.seed)
        rig = _rig(args, lens_model, condition, args.frame_rate[0])
        width = condition.width or 640
        scenes: list[Scene] = [
            *still_scenes(args.rgbd, lens_model, condition.width),
            *laid_out_scenes(photos, lens_model, args.scenes, width=width, seed=args.seed),
        ]
        kind = "still" if condition == control.LensCondition() else f"still_{name}"
        played[name] = []
        for scene in tqdm(scenes, desc=f"still, {name}", unit="scene"):
            agents = {each: make_agent(each, rig.lens_model) for each in ("sweep", *_agents(args))}
            start = float(random.uniform(*lens_model.limits))
            played[name].append(
                control.play_still(scene, agents, rig, start, on_episode=partial(save, kind))
            )
    return played


def _play_moving(
    args: Arguments, lens_model: "LensModel", save: "Callable[[str, Episode], None]"
) -> "dict[str, list[Episodes]]":
    """Episodes of the moving scenes, by frame rate."""
    import numpy as np
    from tqdm import tqdm

    from aif_ros.benchmarks import control
    from aif_ros.benchmarks.control_episode import run_episode
    from aif_ros.benchmarks.control_scenes import moving_scenes
    from aif_ros.control.agents import make_agent

    played: dict[str, list[control.Episodes]] = {}
    for rate in args.frame_rate if args.seconds else ():
        random = np.random.default_rng(args.seed)
        rig = _rig(args, lens_model, control.LensCondition(), rate)
        kind = "moving" if rate == args.frame_rate[0] else f"moving_{rate:g}"
        played[f"{rate:g}"] = []
        for scene in tqdm(
            moving_scenes(args.video, lens_model), desc=f"moving, {rate:g} fps", unit="scene"
        ):
            start = float(random.uniform(*lens_model.limits))
            runs: control.Episodes = {}
            for each in _agents(args):
                agent = make_agent(each, lens_model, dynamic=True)
                runs[each] = run_episode(scene, each, agent, rig, start, args.seconds)
                save(kind, runs[each])
                # The images of all episodes would not fit into memory.
                runs[each].steps.clear()
            played[f"{rate:g}"].append(runs)
    return played


def _print_table(title: str, figures: dict[str, dict[str, float]]) -> None:
    columns = list(next(iter(figures.values()), {}))
    print(f"\n{title}\n{'':12}" + "".join(f"{column:>20}" for column in columns))
    for name, values in figures.items():
        print(f"{name:12}" + "".join(f"{values[column]:20.3f}" for column in columns))
