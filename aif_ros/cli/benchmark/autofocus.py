"""Count the images that each autofocus search needs, and how well it ends: the paper's Table 1.

The lens is the paper's: 0.09 px of blur radius a motor step, depth of field +-11 steps. Each trial
is a window of a sharp photo at a random focus position; all searches do the same trials.

Examples:
  aif benchmark autofocus --photos photos/ --range-steps 1000 --near
  aif benchmark autofocus --photos photos/ --range-steps 3000 --trials 100 --json autofocus.json

--conditions measures with other point-spread functions, cameras and subjects. False focus is the
share of the runs that are reported in focus but end outside the depth of field.

With --stacks the searches focus windows of recorded focal stacks instead, each calibrated from
itself, from starts all over the sweep. A run succeeds if it ends within a slice, or within the
depth of field, of the slice of highest contrast.

  aif benchmark autofocus --stacks stacks/ --search neural fibonacci
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.cli.benchmark._conditions import CONDITIONS_HELP, select_conditions
from aif_ros.settings import nodes
from aif_ros.settings.declaration import Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aif_ros.benchmarks.stack_autofocus import StackRun


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    photos: Annotated[str | None, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos.")] = (
        None
    )
    stacks: Annotated[Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder of focal stacks.")] = (
        None
    )
    range_steps: Annotated[
        int, tyro.conf.arg(metavar="N"), Limits(50, 10**6), Doc("Travel of the lens, steps.")
    ] = 1000
    near: Annotated[bool, Doc("Start within 300 steps of focus.")] = False
    trials: Annotated[int, Limits(1, 10**6), Doc("Number of trials.")] = 200
    seed: Annotated[int, Limits(0, 2**31 - 1), Doc("Seed of the trials.")] = 0
    search: Annotated[
        tuple[str, ...], nodes.SEARCHES, Doc("Searches to compare (default: all).")
    ] = ()
    breathing: Annotated[bool, Doc("Let the magnification change with the focus.")] = False
    backlash: Annotated[
        float, tyro.conf.arg(metavar="STEPS"), Limits(0.0, 1e6), Doc("Backlash of the motor.")
    ] = 0.0
    conditions: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), Doc(CONDITIONS_HELP)] = (
        "standard",
    )
    save: Annotated[Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder for a plot.")] = None
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Draw the trials, run the searches, print, draw."""
    from aif_ros.autofocus.searches import SEARCHES

    names = args.search or tuple(SEARCHES)
    if (args.photos is None) == (args.stacks is None):
        raise CommandError("give either --photos or --stacks")
    if args.stacks is not None:
        return _on_stacks(args, names, args.stacks)
    assert args.photos is not None
    return _on_photos(args, names, args.photos)


def _on_photos(args: Arguments, names: Sequence[str], folder: str) -> int:
    from tqdm import tqdm

    from aif_ros.autofocus.searches import make_search
    from aif_ros.benchmarks import autofocus as evaluation
    from aif_ros.benchmarks.autofocus_figures import save_trials_figure

    lens = evaluation.paper_lens(args.range_steps)
    searches = {name: make_search(name, lens) for name in names}
    photos, left_out = _unseen_photos(folder, names)
    conditions = select_conditions(args.conditions or ("standard",))
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    with tqdm(total=len(conditions) * args.trials * len(searches), unit="run") as bar:
        for name, condition in conditions.items():
            bar.set_description(name)
            runs = evaluation.compare(
                searches,
                evaluation.make_trials(photos, lens, args.trials, args.near, args.seed, condition),
                lens,
                breathing=args.breathing,
                backlash=args.backlash * lens.metres_per_step,
                condition=condition,
                progress=bar.update,
            )
            tables[name] = evaluation.figures(runs, lens)
            if args.save is not None:
                where = args.save if len(conditions) == 1 else args.save / name
                print(save_trials_figure(runs, where))
    _print_tables(tables)
    setup = {
        "photos": len(photos),
        "photos_trained_on_left_out": left_out,
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
    first = next(iter(tables.values()))
    write_json({"methods": first, "conditions": tables, "setup": setup}, args.json)
    return 0


def _unseen_photos(folder: str, names: Sequence[str]) -> "tuple[list[NDArray[np.uint8]], int]":
    """Return the photos that the networks were not trained on, and how many are left out."""
    from aif_ros.simulation.photos import fingerprint, list_photos, read_photo

    known = _trained_on() if "neural" in names else frozenset()
    paths = list_photos(folder)
    unseen = [path for path in paths if fingerprint(path) not in known]
    if not unseen:
        raise CommandError(f"the networks were trained on all photos in {folder}: use others")
    return [read_photo(path) for path in unseen], len(paths) - len(unseen)


def _print_tables(tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Print a row for each search, under each condition."""
    print(
        f"\n{'condition':18}{'search':12}{'images':>8}{'median':>8}{'p95':>6}{'success':>9}"
        f"{'false focus':>13}{'error':>12}{'hunts':>7}"
    )
    for condition_name, table in tables.items():
        for name, row in table.items():
            print(
                f"{condition_name:18}{name:12}{row['images_mean']:8.2f}{row['images_median']:8.0f}"
                f"{row['images_p95']:6.0f}{row['success_rate']:9.1%}{row['false_focus_rate']:13.1%}"
                f"{row['error_steps_median']:6.1f} steps{row['hunting_rate']:7.1%}"
            )


def _on_stacks(args: Arguments, names: Sequence[str], folder: Path) -> int:
    from aif_ros.benchmarks import stack_autofocus as evaluation
    from aif_ros.benchmarks.autofocus_figures import save_stacks_figure

    runs, stacks = _compare_on_stacks(names, folder)
    together = {
        name: evaluation.figures([run for done in runs.values() for run in done[name]])
        for name in names
    }
    _print_stacks(stacks, together)
    if args.save is not None:
        print(save_stacks_figure(runs, args.save))
    setup = {
        "windows": evaluation.WINDOWS,
        "starts": evaluation.STARTS,
        "success": "ends within a slice, or the depth of field, of the sharpest slice",
    }
    write_json({"stacks": stacks, "methods": together, "setup": setup}, args.json)
    return 0


def _compare_on_stacks(
    names: Sequence[str], folder: Path
) -> "tuple[dict[str, dict[str, list[StackRun]]], dict[str, dict[str, Any]]]":
    """Run the searches on each stack of a folder.

    Returns:
        The runs by stack and search, and the figures of each stack.
    """
    import numpy as np
    from tqdm import tqdm

    from aif_ros.autofocus.searches import make_search
    from aif_ros.benchmarks import stack_autofocus as evaluation
    from aif_ros.calibration.sweep_calibration import calibrate_stack
    from aif_ros.devices.focal_stack import FocalStack, is_focal_stack

    paths = sorted(path for path in (folder, *folder.glob("*")) if is_focal_stack(path))
    if not paths:
        raise CommandError(f"there is no focal stack (a folder of numbered images) in {folder}")
    runs: dict[str, dict[str, list[StackRun]]] = {}
    stacks: dict[str, dict[str, Any]] = {}
    reader = None
    if "neural" in names:
        from aif_ros.defocus.neural import NeuralBlurEstimator

        reader = NeuralBlurEstimator()
    most = evaluation.WINDOWS * evaluation.STARTS * len(names) * len(paths)
    with tqdm(total=most, unit="run") as bar:
        for path in paths:
            bar.set_description(path.name)
            stack = FocalStack(path)
            lens, determined = calibrate_stack(stack, reader)
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
    return runs, stacks


def _print_stacks(
    stacks: Mapping[str, Mapping[str, Any]], together: Mapping[str, Mapping[str, Any]]
) -> None:
    """Print a row for each search on each stack, and on all of them together."""
    print(
        f"\n{'stack':20}{'px/slice':>9}   {'search':12}{'runs':>6}{'images':>8}{'success':>9}"
        f"{'false':>8}"
    )
    rows = [(name, f"{row['px_per_slice']:.2f}", row["methods"]) for name, row in stacks.items()]
    for stack_name, blur, methods in [*rows, ("all", "", together)]:
        for name, row in methods.items():
            print(
                f"{stack_name:20}{blur:>9}   {name:12}"
                f"{row['runs']:6}{row['images_mean']:8.2f}{row['success_rate']:9.1%}"
                f"{row['false_focus_rate']:8.1%}"
            )


def _trained_on() -> frozenset[str]:
    from aif_ros.defocus.neural import NeuralBlurEstimator

    return NeuralBlurEstimator().trained_on
