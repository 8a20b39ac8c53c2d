"""Compare the focus-control agents in the whole loop: renderer, networks, fusion, lens in motion.

Still scenes: frames until the agent stops, against the oracle's, and the fused image against the
truth and against a full sweep's. Moving scenes: the fused image against the truth at every frame
period. Time is simulated; all agents start from the same lens positions. The oracle knows the
truth: no agent can do with fewer frames.

  aif benchmark control
  aif benchmark control --rgbd scenes/ --video videos/ --json control.json --save figures/
"""

import argparse
from pathlib import Path

from aif_ros.cli import add_json_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--rgbd", type=Path, metavar="DIR", help="folder of RGB-D scenes (default: built-in ones)"
    )
    parser.add_argument(
        "--video", type=Path, metavar="DIR", help="folder of RGB-D videos (default: built-in ones)"
    )
    parser.add_argument("--estimator", default="neural", help="blur estimator")
    parser.add_argument("--fusion", default="neural", help="fusion method")
    parser.add_argument("--calibration", help="lens calibration (default: the shipped one)")
    parser.add_argument(
        "--frame-rate", type=float, default=30.0, help="frames per second, all of them processed"
    )
    parser.add_argument(
        "--lens-speed", type=float, default=5e-3, help="metres of travel per second"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="to watch each moving scene")
    parser.add_argument("--seed", type=int, default=0, help="of the lens positions at first")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="folder for a figure of each episode"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Let every agent loose on every scene, sum up, draw."""
    import numpy as np
    from tqdm import tqdm

    from aif_ros.benchmarks import control
    from aif_ros.cli import CommandError, write_json
    from aif_ros.control.agent import Agent
    from aif_ros.control.agents import AGENTS, make_agent
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.fusion.fuser import make_fuser
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.simulation.scenes.scene import Scene
    from aif_ros.simulation.truth import Truth

    lens_model = LensModel.load(args.calibration or DEFAULT_CALIBRATION)
    estimator = make_estimator(args.estimator, lens_model)
    rig = control.RigSettings(
        lens_model,
        estimator,
        lambda moving: make_fuser(args.fusion, lens_model if moving else None),
        frame_rate=args.frame_rate,
        lens_speed=args.lens_speed,
    )
    fastest = 1 / rig.exposure_time
    if not 0 < rig.frame_rate <= fastest:
        raise CommandError(
            f"--frame-rate must be above 0 and at most {fastest:g} frames per second, "
            f"got {rig.frame_rate:g}"
        )
    if not 0 < rig.lens_speed < np.inf:
        raise CommandError(
            f"--lens-speed must be a positive number of metres per second, got {rig.lens_speed:g}"
        )
    random = np.random.default_rng(args.seed)

    def play(scene: Scene, agents: dict[str, Agent], seconds: float | None) -> control.Episodes:
        start = float(random.uniform(*lens_model.limits))
        episodes = {}
        for name, agent in agents.items():
            episodes[name] = control.run_episode(scene, name, agent, rig, start, seconds)
            if args.save is not None:
                kind = "still" if seconds is None else "moving"
                path = args.save / f"{kind}_{scene.name}_{name}.png"
                control.save_figure(episodes[name], lens_model, path)
            # The pictures of all episodes would not fit into memory.
            episodes[name].shots.clear()
        return episodes

    still, moving = [], []
    for scene in tqdm(control.still_scenes(args.rgbd, lens_model), desc="still", unit="scene"):
        agents = {name: make_agent(name, lens_model) for name in AGENTS}
        agents["oracle"] = control.OracleAgent(lens_model, Truth(scene, lens_model).at(0.0)[1])
        still.append(play(scene, agents, None))
    for scene in tqdm(control.moving_scenes(args.video, lens_model), desc="moving", unit="scene"):
        agents = {name: make_agent(name, lens_model, dynamic=True) for name in AGENTS}
        moving.append(play(scene, agents, args.seconds))
    static, dynamic = control.still_figures(still), control.moving_figures(moving)
    _print_table("static", static)
    _print_table("dynamic", dynamic)
    result = {
        "static": static,
        "dynamic": dynamic,
        "scenes": control.scene_figures(still, moving),
        "setup": {
            **control.setup(rig),
            "fusion": args.fusion,
            "seed": args.seed,
            "seconds": args.seconds,
        },
    }
    write_json(result, args.json)
    return 0


def _print_table(title: str, figures: dict[str, dict[str, float]]) -> None:
    columns = list(next(iter(figures.values()), {}))
    print(f"\n{title:12}" + "".join(f"{column:>20}" for column in columns))
    for name, values in figures.items():
        print(f"{name:12}" + "".join(f"{values[column]:20.3f}" for column in columns))
