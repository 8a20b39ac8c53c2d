"""Measure how long one step of each autofocus search takes, and a distance map of a whole frame.

The paper's Table 2. A step is what happens between a captured window of 512x512 px, 8 bit, and
the next command to the lens. Measured with one thread and with two; the blur network also on a GPU
when there is one. The distance map is that of a frame of 1536x1024 px.

Examples:
  aif benchmark latency --json latency.json
"""

from dataclasses import dataclass
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile, write_json
from aif_ros.settings.declaration import Limits

_WINDOW = 512
"""Side of the window of autofocus, pixels, as the nodes' default."""
_FRAME = (1536, 1024)
"""Width and height of the frames whose maps are timed, pixels."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    repeats: Annotated[int, tyro.conf.arg(metavar="N"), Limits(1, 10**6), Doc("Steps to time.")] = (
        300
    )
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Time everything and print it."""
    from tqdm import tqdm

    from aif_ros.autofocus.searches import SEARCHES, make_search
    from aif_ros.benchmarks import latency
    from aif_ros.defocus.estimators import ESTIMATORS, make_estimator
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel

    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    window, frame = latency.textured_image(_WINDOW, _WINDOW), latency.textured_image(*_FRAME)
    maps = max(args.repeats // 10, 1)
    steps: dict[str, dict[str, dict[str, float]]] = {name: {} for name in SEARCHES}
    distance_maps: dict[str, dict[str, dict[str, float]]] = {name: {} for name in ESTIMATORS}
    with tqdm(total=2 * (len(steps) + len(distance_maps)), unit="method") as bar:
        for threads in (1, 2):
            with latency.threads(threads):
                for name, row in steps.items():
                    search = make_search(name, lens_model)
                    timing = latency.search_step(search, window, lens_model, args.repeats)
                    row[str(threads)] = timing.as_dict()
                    bar.update()
                for name, row in distance_maps.items():
                    estimator = make_estimator(name, lens_model)
                    row[str(threads)] = latency.distance_map(estimator, frame, maps).as_dict()
                    bar.update()
    gpu = latency.network_on_gpu(window, args.repeats)
    for title, table in (
        (f"one step, {_WINDOW}x{_WINDOW}", steps),
        (f"distance map, {_FRAME[0]}x{_FRAME[1]}", distance_maps),
    ):
        print(f"\n{title:28}{'1 thread':>22}{'2 threads':>22}   (median, 99 % in ms)")
        for name, row in table.items():
            cells = (f"{row[key]['median']:12.2f}{row[key]['p99']:10.2f}" for key in ("1", "2"))
            print(f"{name:28}{''.join(cells)}")
    if gpu is not None:
        print(f"{'network on the GPU':28}{gpu.median:12.2f}{gpu.p99:10.2f}")
    write_json(
        {
            "neural_step_ms": steps["neural"]["1"],
            "distance_map_ms": distance_maps["neural"]["2"],
            "step_ms": steps,
            "map_ms": distance_maps,
            "gpu_step_ms": None if gpu is None else gpu.as_dict(),
            "setup": {
                "window": [_WINDOW, _WINDOW],
                "frame": list(_FRAME),
                "input": "8 bit mono",
                "neural_step_threads": 1,
                "distance_map_threads": 2,
                "by_threads": "step_ms and map_ms: method, then number of threads",
                "repeats": args.repeats,
            },
        },
        args.json,
    )
    return 0
