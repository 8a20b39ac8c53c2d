"""How good and how fast the fusion methods are, all on the same frames of scenes with known truth.

Still scenes are rendered at ten lens positions. Moving ones, a shaken camera and an object that
crosses, are fused with and without alignment while the focus sweeps to and fro.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.rendered_scene import RenderedScene
from aif_ros.evaluation.metrics import psnr, ssim
from aif_ros.fusion.alignment import remove_breathing
from aif_ros.fusion.fuser import FUSION_METHODS, Fuser, make_fuser
from aif_ros.images import Image, to_float, to_uint8
from aif_ros.optics.lens_model import LensModel
from aif_ros.scenes.motion import CrossingObject, MovedCamera
from aif_ros.scenes.scene import Scene, shifted

STILL_FRAMES = 10
MOVING_FRAMES = 20
# Frames of a moving scene that follow each other at this interval, seconds.
_INTERVAL = 0.1
# The last frames of a moving sequence are judged: by then all of the scene has been in focus.
_JUDGED = 5
_SHAKE, _SPEED = 3.0, 60.0
EDGE_REACH = 12
"""Pixels around a depth edge that count as near it."""
# An edge is a step by this share of the lens's travel.
_STEP = 0.1


@dataclass(frozen=True)
class Shot:
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


def shots(scene: Scene, lens_model: LensModel, positions: Sequence[float]) -> list[Shot]:
    """Take pictures of a scene, one every tenth of a second, at the given positions (metres)."""
    subject = RenderedScene(scene, lens_model)
    low, high = lens_model.limits
    taken = []
    for index, position in enumerate(positions):
        seconds = index * _INTERVAL
        scale = lens_model.breathing_scale(position)
        image = remove_breathing(to_float(subject.expose(position, seconds)), scale)
        view = scene.view(seconds)
        truth = remove_breathing(view.image, lens_model.breathing_scale(0.0))
        kernel = np.ones((3, 3), np.uint8)
        steps = cv2.dilate(view.focus_position, kernel) - cv2.erode(view.focus_position, kernel)
        edges = (steps > _STEP * (high - low)).astype(np.float32)
        edges = remove_breathing(edges, lens_model.breathing_scale(0.0)) > 0.5
        if view.shift != (0.0, 0.0):
            # The camera's motion shifts the sensor's picture, which is then magnified.
            shift = (view.shift[0] * scale, view.shift[1] * scale)
            truth = np.clip(shifted(truth, shift), 0.0, 1.0)
            edges = shifted(edges.astype(np.float32), shift) > 0.5
        reach = np.ones((2 * EDGE_REACH + 1, 2 * EDGE_REACH + 1), np.uint8)
        near_edge = cv2.dilate(edges.astype(np.uint8), reach) > 0
        taken.append(Shot(image, position, truth, near_edge))
    return taken


def _edge_psnr(image: Image, shot: Shot) -> float:
    if not shot.near_edge.any():
        return float("nan")
    return psnr(image[shot.near_edge], shot.truth[shot.near_edge])


def _fuse(fuser: Fuser, taken: Sequence[Shot]) -> tuple[list[Image], float]:
    """Every J(t), and the mean seconds of an update."""
    results, seconds = [], 0.0
    for shot in taken:
        begun = time.perf_counter()
        fused = fuser.add(shot.image, shot.position)
        seconds += time.perf_counter() - begun
        results.append(fused.image)
    return results, seconds / len(taken)


def measure_still(scene: Scene, lens_model: LensModel) -> tuple[dict[str, dict[str, float]], Image]:
    """Fuse a sweep over a still scene.

    Returns:
        By method `psnr`, `ssim`, `edge_psnr` and `seconds` of one update; beside the methods
        `best_frame` and `oracle`, the choice per pixel that knows the truth; and a contact sheet:
        the results, one below the other, and the truth.
    """
    low, high = lens_model.limits
    taken = shots(scene, lens_model, list(np.linspace(low, high, STILL_FRAMES)))
    last = taken[-1]
    images = {"best_frame": max((shot.image for shot in taken), key=lambda x: psnr(x, last.truth))}
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
    return figures, np.concatenate([*images.values(), last.truth])


def _truest(taken: Sequence[Shot]) -> Image:
    """Each pixel from the frame in which it is nearest to the truth."""
    best, least = taken[0].image.copy(), np.full(taken[0].near_edge.shape, np.inf, np.float32)
    for shot in taken:
        error = np.square(shot.image - shot.truth).reshape(*least.shape, -1).mean(axis=2)
        better = error < least
        best[better] = shot.image[better]
        least[better] = error[better]
    return best


def measure_moving(
    scene: Scene, lens_model: LensModel
) -> tuple[dict[str, dict[str, float]], Image]:
    """Fuse a moving scene while the focus sweeps to and fro.

    Returns:
        By method, without and with alignment, means over the last frames: `psnr`, `edge_psnr`,
        `seconds` of one update, and `worst_gain`: the least by which J was nearer to the truth
        than the frame alone, dB; and a contact sheet as of `measure_still`.
    """
    low, high = lens_model.limits
    half = MOVING_FRAMES // 2
    share = np.abs((np.arange(MOVING_FRAMES) / (half - 1)) % 2 - 1)
    taken = shots(scene, lens_model, [low + (high - low) * float(s) for s in share])
    judged = taken[-_JUDGED:]
    alone = [psnr(shot.image, shot.truth) for shot in judged]
    figures = {"frame": {"psnr": float(np.mean(alone))}}
    sheet = [judged[-1].image]
    for name in FUSION_METHODS:
        for label, moving in ((name, False), (f"{name}, aligned", True)):
            results, seconds = _fuse(make_fuser(name, moving=moving), taken)
            last = results[-_JUDGED:]
            errors = [psnr(image, shot.truth) for image, shot in zip(last, judged, strict=True)]
            edges = [_edge_psnr(image, shot) for image, shot in zip(last, judged, strict=True)]
            figures[label] = {
                "psnr": float(np.mean(errors)),
                "edge_psnr": float(np.mean(edges)),
                "worst_gain": float(np.min(np.subtract(errors, alone))),
                "seconds": seconds,
            }
            sheet.append(last[-1])
    return figures, np.concatenate([*sheet, judged[-1].truth])


def moved(scene: Scene, lens_model: LensModel) -> Iterator[tuple[str, Scene]]:
    """The two ways a still scene is set in motion, by name."""
    yield "shake", MovedCamera(scene, shake=_SHAKE, seed=1)
    yield "crossing object", CrossingObject(scene, lens_model, speed=_SPEED)


def measure(
    scenes: Sequence[Scene],
    lens_model: LensModel,
    save: Path | None,
    progress: Callable[[str], None],
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure all methods on all scenes, still and moving.

    Args:
        scenes: still ones.
        lens_model: of the lens.
        save: folder for contact sheets, PNG; None: none.
        progress: told what has been done.

    Returns:
        `static` and `dynamic`, each by method the means over the scenes.
    """
    collected: dict[str, list[dict[str, dict[str, float]]]] = {"static": [], "dynamic": []}
    for scene in scenes:
        still, sheet = measure_still(scene, lens_model)
        collected["static"].append(still)
        _write(save, scene.name, sheet)
        progress(scene.name)
        for name, moving in moved(scene, lens_model):
            figures, sheet = measure_moving(moving, lens_model)
            collected["dynamic"].append(figures)
            _write(save, f"{scene.name} {name}", sheet)
            progress(f"{scene.name}, {name}")
    return {kind: _means(figures) for kind, figures in collected.items()}


def _means(figures: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        method: {
            key: float(np.mean([scene[method][key] for scene in figures]))
            for key in figures[0][method]
        }
        for method in figures[0]
    }


def _write(folder: Path | None, name: str, sheet: Image) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    pixels = to_uint8(sheet)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".png", pixels)
    (folder / f"{name.replace(' ', '_')}.png").write_bytes(content.tobytes())
