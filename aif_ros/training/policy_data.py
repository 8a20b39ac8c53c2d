"""Training data of the policies: errors of the blur estimator, and focus maps of real scenes."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.defocus.estimators import make_estimator
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.photo import PhotoScene, folder_scene
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.simulation.truth import Truth, to_reference_geometry
from aif_ros.training.card import DataSet, describe_data
from aif_ros.training.estimator_surrogate import EstimatorSurrogate, Sample, measure
from aif_ros.training.fusion_data import list_rgbd
from aif_ros.training.policy_rollout import SceneSource
from aif_ros.training.scikit_image_photos import PHOTOS
from aif_ros.weights import WEIGHTS, is_weight_file

_MAP_SHAPE = (60, 80)
"""Rows and columns of the maps of focus positions that scenes are reduced to."""
_SURROGATE = "surrogate.npz"
# Lenses that blur so many times as much as the one at hand: images larger than the scenes at hand
# have larger blur, of which the estimator must be known as well.
_STRENGTHS = (1.0, 2.5)


class PolicyData(NamedTuple):
    """What the policies are trained on.

    Attributes:
        scenes: to simulate.
        files: that the scenes were made from.
        description: of the files and of the estimator's weights, for the card.
    """

    scenes: SceneSource
    files: Sequence[Path]
    description: Sequence[DataSet]


def drawn_scenes(lens_model: LensModel) -> list[Scene]:
    """Return photographs that come with scikit-image, laid on a slope with a nearer part.

    Natural texture and a blur that is known everywhere: what measuring an estimator needs.
    """
    scenes: list[Scene] = []
    for number, photo in enumerate(PHOTOS):
        image = photo.read()
        y, x = (
            axis / (size - 1)
            for axis, size in zip(np.indices(image.shape[:2]), image.shape[:2], strict=True)
        )
        rise = 0.7 * (x if number % 2 else 1 - x) + 0.3 * y
        middle = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) < 0.2
        dioptres = 0.5 + np.where(middle, (rise + 0.4) % 1.0, rise)
        scenes.append(PhotoScene(photo.name, image, 1 / dioptres, lens_model))
    return scenes


def rgbd_scenes(folder: Path, lens_model: LensModel) -> list[Scene]:
    """Open the RGB-D scenes in a folder, one folder each.

    Raises:
        SceneError: there are none, or one is unusable.
    """
    return [folder_scene(path, lens_model) for path in list_rgbd(folder)]


def focus_maps(scenes: Sequence[Scene], lens_model: LensModel) -> NDArray[np.float32]:
    """Return the scenes' focus positions, (N, 60, 80), as shares of the lens's travel."""
    low, high = lens_model.limits
    maps = []
    for scene in scenes:
        focus = scene.view(0.0).focus_position
        rows = (np.arange(_MAP_SHAPE[0]) + 0.5) / _MAP_SHAPE[0] * focus.shape[0]
        columns = (np.arange(_MAP_SHAPE[1]) + 0.5) / _MAP_SHAPE[1] * focus.shape[1]
        # Points, not means: a mean over a depth edge is a depth that nothing has.
        points = focus[np.ix_(rows.astype(int), columns.astype(int))]
        maps.append((points - low) / (high - low))
    return np.asarray(maps, np.float32)


def measure_estimator(
    estimator: BlurEstimator,
    lens_model: LensModel,
    scenes: Sequence[Scene],
    *,
    frames: int = 12,
    seed: int = 0,
) -> EstimatorSurrogate:
    """Let the estimator read rendered frames of `scenes` and tabulate its errors.

    Args:
        estimator: whose errors to measure.
        lens_model: the lens.
        scenes: as they are at first.
        frames: of each scene, at lens positions spread over the travel.
        seed: of the lens positions.
    """
    random = np.random.default_rng(seed)
    lenses = [
        replace(lens_model, blur_per_metre=strength * lens_model.blur_per_metre)
        for strength in _STRENGTHS
    ]
    samples = []
    views = tqdm(list(product(scenes, lenses)), desc="measuring the estimator", unit="scene")
    for number, (scene, lens) in enumerate(views):
        rendered = RenderedScene(scene, lens)
        focus = Truth(scene, lens).at(0.0)[1]
        shares = (np.arange(frames) + random.random(frames)) / frames
        for position in np.interp(shares, (0, 1), lens.limits):
            image = to_reference_geometry(rendered.expose(position, 0.0), position, lens)
            blur = estimator.estimate(image)
            radius = np.abs(focus - position) * lens.blur_gain(image.shape[1])
            samples.append(Sample(blur, _median_per_cell(radius, blur.shape), number))
    return measure(samples)


def policy_data(
    lens_model: LensModel,
    estimator: str,
    rgbd: Path | None,
    folder: Path,
    seed: int,
    *,
    resume: bool,
) -> PolicyData:
    """Measure the estimator and collect what the policies are trained on.

    Args:
        lens_model: the lens.
        estimator: whose errors to measure: a name or weight file; see `make_estimator`.
        rgbd: folder of RGB-D scenes, or None for photographs that come with scikit-image.
        folder: of the training; the measured errors are kept there.
        seed: of the lens positions at which the estimator is measured.
        resume: use the errors that an interrupted training measured.

    Raises:
        OSError: a file cannot be read or written.
        SceneError: `rgbd` is no folder of RGB-D scenes.
        ValueError: there is no such estimator.
    """
    measured = make_estimator(estimator, lens_model)
    scenes = drawn_scenes(lens_model) if rgbd is None else rgbd_scenes(rgbd, lens_model)
    if rgbd is None:
        files = [photo.path for photo in PHOTOS]
        description = [photo.describe() for photo in PHOTOS]
    else:
        files = sorted(path for kind in ("image.*", "depth.*") for path in rgbd.glob(f"*/{kind}"))
        description = describe_data(files)
    description += _describe_estimator(estimator)
    tables = folder / _SURROGATE
    if resume and tables.is_file():
        surrogate = EstimatorSurrogate.load(tables)
    else:
        surrogate = measure_estimator(measured, lens_model, scenes, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        surrogate.save(tables)
    maps = None if rgbd is None else focus_maps(scenes, lens_model)
    return PolicyData(SceneSource(lens_model, surrogate, maps), files, description)


def _describe_estimator(name: str) -> list[DataSet]:
    """Describe the weights of the estimator, which decide its errors; it may have none."""
    if name != "neural" and not is_weight_file(name):
        return []
    path = WEIGHTS / "blur.safetensors" if name == "neural" else Path(name)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    return [DataSet(f"weights of the blur estimator ({path.name})", 1, checksum, "see its card")]


def _median_per_cell(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    rows, columns = shape
    height, width = values.shape
    ys = [row * height // rows for row in range(rows + 1)]
    xs = [column * width // columns for column in range(columns + 1)]
    return np.array(
        [
            [np.median(values[top:bottom, left:right]) for left, right in pairwise(xs)]
            for top, bottom in pairwise(ys)
        ],
        np.float32,
    )
