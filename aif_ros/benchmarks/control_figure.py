"""An episode of focus control as a figure, in the manner of the paper's Figure 4."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from aif_ros.benchmarks.control_episode import Episode
from aif_ros.benchmarks.figures import as_rgb, distance_picture
from aif_ros.optics.lens_model import LensModel
from aif_ros.storage.atomic_write import replacing


def save_episode_figure(
    episode: Episode, lens_model: LensModel, path: Path, *, rows: int = 6
) -> None:
    """Draw an episode in the manner of the paper's Figure 4, one row for each capture.

    Frame with the window chosen next, fused image, distance map of the frame.

    Args:
        episode: with at least one capture.
        lens_model: of the lens in use.
        path: PNG to write.
        rows: captures shown at most, evenly chosen, the first and the last among them.
    """
    count = min(rows, len(episode.steps))
    chosen = np.unique(np.linspace(0, len(episode.steps) - 1, count).round().astype(int))
    width, height = episode.steps[0].frame.size
    figure = Figure(figsize=(9.6, 3.2 * height / width * len(chosen) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(chosen), 3, squeeze=False)
    distances = [step.maps.distance for step in episode.steps if step.maps is not None]
    known = [distance[np.isfinite(distance)] for distance in distances]
    least = np.full(1, 1.0 / lens_model.blur_gain(width))
    farthest = float(np.percentile(np.concatenate([*known, least]), 98))
    for row, index in zip(axes, chosen, strict=True):
        step = episode.steps[index]
        image = step.reference.image
        assert step.fused is not None and step.maps is not None and step.action is not None
        pictures: list[NDArray[Any]] = [
            as_rgb(image),
            as_rgb(step.fused.image),
            distance_picture(image, step.maps.distance, farthest),
        ]
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(picture)
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(f"t = {index + 1}")
        window = step.action.window
        if window is not None:
            corner = (window.x, window.y)
            for axis in (row[0], row[2]):
                axis.add_patch(
                    Rectangle(corner, window.width, window.height, fill=False, color="w", lw=1.5)
                )
    for axis, title in zip(
        axes[0], ("frame I(t), next window", "fused J(t)", "distance to focus"), strict=True
    ):
        axis.set_title(title, fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
