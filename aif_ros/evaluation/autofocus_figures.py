"""The picture of an autofocus comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aif_ros.evaluation.autofocus import Run

_MOST_IMAGES = 30


def save_figure(runs: Mapping[str, Sequence[Run]], folder: Path) -> Path:
    """Draw how many trials are done after how many pictures, and how the blur falls.

    Args:
        runs: of each search, by name.
        folder: where `autofocus.png` is written; made if missing.

    Returns:
        The file.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    done_axis, blur_axis = figure.subplots(1, 2)
    images = range(1, _MOST_IMAGES + 1)
    for name, done in runs.items():
        counts = np.array([run.images for run in done])
        good = np.array([run.success for run in done])
        share = [float(np.mean((counts <= image) & good)) for image in images]
        done_axis.step(images, share, where="post", label=name)
        held = [[min(run.blurs[:image]) for image in images] for run in done]
        blur_axis.semilogy(images, np.maximum(np.median(held, axis=0), 0.05), label=name)
    done_axis.set(xlabel="pictures captured", ylabel="trials ended in focus", ylim=(0, 1.02))
    blur_axis.axhline(1.0, color="0.7", linewidth=0.8)
    blur_axis.set(xlabel="pictures captured", ylabel="least blur radius so far, median (px)")
    for axis in (done_axis, blur_axis):
        axis.set_xlim(1, _MOST_IMAGES)
        axis.grid(alpha=0.3)
        axis.legend()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "autofocus.png"
    FigureCanvasAgg(figure).print_png(str(path))
    return path
