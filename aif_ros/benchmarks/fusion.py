"""Benchmark of quality and speed of the fusion methods, on the same frames.

Still scenes are rendered at ten lens positions. Moving ones, a shaken camera, an object that
crosses and RGB-D videos, are fused with and without alignment during a triangular focus sweep.
Their truth is known. Real photographs have none: pairs are judged by how much of
the fused image preserves from both, stacks by time and memory, and all of them by eye.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from aif_ros.benchmarks.no_reference_metrics import edge_preservation, mutual_information
from aif_ros.benchmarks.stack_fidelity import stack_fidelity
from aif_ros.benchmarks.stacking_tools import other_tools, own_tools, run_tool
from aif_ros.devices.image_files import image_files, read_image
from aif_ros.fusion.fuser import FUSION_METHODS, Fuser, make_fuser
from aif_ros.fusion.motion.stack_registration import register
from aif_ros.fusion.motion.warping import resample
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.metrics import psnr, ssim
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.depth_edges import near_depth_edges
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.simulation.scenes.scene_motion import CrossingObject, MovedCamera
from aif_ros.simulation.truth import Truth, to_reference_geometry
from aif_ros.storage.atomic_write import replacing
from aif_ros.types.image import Image, to_float, to_gray

STILL_FRAMES = 10
"""Frames of a still scene: a short macro stack."""
MOVING_FRAMES = 20
"""Frames of a moving scene: twice as many, so that the focus passes each part twice."""
_INTERVAL = 0.1
"""Seconds between the frames of a moving scene."""
_JUDGED = 5
"""Number of last frames of a moving sequence that are scored: by then all of the scene has been in
focus."""
_SHAKE, _SPEED = 3.0, 60.0
"""Of the moving scenes: shake of the camera, pixels, and speed of the object, pixels per second."""
_CLOSE_UP, _COLUMNS = 96, 4
"""Contact sheets: side of their squares, pixels, and number of squares in a row."""


@dataclass(frozen=True)
class RenderedFrame:
    """One frame and its truth, both in the reference geometry.

    Attributes:
        image: breathing removed, float32.
        position: metres.
        truth: the scene all in focus at that moment, float32.
        near_edge: (H, W) bool, within `EDGE_REACH` of a depth edge.
    """

    image: Image
    position: float
    truth: Image
    near_edge: NDArray[np.bool_]


def render_frames(
    scene: Scene, lens_model: LensModel, positions: Sequence[float]
) -> list[RenderedFrame]:
    """Take images of a scene, one every tenth of a second, at the given positions (metres)."""
    subject, truths = RenderedScene(scene, lens_model), Truth(scene, lens_model)
    taken = []
    for index, position in enumerate(positions):
        seconds = index * _INTERVAL
        image = to_reference_geometry(subject.expose(position, seconds), position, lens_model)
        truth, focus = truths.at(seconds)
        near_edge = near_depth_edges(focus, lens_model.limits)
        taken.append(RenderedFrame(image, position, truth, near_edge))
    return taken


def _edge_psnr(image: Image, frame: RenderedFrame) -> float:
    if not frame.near_edge.any():
        return float("nan")
    return psnr(image[frame.near_edge], frame.truth[frame.near_edge])


def _fuse(fuser: Fuser, taken: Sequence[RenderedFrame]) -> tuple[list[Image], float]:
    """Every J(t), and the mean seconds of an update."""
    results, seconds = [], 0.0
    for frame in taken:
        begun = time.perf_counter()
        fused = fuser.add(frame.image, frame.position)
        seconds += time.perf_counter() - begun
        results.append(fused.image)
    return results, seconds / len(taken)


Figures = dict[str, dict[str, float]]
"""By method, figures by their names."""


@dataclass(frozen=True)
class Sheet:
    """Images to compare: by the method that made them, all of one size.

    Attributes:
        images: float32.
        interest: (H, W) float32, where details matter.
    """

    images: Mapping[str, Image]
    interest: NDArray[np.float32]


def measure_still(scene: Scene, lens_model: LensModel) -> tuple[Figures, Sheet]:
    """Fuse a sweep over a still scene.

    Args:
        scene: does not move.
        lens_model: the sweep goes from one of its limits to the other.

    Returns:
        By method `psnr`, `ssim`, `edge_psnr` and `seconds` of one update; beside the methods
        `best_frame` and `oracle`, the per-pixel choice by ground truth; and the images.
    """
    low, high = lens_model.limits
    taken = render_frames(scene, lens_model, list(np.linspace(low, high, STILL_FRAMES)))
    last = taken[-1]
    images = {
        "best_frame": max((frame.image for frame in taken), key=lambda x: psnr(x, last.truth))
    }
    images["oracle"] = _truest(taken)
    seconds: dict[str, float] = {}
    for name in FUSION_METHODS:
        results, seconds[name] = _fuse(make_fuser(name), taken)
        images[name] = results[-1]
    figures = {
        name: {
            "psnr": psnr(image, last.truth),
            "ssim": ssim(image, last.truth),
            "edge_psnr": _edge_psnr(image, last),
        }
        for name, image in images.items()
    }
    for name, value in seconds.items():
        figures[name]["seconds"] = value
    return figures, Sheet({**images, "truth": last.truth}, last.near_edge.astype(np.float32))


def _truest(taken: Sequence[RenderedFrame]) -> Image:
    """Each pixel from the frame in which it is nearest to the truth."""
    best, least = taken[0].image.copy(), np.full(taken[0].near_edge.shape, np.inf, np.float32)
    for frame in taken:
        error = np.square(frame.image - frame.truth).reshape(*least.shape, -1).mean(axis=2)
        better = error < least
        best[better] = frame.image[better]
        least[better] = error[better]
    return best


def measure_moving(scene: Scene, lens_model: LensModel) -> tuple[Figures, Sheet]:
    """Fuse a moving scene during a triangular focus sweep.

    Args:
        scene: moves by itself, or with the camera.
        lens_model: the sweep goes between its limits, to and fro.

    Returns:
        By method, without and with alignment, means over the last frames: `psnr`, `edge_psnr`,
        `seconds` of one update, `stability`: how little J's error changes from frame to frame, dB
        below full scale, and `worst_gain`: the least by which J was nearer to the truth than the
        frame alone, dB; and the last images.
    """
    low, high = lens_model.limits
    half = MOVING_FRAMES // 2
    share = np.abs((np.arange(MOVING_FRAMES) / (half - 1)) % 2 - 1)
    taken = render_frames(scene, lens_model, [low + (high - low) * float(s) for s in share])
    judged = taken[-_JUDGED:]
    alone = [psnr(frame.image, frame.truth) for frame in judged]
    figures = {"frame": {"psnr": float(np.mean(alone))}}
    images = {"frame": judged[-1].image}
    for name in FUSION_METHODS:
        for label, lens in ((name, None), (f"{name}, aligned", lens_model)):
            results, seconds = _fuse(make_fuser(name, lens), taken)
            last = results[-_JUDGED:]
            errors = [psnr(image, frame.truth) for image, frame in zip(last, judged, strict=True)]
            edges = [_edge_psnr(image, frame) for image, frame in zip(last, judged, strict=True)]
            figures[label] = {
                "psnr": float(np.mean(errors)),
                "edge_psnr": float(np.mean(edges)),
                "worst_gain": float(np.min(np.subtract(errors, alone))),
                "stability": _stability(last, [frame.truth for frame in judged]),
                "seconds": seconds,
            }
            images[label] = last[-1]
    images["truth"] = judged[-1].truth
    return figures, Sheet(images, judged[-1].near_edge.astype(np.float32))


def _stability(images: Sequence[Image], truths: Sequence[Image]) -> float:
    errors = [image - truth for image, truth in zip(images, truths, strict=True)]
    return float(np.mean([psnr(now, before) for before, now in pairwise(errors)]))


def moved(scene: Scene, lens_model: LensModel) -> Iterator[tuple[str, Scene]]:
    """The two ways a still scene is set in motion, by name.

    Args:
        scene: does not move.
        lens_model: gives the focus position of the object that crosses the image.
    """
    yield "shake", MovedCamera(scene, shake=_SHAKE, seed=1)
    yield "crossing object", CrossingObject(scene, lens_model, speed=_SPEED)


def measure(
    scenes: Sequence[Scene],
    videos: Sequence[Scene],
    lens_model: LensModel,
    save: Path | None,
    progress: Callable[[str], None],
) -> dict[str, Figures]:
    """Measure all methods on scenes with known truth, still and moving.

    Args:
        scenes: still ones.
        videos: moving ones.
        lens_model: of the lens.
        save: folder for contact sheets, PNG; None: none.
        progress: called with the name of each part done.

    Returns:
        `static`, `dynamic` and, if there are videos, `video`, each by method the means over the
        scenes.
    """
    collected: dict[str, list[Figures]] = {"static": [], "dynamic": [], "video": []}
    for scene in scenes:
        still, sheet = measure_still(scene, lens_model)
        collected["static"].append(still)
        write_sheet(save, scene.name, sheet)
        progress(scene.name)
        for name, moving in moved(scene, lens_model):
            figures, sheet = measure_moving(moving, lens_model)
            collected["dynamic"].append(figures)
            write_sheet(save, f"{scene.name} {name}", sheet)
            progress(f"{scene.name}, {name}")
    for video in videos:
        figures, sheet = measure_moving(video, lens_model)
        collected["video"].append(figures)
        write_sheet(save, video.name, sheet)
        progress(video.name)
    return {kind: _means(figures) for kind, figures in collected.items() if figures}


def measure_pairs(
    folders: Sequence[Path], save: Path | None, progress: Callable[[str], None]
) -> Figures:
    """Fuse images of one view each, focused differently, by all methods and installed tools.

    Args:
        folders: each with two or more images of one size.
        save: folder for contact sheets, PNG; None: none.
        progress: called with the name of each part done.

    Returns:
        By method the means of `qabf` and `qmi` (see `edge_preservation`, `mutual_information`),
        and `seconds` of all its fusion.

    Raises:
        DeviceError: an image cannot be read.
        ToolError: a tool failed.
    """
    collected = []
    for folder in folders:
        files = image_files(folder)
        sources = [to_float(read_image(file)) for file in files]
        # Some pairs mix grey and colour.
        if len({source.ndim for source in sources}) > 1:
            sources = [to_gray(source) for source in sources]
        made: dict[str, tuple[Image, float]] = {}
        for name in FUSION_METHODS:
            fuser, begun = make_fuser(name), time.perf_counter()
            for index, source in enumerate(sources):
                fused = fuser.add(source, float(index))
            made[name] = fused.image, time.perf_counter() - begun
        with TemporaryDirectory() as temporary:
            for name, command in other_tools().items():
                output = Path(temporary) / f"{name}.tif"
                cost = run_tool(command([str(file) for file in files], str(output)), output)
                made[name] = _alike(to_float(read_image(output)), sources[0]), cost.seconds
        collected.append(
            {
                name: {
                    "qabf": edge_preservation(image, sources),
                    "qmi": mutual_information(image, sources),
                    "seconds": seconds,
                }
                for name, (image, seconds) in made.items()
            }
        )
        results = {name: image for name, (image, _) in made.items()}
        images = {f"source {index}": source for index, source in enumerate(sources)}
        sheet = Sheet({**images, **results}, _disagreement(list(results.values())))
        write_sheet(save, folder.name, sheet)
        progress(folder.name)
    return _means(collected)


def measure_stacks(
    folders: Sequence[Path], save: Path | None, progress: Callable[[str], None]
) -> dict[str, Figures]:
    """Fuse whole stacks from disk, each in a process of its own, aligned where the tool can.

    Args:
        folders: one stack each.
        save: folder for the sheets of fused images; None: none are drawn.
        progress: is called with a line for each stack and tool.

    Returns:
        By stack and method `seconds` and `peak_mb`, megabytes; of the own methods also `fog`,
        `worst_fog` and `contrast`, see `Fidelity`.

    Raises:
        ToolError: a tool failed.
    """
    results: dict[str, Figures] = {}
    for folder in folders:
        slices = [str(file) for file in image_files(folder)]
        figures: Figures = {}
        images: dict[str, Image] = {}
        own, registered = own_tools(align=True), _registered(folder)
        with TemporaryDirectory() as temporary:
            for name, command in {**own, **other_tools()}.items():
                output = Path(temporary) / f"{name}.tif"
                cost = run_tool(command(slices, str(output)), output)
                figures[name] = {"seconds": cost.seconds, "peak_mb": cost.peak_mb}
                image = to_float(read_image(output))
                if name in own:
                    figures[name] |= stack_fidelity(image, registered)._asdict()
                first = next(iter(images.values()), image)
                images[name] = _alike(image, first)
                progress(f"{folder.name}, {name}")
        sheet = Sheet(images, _disagreement(list(images.values())))
        write_sheet(save, folder.name, sheet)
        results[folder.name] = figures
    return results


def _registered(folder: Path) -> list[Image]:
    """Slices of a stack in the geometry of the own tools' results, gray."""
    slices = [read_image(file, mono=True) for file in image_files(folder)]
    return [
        to_float(resample(image, transform))
        for image, transform in zip(slices, register(slices), strict=True)
    ]


def _alike(image: Image, like: Image) -> Image:
    """Grey or colour, and of the size, as `like`: tools differ in what they write."""
    if image.ndim != like.ndim:
        image = to_gray(image) if like.ndim == 2 else np.repeat(image[..., None], 3, axis=2)
    if image.shape != like.shape:
        image = cv2.resize(image, like.shape[1::-1]).astype(np.float32, copy=False)
    return image


def _disagreement(images: Sequence[Image]) -> NDArray[np.float32]:
    """Where images differ most."""
    return np.asarray(np.std([to_gray(image) for image in images], axis=0))


def _means(figures: Sequence[Figures]) -> Figures:
    return {
        method: {
            key: float(np.mean([scene[method][key] for scene in figures]))
            for key in figures[0][method]
        }
        for method in figures[0]
    }


def write_sheet(folder: Path | None, name: str, sheet: Sheet) -> None:
    """Draw the whole image, and a magnified part of each, as NAME.png; None: nothing.

    Args:
        folder: for the file; None: nothing is drawn.
        name: of the file, without suffix; spaces become underscores.
        sheet: images to compare.
    """
    if folder is None:
        return
    total = cv2.blur(sheet.interest, (_CLOSE_UP, _CLOSE_UP))
    height, width = total.shape
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    top = int(np.clip(row - _CLOSE_UP // 2, 0, max(0, height - _CLOSE_UP)))
    left = int(np.clip(column - _CLOSE_UP // 2, 0, max(0, width - _CLOSE_UP)))
    count = len(sheet.images) + 1
    rows = -(-count // _COLUMNS)
    figure = Figure(figsize=(3.2 * _COLUMNS, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    whole = list(sheet.images.values())[-1]
    axes[0].imshow(np.clip(whole, 0, 1), cmap="gray", vmin=0, vmax=1)
    axes[0].add_patch(Rectangle((left, top), _CLOSE_UP, _CLOSE_UP, fill=False, color="red"))
    axes[0].set_title(name)
    for axis, (title, image) in zip(axes[1:], sheet.images.items(), strict=False):
        close_up = image[top : top + _CLOSE_UP, left : left + _CLOSE_UP]
        axis.imshow(np.clip(close_up, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(title)
    with replacing(folder / f"{name.replace(' ', '_')}.png") as temporary:
        figure.savefig(temporary, dpi=100)
