"""Measure the blur network: error of the radius, its uncertainty, in focus or not.

Patches of known blur are made from photos, which are scaled down until they are truly sharp;
those that it was trained on are left out. Errors are given by band of the blur radius, over
the 85 % of the patches with the lowest uncertainty and over all; under noise and exposure; and for
other point-spread functions, cameras and subjects (--conditions).

Examples:
  aif benchmark estimator --photos photos/
  aif benchmark estimator --photos photos/ --json estimator.json --save figures/
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile
from aif_ros.cli.benchmark._conditions import CONDITIONS_HELP, select_conditions
from aif_ros.settings.declaration import Limits


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    photos: Annotated[str, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos.")]
    estimator: Annotated[
        str | None, tyro.conf.arg(metavar="FILE"), Doc("Weights (default: the shipped ones).")
    ] = None
    patches: Annotated[int, Doc("Patches per measurement.")] = 300
    seed: Annotated[int, Limits(0, 2**31 - 1), Doc("Seed of crops and noise.")] = 0
    conditions: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME"), Doc(CONDITIONS_HELP)] = ()
    save: Annotated[Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder for plots.")] = None
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Make patches, measure, print, draw."""
    from aif_ros.benchmarks import estimator as evaluation
    from aif_ros.cli import CommandError, write_json
    from aif_ros.cli._progress import named_progress
    from aif_ros.defocus.neural import NeuralBlurEstimator
    from aif_ros.simulation.photos import SHARP, fingerprint, list_photos, read_photo

    if args.patches < 10:
        raise CommandError(f"--patches must be at least 10, got {args.patches}")
    estimator = NeuralBlurEstimator(path=args.estimator)
    paths = list_photos(args.photos)
    unseen = [path for path in paths if fingerprint(path) not in estimator.trained_on]
    if not unseen:
        raise CommandError(f"the network was trained on all photos in {args.photos}: use others")
    photos = [read_photo(path) for path in unseen]
    usable = [photo for photo in photos if min(photo.shape[:2]) >= evaluation.SIZE]
    conditions = select_conditions(args.conditions)
    steps = ["radii", "focus", *evaluation.NOISES, *evaluation.EXPOSURES, *conditions]
    with named_progress(len(steps), "set") as progress:
        result = evaluation.measure(
            estimator,
            usable,
            args.patches,
            args.seed,
            progress,
            conditions,
        )
    figures = evaluation.figures(result)
    figures["setup"] = {
        "photos": len(usable),
        "photos_trained_on_left_out": len(paths) - len(unseen),
        "photos_too_small": len(photos) - len(usable),
        "patches_per_measurement": args.patches,
        "patch_px": evaluation.SIZE,
        "coverage": evaluation.COVERAGE,
        "at_focus": f"radius below {evaluation.AT_FOCUS_PX} px",
        "camera": "disk aperture, linear-light blur, gamma 2.4, noise sigma 1.5/255, 8 bit",
        "sharp": "scaled by 0.4 to 0.75; in at least half of its textured 32-px cells a Gaussian "
        f"of 1 px lowers the strongest gradients by a factor above {SHARP}",
        "seed": args.seed,
    }
    _print_tables(figures)
    if args.save is not None:
        for path in evaluation.save_figures(result, args.save):
            print(path)
    write_json(figures, args.json)
    return 0


def _print_tables(figures: dict[str, Any]) -> None:
    print(f"\n{'radius (px)':14}{'MAE, surest 85 %':>18}{'MAE, all':>12}")
    for band, value in figures["mae_px"].items():
        print(f"{band:14}{value:15.2f} px{figures['mae_px_all'][band]:9.2f} px")
    print(f"\nrelative error, 27-60 px   {figures['relative_error_27-60']:7.1%}")
    print(f"bias at focus              {figures['bias_at_focus_px']:+7.2f} px")
    print(f"answered unknown           {figures['unknown_share']:7.1%}")
    within = figures["calibration"]
    print(
        f"error within 1, 2 sigma    {within['within_1_sigma']:7.1%}{within['within_2_sigma']:7.1%}"
    )
    in_focus = figures["discriminator"]
    print(f"in focus or not, AUC       {in_focus['auc']:7.4f}")
    print(f"in focus or not, accuracy  {in_focus['accuracy']:7.1%}")
    print(
        f"\n{'condition':18}{'MAE 85 %':>10}{'all':>8}{'bias':>8}{'unknown':>9}{'2 sigma':>9}"
        f"{'AUC':>8}{'false focus':>13}"
    )
    for name, row in figures["conditions"].items():
        print(
            f"{name:18}{row['mae_px']:7.2f} px{row['mae_px_all']:8.2f}{row['bias']:+8.0%}"
            f"{row['unknown_share']:9.0%}{row['within_2_sigma']:9.0%}{row['auc']:8.3f}"
            f"{row['false_focus']:13.1%}"
        )
    for name, unit in (("noise", "sigma, of 255"), ("exposure", "factor")):
        curve = figures[f"mae_px_by_{name}"]
        print(f"\n{name + ', ' + unit:24}" + "".join(f"{value:>8}" for value in curve))
        print(f"{'MAE, 0-27 px':24}" + "".join(f"{value:8.2f}" for value in curve.values()))
    print()
