"""Count the pictures each autofocus search needs, and how well it ends: the paper's Table 1.

The lens is the paper's: 0.09 px of blur radius a motor step, depth of field +-11 steps. Each trial
is a window of a sharp photo at a random focus position; all searches do the same trials.

  aif benchmark autofocus --photos photos/ --range-steps 1000 --near
  aif benchmark autofocus --photos photos/ --range-steps 3000 --trials 100 --json autofocus.json

With --stacks the searches focus windows of recorded focal stacks instead, each calibrated from
itself, from starts all over the sweep. A run succeeds if it ends within a slice, or within the
depth of field, of the slice of highest contrast.

  aif benchmark autofocus --stacks stacks/ --search neural fibonacci
"""

import argparse
from pathlib import Path
from typing import Any

from aif_ros.cli import CommandError, add_json_argument, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--photos", metavar="DIR", help="folder of sharp photos")
    source.add_argument("--stacks", metavar="DIR", type=Path, help="folder of focal stacks")
    parser.add_argument(
        "--range-steps", type=int, default=1000, metavar="N", help="travel (%(default)s steps)"
    )
    parser.add_argument("--near", action="store_true", help="start within 300 steps of focus")
    parser.add_argument("--trials", type=int, default=200, help="number of trials (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the trials")
    parser.add_argument(
        "--search", nargs="+", metavar="NAME", help="searches to compare (default: all)"
    )
    parser.add_argument("--breathing", action="store_true", help="let the magnification change")
    parser.add_argument(
        "--backlash", type=float, default=0.0, metavar="STEPS", help="dead travel of the motor"
    )
    parser.add_argument("--save", type=Path, metavar="DIR", help="folder for a plot")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the trials, run the searches, print, draw."""
    from tqdm import tqdm

    from aif_ros.autofocus.searches import SEARCHES, make_search
    from aif_ros.benchmarks import autofocus as evaluation
    from aif_ros.benchmarks.autofocus_figures import save_figure
    from aif_ros.simulation.photos import fingerprint, list_photos, read_photo

    if args.trials < 1:
        raise CommandError(f"--trials must be at least 1, got {args.trials}")
    if args.range_steps < 50:
        raise CommandError(f"--range-steps must be at least 50, got {args.range_steps}")
    names = args.search or list(SEARCHES)
    unknown = sorted(set(names) - set(SEARCHES))
    if unknown:
        raise CommandError(f"no search {', '.join(unknown)}: choose from {', '.join(SEARCHES)}")
    if args.stacks is not None:
        return _on_stacks(args, names)
    lens = evaluation.paper_lens(args.range_steps)
    searches = {name: make_search(name, lens) for name in names}
    known = _trained_on() if "neural" in names else frozenset()
    paths = list_photos(args.photos)
    unseen = [path for path in paths if fingerprint(path) not in known]
    if not unseen:
        raise CommandError(f"the networks were trained on all photos in {args.photos}: use others")
    photos = [read_photo(path) for path in unseen]
    trials = evaluation.make_trials(photos, lens, args.trials, args.near, args.seed)
    with tqdm(total=len(trials) * len(searches), unit="run") as bar:
        runs = evaluation.compare(
            searches,
            trials,
            lens,
            breathing=args.breathing,
            backlash=args.backlash * lens.metres_per_step,
            progress=bar.update,
        )
    table = evaluation.figures(runs, lens)
    print(
        f"\n{'search':12}{'images':>8}{'median':>8}{'p95':>6}{'success':>9}{'error':>12}{'hunts':>7}"
    )
    for name, row in table.items():
        print(
            f"{name:12}{row['images_mean']:8.2f}{row['images_median']:8.0f}{row['images_p95']:6.0f}"
            f"{row['success_rate']:9.1%}{row['error_steps_median']:6.1f} steps"
            f"{row['hunting_rate']:7.1%}"
        )
    if args.save is not None:
        print(save_figure(runs, args.save))
    setup = {
        "photos": len(photos),
        "photos_trained_on_left_out": len(paths) - len(unseen),
        "range_steps": args.range_steps,
        "start": "within 300 steps of focus" if args.near else "anywhere",
        "trials": args.trials,
        "seed": args.seed,
        "breathing": args.breathing,
        "backlash_steps": args.backlash,
        "window_px": evaluation.SIZE,
        "px_per_step": 0.09,
        "depth_of_field": "blur radius <= 1 px, +-11 steps",
        "camera": "disk aperture, linear-light blur, gamma 2.4, noise sigma 1.5/255, 8 bit",
    }
    write_json({"methods": table, "setup": setup}, args.json)
    return 0


def _on_stacks(args: argparse.Namespace, names: list[str]) -> int:
    import numpy as np
    from tqdm import tqdm

    from aif_ros.autofocus.searches import make_search
    from aif_ros.benchmarks import stack_autofocus as evaluation
    from aif_ros.benchmarks.autofocus_figures import save_stacks_figure
    from aif_ros.calibration.sweep_calibration import calibrate_stack
    from aif_ros.devices.focal_stack import FocalStack, is_focal_stack

    folder: Path = args.stacks
    paths = sorted(path for path in (folder, *folder.glob("*")) if is_focal_stack(path))
    if not paths:
        raise CommandError(f"there is no focal stack (a folder of numbered pictures) in {folder}")
    runs: dict[str, dict[str, list[evaluation.StackRun]]] = {}
    stacks: dict[str, dict[str, Any]] = {}
    most = evaluation.WINDOWS * evaluation.STARTS * len(names) * len(paths)
    with tqdm(total=most, unit="run") as bar:
        for path in paths:
            bar.set_description(path.name)
            stack = FocalStack(path)
            lens, determined = calibrate_stack(stack)
            searches = {name: make_search(name, lens) for name in names}
            done = evaluation.compare_on_stack(stack, lens, searches, bar.update)
            runs[path.name] = done
            gap = float(np.diff(stack.positions).mean())
            stacks[path.name] = {
                "slices": len(stack.positions),
                "calibrated": determined,
                "px_per_slice": lens.blur_gain(stack.size[0]) * gap,
                "methods": {name: evaluation.figures(each) for name, each in done.items()},
            }
    together = {
        name: evaluation.figures([run for done in runs.values() for run in done[name]])
        for name in names
    }
    print(f"\n{'stack':20}{'px/slice':>9}   {'search':12}{'runs':>6}{'images':>8}{'success':>9}")
    rows = [(name, f"{row['px_per_slice']:.2f}", row["methods"]) for name, row in stacks.items()]
    for stack_name, blur, methods in [*rows, ("all", "", together)]:
        for name, row in methods.items():
            print(
                f"{stack_name:20}{blur:>9}   {name:12}"
                f"{row['runs']:6}{row['images_mean']:8.2f}{row['success_rate']:9.1%}"
            )
    if args.save is not None:
        print(save_stacks_figure(runs, args.save))
    setup = {
        "windows": evaluation.WINDOWS,
        "starts": evaluation.STARTS,
        "success": "ends within a slice, or the depth of field, of the sharpest slice",
    }
    write_json({"stacks": stacks, "methods": together, "setup": setup}, args.json)
    return 0


def _trained_on() -> frozenset[str]:
    from aif_ros.defocus.neural import FocusDiscriminator, RadiusEstimator

    return RadiusEstimator().trained_on | FocusDiscriminator().trained_on
