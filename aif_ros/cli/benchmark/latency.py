"""Measure how long one step of each autofocus search takes, and a distance map of a whole frame.

The paper's Table 2. A step is what happens between a captured window of 512x512 px, 8 bit, and
the next command to the lens. Measured with one thread and with two; the blur network also on a GPU
when there is one. The distance map is that of a frame of 1536x1024 px.

Examples:
  aif benchmark latency --json latency.json
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile, write_json
from aif_ros.settings.declaration import Limits
from aif_ros.settings.nodes import WINDOW_SIZE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WINDOW = WINDOW_SIZE
"""Side of the window of autofocus, pixels."""
_FRAME = (1536, 1024)
"""Width and height of the frames whose maps are timed, pixels."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    repeats: Annotated[int, tyro.conf.arg(metavar="N"), Limits(1, 10**6), Doc("Steps to time.")] = (
        300
    )
    json: JsonFile = None


Timings = dict[str, dict[str, dict[str, float]]]
"""Milliseconds by method, number of threads, and `median` or `p99`."""


def run(args: Arguments) -> int:
    """Time everything and print it."""
    from aif_ros.benchmarks import latency

    window, frame = latency.textured_image(_WINDOW, _WINDOW), latency.textured_image(*_FRAME)
    steps, maps = _time(window, frame, args.repeats)
    gpu = latency.network_on_gpu(window, args.repeats)
    _print(f"one step, {_WINDOW}x{_WINDOW}", steps)
    _print(f"distance map, {_FRAME[0]}x{_FRAME[1]}", maps)
    if gpu is not None:
        print(f"{'network on the GPU':28}{gpu.median:12.2f}{gpu.p99:10.2f}")
    write_json(
        {
            "neural_step_ms": steps["neural"]["1"],
            "distance_map_ms": maps["neural"]["2"],
            "step_ms": steps,
            "map_ms": maps,
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


def _time(
    window: "NDArray[np.uint8]", frame: "NDArray[np.uint8]", repeats: int
) -> tuple[Timings, Timings]:
    """Time a step of each search on a window, and the map of a frame by each estimator."""
    from tqdm import tqdm

    from aif_ros.autofocus.searches import SEARCHES, make_search
    from aif_ros.benchmarks import latency
    from aif_ros.defocus.estimators import ESTIMATORS, make_estimator
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel

    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    steps: Timings = {name: {} for name in SEARCHES}
    maps: Timings = {name: {} for name in ESTIMATORS}
    with tqdm(total=2 * (len(steps) + len(maps)), unit="method") as bar:
        for threads in (1, 2):
            with latency.threads(threads):
                for name, row in steps.items():
                    search = make_search(name, lens_model)
                    timing = latency.search_step(search, window, lens_model, repeats)
                    row[str(threads)] = timing.as_dict()
                    bar.update()
                for name, row in maps.items():
                    estimator = make_estimator(name, lens_model)
                    timing = latency.distance_map(estimator, frame, max(repeats // 10, 1))
                    row[str(threads)] = timing.as_dict()
                    bar.update()
    return steps, maps


def _print(title: str, table: Timings) -> None:
    """Print a row for each method."""
    print(f"\n{title:28}{'1 thread':>22}{'2 threads':>22}   (median, 99 % in ms)")
    for name, row in table.items():
        cells = (f"{row[key]['median']:12.2f}{row[key]['p99']:10.2f}" for key in ("1", "2"))
        print(f"{name:28}{''.join(cells)}")
