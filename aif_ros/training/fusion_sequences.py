"""Random sequences of frames with known truth, to train the fusion network.

Scenes, lens, aperture, camera and the order of the lens positions are drawn at random. In pairs of
frames, each part of the scene is sharp in one of the two, as in most pairs that are taken to be
fused.
"""

import numpy as np

from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.psf import Aperture
from aif_ros.optics.pupil import GaussianSpread, PointSpread
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.training.focus_sequence import FocusSequence, render_sequence
from aif_ros.training.fusion_scenes import SceneFiles, draw_views
from aif_ros.training.fusion_statistics import STATISTICS


def random_sequence(
    sources: SceneFiles, size: int, count: int, random: np.random.Generator, *, moving: bool
) -> FocusSequence:
    """Make a scene and frames of it.

    Args:
        sources: of scenes.
        size: width and height, pixels.
        count: number of frames.
        random: source of randomness.
        moving: whether camera and objects move.
    """
    lens_model = _lens(size, random)
    moments = count if moving else 1
    views = draw_views(sources, lens_model, size, moments, random)
    if moving and random.random() < STATISTICS.cuts:
        cut = int(random.integers(1, count))
        views[cut:] = draw_views(sources, lens_model, size, count - cut, random)
    positions = _trajectory(count, random)
    camera = draw_camera(random)
    return render_sequence(views, lens_model, positions, _point_spread(random), camera, random)


def random_pair(sources: SceneFiles, size: int, random: np.random.Generator) -> FocusSequence:
    """Make a still scene of two depths, and two frames, each with one of the two in focus.

    Args:
        sources: of scenes.
        size: width and height, pixels.
        random: source of randomness.
    """
    lens_model = _lens(size, random)
    view = draw_views(sources, lens_model, size, 1, random)[0]
    focus = view.focus_position
    near = focus > np.quantile(focus, random.uniform(0.2, 0.8))
    # A scene of one depth is all near, or all far.
    depths = [float(np.median(focus[part] if part.any() else focus)) for part in (~near, near)]
    view = SceneView(view.image, np.where(near, depths[1], depths[0]).astype(np.float32))
    missed = (
        STATISTICS.missed * (STATISTICS.travel[1] - STATISTICS.travel[0]) * random.uniform(-1, 1, 2)
    )
    positions = np.clip(np.array(depths) + missed, *STATISTICS.travel)
    random.shuffle(positions)
    camera = (
        SensorModel(read_noise=0.0)
        if random.random() < STATISTICS.noiseless
        else draw_camera(random)
    )
    return render_sequence(
        [view], lens_model, positions.tolist(), _point_spread(random), camera, random
    )


def draw_camera(random: np.random.Generator) -> SensorModel:
    """Draw a camera: half of them deliver white noise, half process it.

    A narrower choice than `SensorModel.draw`, which makes single images: in a
    sequence the effects of exposure, mosaic and scaling are the same in each frame, and fusion must
    not learn to undo them.
    """
    read = 5 / 255 * float(random.random()) ** 2
    shot = float(random.choice([0.5 / 255, 4 / 255 * random.random()]))
    if random.random() < 0.5:
        return SensorModel(read_noise=read, shot_noise=shot)
    return SensorModel(
        read_noise=read,
        shot_noise=shot,
        noise_correlation=random.uniform(0.4, 1.2) if random.random() < 0.7 else 0.0,
        sharpen=random.uniform(0.2, 1.0) if random.random() < 0.4 else 0.0,
        jpeg_quality=int(random.integers(70, 97)) if random.random() < 0.6 else None,
    )


def _lens(size: int, random: np.random.Generator) -> LensModel:
    radius = float(
        np.exp(random.uniform(*np.log([STATISTICS.smallest_radius, STATISTICS.largest_radius])))
    )
    return LensModel(
        name="training",
        metres_per_step=1e-6,
        limits=STATISTICS.travel,
        blur_per_metre=radius / (STATISTICS.travel[1] - STATISTICS.travel[0]),
        calibration_width=size,
        breathing_per_metre=STATISTICS.breathing * random.uniform(0.1, 1.0),
    )


def _point_spread(random: np.random.Generator) -> PointSpread:
    """Mostly a disk; polygons, and Gaussians for lenses with many small aberrations."""
    kind, softness = random.random(), max(0.0, random.normal(0, 0.3))
    if kind < 0.25:
        return GaussianSpread(softness)
    blades = int(random.integers(5, 10)) if kind < 0.4 else 0
    return Aperture(blades, random.uniform(0, 2 * np.pi), softness)


def _trajectory(count: int, random: np.random.Generator) -> list[float]:
    """Lens positions, metres: a sweep in either direction, a triangular one, or random order."""
    low, high = STATISTICS.travel
    to_and_fro = random.random() < 0.3
    edges = np.linspace(low, high, (count // 2 + 1 if to_and_fro else count) + 1)
    positions = random.uniform(edges[:-1], edges[1:])
    if random.random() < 0.5:
        positions = positions[::-1]
    if to_and_fro:
        # J must not lose on the second half of the sweep what it has gained on the first.
        positions = np.concatenate([positions, positions[-2::-1]])[:count]
    elif random.random() < 0.6:
        random.shuffle(positions)
    return [float(position) for position in positions]
