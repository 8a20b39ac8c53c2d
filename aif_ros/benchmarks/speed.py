"""How long fusion and networks take, stage by stage, and against a plain warp and merge.

The plain warp and merge (`reference`) is what the simplest fusion of a moving scene would do: one
`cv2.warpAffine` of the frame and a choice by the energy of the Laplacian. It is measured in the
same run, so that ratios to it compare across machines, and across loads of one machine.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aif_ros.benchmarks.latency import textured_image, threads
from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.defocus.estimators import neural_estimator
from aif_ros.defocus.network import STRIDE
from aif_ros.defocus.patch_blur import PatchEstimator
from aif_ros.fusion.exposure import match_exposure
from aif_ros.fusion.fuser import Fuser, make_method
from aif_ros.fusion.fusion import FusionMethod
from aif_ros.fusion.light_map import light_map
from aif_ros.fusion.motion import mosaic
from aif_ros.fusion.motion.estimation import Motion, estimate_motion, expected_blur
from aif_ros.fusion.motion.fused_warping import warp_along_flow
from aif_ros.fusion.motion.optical_flow import flow_between_frames
from aif_ros.fusion.motion.registration import register_frames
from aif_ros.fusion.motion.warping import warp_image
from aif_ros.optics.lens_model import LensModel
from aif_ros.storage.atomic_write import replacing
from aif_ros.types.image import Image, to_float, to_gray
from aif_ros.weights import is_weight_file

Size = tuple[int, int]
"""Width and height, pixels."""

REFERENCE = "reference"
"""Stage that the others are compared with."""

MAP, WINDOW = "defocus map", "window of 512x512"
"""How the names of the blur estimator's stages begin; a map has the size of the frames."""

_FRAMES = 4
"""Frames of a sequence, which are fused again and again."""
_WINDOW = 512
"""Side of the window of autofocus, pixels, as the nodes' default."""
# Frames of one J: more than a sweep of any shipped lens takes.
_MOST_FRAMES = 40
# Motion from frame to frame in an image of 640 px: of the camera, pixels and degrees, and of an
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


def frame_sequence(size: Size, lens_model: LensModel, *, moving: bool) -> FrameSequence:
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
    """Warp a frame by a fixed similarity, and take it where its Laplacian has more energy.

    Args:
        image: frame, (H, W, 3) float32.
        fused: of the same shape.
    """
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), _TURN, 1.0)
    warped = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    new, old = (
        cv2.blur(np.square(cv2.Laplacian(to_gray(each), cv2.CV_32F)), (9, 9))
        for each in (warped, fused)
    )
    return np.where((new > old)[..., None], warped, fused)


class Estimator(BlurEstimator, PatchEstimator, Protocol):
    """Estimates the blur of an image and of a window."""


@dataclass(frozen=True)
class Measured:
    """What is measured.

    Attributes:
        methods: of fusion, by the names to show.
        estimators: of blur, likewise.
    """

    methods: Mapping[str, FusionMethod]
    estimators: Mapping[str, Estimator]


def on_devices(names: Sequence[str], devices: Sequence[str], lens_model: LensModel) -> Measured:
    """Make fusion methods, those with a network on several devices, with the blur estimator.

    A method on the device "cpu" has its own name, else the name and the device.

    Args:
        names: of fusion methods.
        devices: that networks are computed on.
        lens_model: of the lens.

    Raises:
        ValueError: there is no such method, no such file or no such device.
    """
    methods: dict[str, FusionMethod] = {}
    estimators: dict[str, Estimator] = {}
    for name in names:
        if name != "neural" and not is_weight_file(name):
            methods[name] = make_method(name)
            continue
        for device in devices:
            shown = name if device == "cpu" else f"{name} on {device}"
            methods[shown] = make_method(name, device)
            if f"on {device}" not in estimators:
                estimators[f"on {device}"] = neural_estimator(lens_model, device)
    return Measured(methods, estimators)


def stages(
    size: Size, lens_model: LensModel, measured: Measured
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The reference, whole updates of J, and their stages, by name; each can be called repeatedly.

    Args:
        size: of the frames.
        lens_model: of the lens.
        measured: methods and estimators.
    """
    for moving in (False, True):
        sequence = frame_sequence(size, lens_model, moving=moving)
        kind = "moving" if moving else "still"
        if not moving:
            yield REFERENCE, partial(reference, sequence.frames[1], sequence.frames[0])
            window = to_float(textured_image(_WINDOW, _WINDOW))
            for name, estimator in measured.estimators.items():
                yield f"{MAP}, {name}", partial(estimator.estimate, sequence.frames[0])
                yield f"{WINDOW}, {name}", partial(estimator.estimate_patch, window)
        for name, method in measured.methods.items():
            yield f"{kind}: update, {name}", _update(method, sequence, lens_model, moving=moving)
            yield from _parts(name, method, sequence, lens_model if moving else None)


def _update(
    method: FusionMethod, sequence: FrameSequence, lens_model: LensModel, *, moving: bool
) -> Callable[[], Any]:
    fuser = Fuser(method, lens_model if moving else None)
    frames = list(zip(sequence.frames, sequence.positions, strict=True))
    # Forwards and backwards in turn, without a jump.
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
    measured: Measured,
    lens_model: LensModel,
    repeats: int,
    progress: Callable[[str], None],
) -> dict[str, dict[str, dict[str, float]]]:
    """Time all stages.

    Args:
        sizes: of the frames.
        counts: numbers of threads.
        measured: methods and estimators.
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
                for stage, call in stages(size, lens_model, measured):
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


def over_frames(size: Size, lens_model: LensModel, measured: Measured) -> dict[str, list[float]]:
    """Time the updates of one J, from its second frame on.

    Args:
        size: of the frames.
        lens_model: of the lens that takes them.
        measured: the methods.

    Returns:
        Milliseconds of each update, in their order, by scene and method.
    """
    times: dict[str, list[float]] = {}
    for moving in (False, True):
        sequence = frame_sequence(size, lens_model, moving=moving)
        for name, method in measured.methods.items():
            update = _update(method, sequence, lens_model, moving=moving)
            row = times[f"{'moving' if moving else 'still'}: update, {name}"] = []
            for _ in range(_MOST_FRAMES - 1):
                begun = time.perf_counter()
                update()
                row.append(1e3 * (time.perf_counter() - begun))
    return times


def plot(
    path: Path,
    table: dict[str, dict[str, dict[str, float]]],
    frames: Mapping[str, Sequence[float]],
) -> None:
    """Draw the time of an update over megapixels and over frames, and of a map over its cells.

    Args:
        path: of the image.
        table: see `measure`.
        frames: see `over_frames`.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(16, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    by_pixels, by_frames, by_cells = figure.subplots(1, 3)
    for count, rows in table.items():
        sizes = [tuple(map(int, name.split("x"))) for name in rows]
        megapixels = [width * height / 1e6 for width, height in sizes]
        cells = [4 * -(-width // STRIDE) * -(-height // STRIDE) for width, height in sizes]
        for stage in next(iter(rows.values())):
            times = [row[stage] for row in rows.values()]
            if "update" in stage or stage == REFERENCE:
                by_pixels.plot(megapixels, times, "o-", label=f"{stage}, {count} thr.")
            if stage.startswith(MAP):
                by_cells.plot(cells, times, "o-", label=f"{stage}, {count} thr.")
    for stage, row in frames.items():
        by_frames.plot(range(2, 2 + len(row)), row, ".-", label=stage)
    by_pixels.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="ms for each frame")
    by_frames.set(yscale="log", xlabel="frames in the fused image", ylabel="ms for the last one")
    by_cells.set(xscale="log", yscale="log", xlabel="cells of the map", ylabel="ms for each map")
    for axis in (by_pixels, by_frames, by_cells):
        axis.grid(visible=True, which="both", alpha=0.3)
        if axis.lines:
            axis.legend(fontsize="x-small")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format=path.suffix[1:] or "png")
