"""Make the paper's tables, figures and demonstrations with this package.

Table 1 (images until in focus), Table 2 (time of a step), Figure 2 (a window and synthetic
defocused images of it), Figure 4 (frame, fused image, distance map and window over time) and the
static and dynamic demonstrations, of C. Wang et al., "Deep Learning for Camera Autofocus", IEEE
Transactions on Computational Imaging, 2021. docs/paper.md says what differs from the paper and why.

Writes tables.md, result.json and the figures to a folder. Without --photos, photographs that come
with scikit-image are used.

Examples:
  aif reproduce
  aif reproduce --photos photos/ --trials 200 --save out/paper
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.settings.declaration import Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_CROSSING = 120.0
"""Speed of what crosses the scene of the dynamic demonstration, pixels per second."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    photos: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder of sharp photos for the tables.")
    ] = None
    trials: Annotated[
        int, tyro.conf.arg(metavar="N"), Limits(1, 10**6), Doc("Trials of each search and start.")
    ] = 50
    repeats: Annotated[
        int, tyro.conf.arg(metavar="N"), Limits(1, 10**6), Doc("Steps to time for Table 2.")
    ] = 100
    seconds: Annotated[
        float, Limits(0.1, 3600.0), Doc("Duration of the dynamic demonstration, seconds.")
    ] = 3.0
    frame_rate: Annotated[
        float, Limits(0.1, 120.0), Doc("Frames per second of the demonstrations.")
    ] = 10.0
    seed: Annotated[int, Limits(0, 2**31 - 1), Doc("Seed of the trials.")] = 0
    save: Annotated[Path, tyro.conf.arg(metavar="DIR"), Doc("Folder to write to.")] = Path(
        "out/paper"
    )
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Measure, draw, write."""
    import json

    from aif_ros.benchmarks import paper
    from aif_ros.storage.atomic_write import write_text

    photos = _photos(args.photos)
    args.save.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "setup": {
            "photos": len(photos),
            "trials": args.trials,
            "seed": args.seed,
            "seconds": args.seconds,
            "frame_rate": args.frame_rate,
        }
    }
    for name, part in _parts(args, photos):
        result[name] = part
        # What has been made so far: an interruption loses one part only.
        write_text(args.save / "result.json", json.dumps(result, indent=2) + "\n")
        write_text(args.save / "tables.md", paper.as_markdown(result))
    print(f"{paper.as_markdown(result)}\n{args.save}")
    write_json(result, args.json)
    return 0


def _parts(args: Arguments, photos: "Sequence[NDArray[np.uint8]]") -> Iterator[tuple[str, Any]]:
    """Make the parts of the paper one by one; yields the name and the figures of each."""
    from tqdm import tqdm

    from aif_ros.benchmarks import paper
    from aif_ros.benchmarks.control_episode import RigSettings
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.fusion.fuser import make_fuser
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.simulation.scenes.open_scene import open_scene

    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    rig = RigSettings(
        lens_model,
        make_estimator("neural", lens_model),
        lambda moving: make_fuser("neural", lens_model if moving else None),
        frame_rate=args.frame_rate,
    )
    paper.save_figure_2(photos[0], args.save / "figure_2.png")
    yield "table_2", paper.table_2(args.repeats)
    start = lens_model.limits[0]
    scene = open_scene("motorcycle", lens_model)
    yield "static", paper.demonstrate(scene, rig, start, None, args.save)
    scene = open_scene("motorcycle", lens_model, crossing=_CROSSING)
    yield "dynamic", paper.demonstrate(scene, rig, start, args.seconds, args.save)
    runs = args.trials * len(paper.SEARCHES) * len(paper.STARTS)
    with tqdm(total=runs, desc="Table 1", unit="run") as bar:
        yield "table_1", paper.table_1(photos, args.trials, args.seed, bar.update)


def _photos(folder: Path | None) -> "list[NDArray[np.uint8]]":
    """Photos that the networks were not trained on and that are large enough for a window."""
    from aif_ros.benchmarks.control_scenes import open_photos
    from aif_ros.benchmarks.paper import WINDOW
    from aif_ros.defocus.neural import NeuralBlurEstimator
    from aif_ros.simulation.photos import fingerprint, list_photos, read_photo
    from aif_ros.types.image import to_uint8

    if folder is None:
        photos = [to_uint8(photo) for photo in open_photos()]
    else:
        known = NeuralBlurEstimator().trained_on
        paths = [path for path in list_photos(folder) if fingerprint(path) not in known]
        if not paths:
            raise CommandError(f"the networks were trained on all photos in {folder}: use others")
        photos = [read_photo(path) for path in paths]
    large = [photo for photo in photos if min(photo.shape[:2]) >= WINDOW]
    if not large:
        raise CommandError(f"no photo is at least {WINDOW} px high and wide")
    return large
