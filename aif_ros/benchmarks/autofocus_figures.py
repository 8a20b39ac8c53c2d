"""Figures of autofocus comparisons."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aif_ros.benchmarks.autofocus import TrialResult
from aif_ros.benchmarks.stack_autofocus import StackRun

_MOST_IMAGES = 30
"""Right end of the axis of images; a sweep takes more."""


def save_trials_figure(runs: Mapping[str, Sequence[TrialResult]], folder: Path) -> Path:
    """Draw how many trials are done after how many images, and how the blur falls.

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
    done_axis.set(xlabel="images captured", ylabel="trials ended in focus", ylim=(0, 1.02))
    blur_axis.axhline(1.0, color="0.7", linewidth=0.8)
    blur_axis.set(xlabel="images captured", ylabel="least blur radius so far, median (px)")
    for axis in (done_axis, blur_axis):
        axis.set_xlim(1, _MOST_IMAGES)
        axis.grid(alpha=0.3)
        axis.legend()
    return _save(figure, folder / "autofocus.png")


def save_stacks_figure(runs: Mapping[str, Mapping[str, Sequence[StackRun]]], folder: Path) -> Path:
    """Draw how often each search succeeds on each stack, and how many images it captures.

    Args:
        runs: of each stack, by name, of each search, by name.
        folder: where `autofocus_stacks.png` is written; made if missing.

    Returns:
        The file.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    success_axis, images_axis = figure.subplots(1, 2)
    searches = list(next(iter(runs.values())))
    places = np.arange(len(runs))
    width = 0.8 / len(searches)
    for number, name in enumerate(searches):
        at = places + (number - (len(searches) - 1) / 2) * width
        done = [methods[name] for methods in runs.values()]
        success = [float(np.mean([run.success for run in each])) for each in done]
        images = [float(np.mean([run.images for run in each])) for each in done]
        success_axis.bar(at, success, width, label=name)
        images_axis.bar(at, images, width, label=name)
    success_axis.set(ylabel="runs ended in focus", ylim=(0, 1.02))
    images_axis.set(ylabel="images captured, mean")
    for axis in (success_axis, images_axis):
        axis.set_xticks(places, list(runs))
        axis.grid(axis="y", alpha=0.3)
    images_axis.legend()
    return _save(figure, folder / "autofocus_stacks.png")


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
    return path
