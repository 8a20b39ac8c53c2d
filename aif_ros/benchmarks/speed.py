"""How long fusion takes, stage by stage, and against a plain warp and merge of the same size.

The plain warp and merge (`reference`) is what the simplest fusion of a moving scene would do: one
`cv2.warpAffine` of the frame and a choice by the energy of the Laplacian. It is measured in the
same run, so that ratios to it compare across machines, and across loads of one machine.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aif_ros.benchmarks.latency import textured_image, threads
from aif_ros.fusion.exposure import light_map, match_exposure
from aif_ros.fusion.fuser import Fuser, make_method
from aif_ros.fusion.fusion import FusionMethod
from aif_ros.fusion.motion import mosaic
from aif_ros.fusion.motion.estimation import Motion, estimate_motion, expected_blur
from aif_ros.fusion.motion.optical_flow import flow_between_frames
from aif_ros.fusion.motion.registration import register_frames
from aif_ros.fusion.motion.warping import warp_along_flow, warp_image
from aif_ros.optics.lens_model import LensModel
from aif_ros.storage.atomic_write import replacing
from aif_ros.types.image import Image, to_float, to_gray

Size = tuple[int, int]
"""Width and height, pixels."""

REFERENCE = "reference"
"""Stage that the others are compared with."""

_FRAMES = 4
# Motion from frame to frame in a picture of 640 px: of the camera, pixels and degrees, and of an
# object; and the blur of the half that is out of focus, standard deviation in pixels.
_WIDTH, _SHIFT, _TURN, _OBJECT, _BLUR = 640, 2.3, 0.1, 6.0, 2.5


@dataclass(frozen=True)
class FrameSequence:
    """Frames that are in focus in the left and the right half in turn.

    Attributes:
        frames: (H, W, 3) float32.
        positions: of the lens, metres.
    """

    frames: Sequence[Image]
    positions: Sequence[float]


def make_sequence(size: Size, lens_model: LensModel, *, moving: bool) -> FrameSequence:
    """Make frames of a textured scene; in a moving one the camera and a square move.

    Args:
        size: of the frames.
        lens_model: of the lens.
        moving: whether anything moves.
    """
    width, height = size
    scale = width / _WIDTH
    common = textured_image(width, height).astype(np.float32)
    colours = [textured_image(width, height, seed) for seed in (1, 2, 3)]
    scene = np.dstack([0.7 * common + 0.3 * colour for colour in colours]).astype(np.uint8)
    side = height // 4
    square = scene[:side, :side, ::-1].copy()
    low, high = lens_model.limits
    frames, positions = [], []
    for t in range(_FRAMES):
        image = scene.copy()
        if moving:
            left = width // 4 + round(t * _OBJECT * scale)
            image[side : 2 * side, left : left + side] = square
            turn = cv2.getRotationMatrix2D((width / 2, height / 2), _TURN * (t % 2), 1.0)
            turn[:, 2] += _SHIFT * scale * t
            image = cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REFLECT)
        half = np.s_[:, : width // 2] if t % 2 else np.s_[:, width // 2 :]
        image[half] = cv2.GaussianBlur(image, (0, 0), _BLUR * scale)[half]
        frames.append(to_float(image))
        positions.append(low + (high - low) * (0.6 if t % 2 else 0.4))
    return FrameSequence(frames, positions)


def reference(image: Image, fused: Image) -> Image:
    """Warp a frame by a fixed similarity, and take it where its Laplacian has more energy."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), _TURN, 1.0)
    warped = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    new, old = (
        cv2.blur(np.square(cv2.Laplacian(to_gray(each), cv2.CV_32F)), (9, 9))
        for each in (warped, fused)
    )
    return np.where((new > old)[..., None], warped, fused)


def stages(
    size: Size, lens_model: LensModel, methods: Sequence[str]
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The reference, whole updates of J, and their stages, by name; each can be called repeatedly.

    Args:
        size: of the frames.
        lens_model: of the lens.
        methods: of fusion.
    """
    made = {name: make_method(name) for name in methods}
    for moving in (False, True):
        sequence = make_sequence(size, lens_model, moving=moving)
        kind = "moving" if moving else "still"
        if not moving:
            yield REFERENCE, partial(reference, sequence.frames[1], sequence.frames[0])
        for name, method in made.items():
            yield f"{kind}: update, {name}", _update(method, sequence, lens_model, moving=moving)
            yield from _parts(name, method, sequence, lens_model if moving else None)


def _update(
    method: FusionMethod, sequence: FrameSequence, lens_model: LensModel, *, moving: bool
) -> Callable[[], Any]:
    fuser = Fuser(method, lens_model if moving else None)
    frames = list(zip(sequence.frames, sequence.positions, strict=True))
    # To and fro, so that nothing jumps.
    order = [*frames, *frames[-2:0:-1]]
    fuser.add(*order[0])
    calls = [0]

    def update() -> None:
        calls[0] += 1
        fuser.add(*order[calls[0] % len(order)])

    return update


def _parts(
    name: str, method: FusionMethod, sequence: FrameSequence, lens_model: LensModel | None
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The stages of one update; those that do not depend on the method with the first only."""
    (before, image), (first, position) = sequence.frames[:2], sequence.positions[:2]
    fused = method.merge(before, first, None)
    if lens_model is None:
        yield "still: exposure", lambda: match_exposure(light_map(image), light_map(fused.image))
        yield f"still: merge, {name}", lambda: method.merge(image, position, fused)
        return
    state, grays = mosaic.begin(fused), (to_gray(before), to_gray(image))
    shift = register_frames(*grays)
    change = lens_model.blur_gain(image.shape[1]) * abs(position - first)
    flow = flow_between_frames(*grays, shift, change)
    blur = expected_blur(state.fused, position, lens_model.blur_gain(image.shape[1]))

    def motion() -> Motion:
        return estimate_motion(state.fused.image, image, state.pose @ shift, blur, lambda: flow)

    found = motion()
    shape = state.fused.sharpness.shape
    local = mosaic.transform_motion(found, found.pose, image.shape[:2], shape)
    warped = warp_image(image, found.pose, shape)
    along = warp_along_flow(state.fused, *local)
    seen = mosaic.move_view(state, found)
    yield "moving: registration", lambda: register_frames(*grays)
    yield "moving: flow", lambda: flow_between_frames(*grays, shift, change)
    yield "moving: motion to J", motion
    yield "moving: warp frame", lambda: warp_image(image, found.pose, shape)
    yield "moving: warp J", lambda: warp_along_flow(state.fused, *local)
    yield f"moving: merge, {name}", lambda: method.merge(warped, position, along)
    yield "moving: view", lambda: mosaic.view(seen)


def measure(
    sizes: Sequence[Size],
    counts: Sequence[int],
    methods: Sequence[str],
    lens_model: LensModel,
    repeats: int,
    progress: Callable[[str], None],
) -> dict[str, dict[str, dict[str, float]]]:
    """Time all stages.

    Args:
        sizes: of the frames.
        counts: numbers of threads.
        methods: of fusion.
        lens_model: of the lens.
        repeats: calls of each stage, after one that does not count.
        progress: called with what has been measured.

    Returns:
        Median milliseconds by number of threads, size ("640x480") and stage.
    """
    table: dict[str, dict[str, dict[str, float]]] = {str(count): {} for count in counts}
    for size in sizes:
        name = f"{size[0]}x{size[1]}"
        for count in counts:
            with threads(count):
                row: dict[str, float] = {}
                for stage, call in stages(size, lens_model, methods):
                    if stage not in row:
                        row[stage] = _milliseconds(call, repeats)
            table[str(count)][name] = row
            progress(f"{name}, {count} threads")
    return table


def _milliseconds(call: Callable[[], Any], repeats: int) -> float:
    call()
    durations = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        durations.append(time.perf_counter() - begun)
    return 1e3 * median(durations)


def ratios(row: dict[str, float]) -> dict[str, float]:
    """Return times as multiples of the reference's."""
    return {stage: value / row[REFERENCE] for stage, value in row.items()}


def plot(path: Path, table: dict[str, dict[str, dict[str, float]]]) -> None:
    """Draw the time of an update over megapixels, both logarithmic.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    for count, rows in table.items():
        sizes = [tuple(map(int, name.split("x"))) for name in rows]
        megapixels = [width * height / 1e6 for width, height in sizes]
        updates = [key for key in next(iter(rows.values())) if "update" in key or key == REFERENCE]
        for stage in updates:
            times = [row[stage] for row in rows.values()]
            axis.plot(megapixels, times, "o-", label=f"{stage}, {count} thr.")
    axis.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="ms for each frame")
    axis.grid(visible=True, which="both", alpha=0.3)
    axis.legend(fontsize="x-small")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format=path.suffix[1:] or "png")
