"""The tables, figures and demonstrations of the paper, made by this package.

C. Wang, Q. Huang, M. Cheng, Z. Ma, D. J. Brady, "Deep Learning for Camera Autofocus", IEEE
Transactions on Computational Imaging 7 (2021). See `docs/paper.md`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aif_ros.autofocus.searches import make_search
from aif_ros.benchmarks import autofocus, latency
from aif_ros.benchmarks.control_episode import Episode, RigSettings, run_episode
from aif_ros.benchmarks.control_figure import save_episode_figure
from aif_ros.control.agents import make_agent
from aif_ros.optics.psf import Aperture
from aif_ros.simulation.patches import Defocus
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.storage.atomic_write import replacing

SEARCHES = ("rule_based", "fibonacci", "neural")
"""Rows of Tables 1 and 2."""
STARTS: Mapping[str, tuple[int, bool]] = {
    "start within 300 steps of focus": (1000, True),
    "start anywhere in 1000 steps": (1000, False),
    "start anywhere in 3000 steps": (3000, False),
}
"""Columns of Table 1: steps of travel, and whether the lens starts near focus."""
AGENTS = ("sweep", "rule_based", "paper", "learned")
"""Agents of the demonstrations: sweep as reference, the paper's two, and that of this package."""
WINDOW = 512
"""Side of the paper's windows, pixels."""
_DEFOCUS_STEPS = (0, 50, 100, 200, 300)
"""Motor steps of the defocused images of Figure 2; 300 steps are the range of the estimator."""

Table = dict[str, dict[str, dict[str, Any]]]


def table_1(
    photos: Sequence[NDArray[np.uint8]],
    trials: int,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> Table:
    """Count the images that each search needs with the paper's lens and windows.

    Args:
        photos: (H, W, 3) uint8 each, sharp, at least 512 px high and wide.
        trials: of each search and start.
        seed: of the trials.
        progress: called after each run.

    Returns:
        Figures by start and search; see `autofocus.figures`.

    Raises:
        PhotosError: hardly any photo is sharp and large enough.
    """
    table: Table = {}
    for start, (steps, near) in STARTS.items():
        lens = autofocus.paper_lens(steps)
        searches = {name: make_search(name, lens) for name in SEARCHES}
        drawn = autofocus.make_trials(photos, lens, trials, near, seed)
        runs = autofocus.compare(searches, drawn, lens, progress=progress)
        table[start] = autofocus.figures(runs, lens)
    return table


def table_2(repeats: int) -> dict[str, dict[str, float]]:
    """Time one step of each search on a window of 512 x 512 px, with one thread.

    Returns:
        Median and 99th percentile, milliseconds, by search.
    """
    lens = autofocus.paper_lens(1000)
    window = latency.textured_image(WINDOW, WINDOW)
    with latency.threads(1):
        return {
            name: latency.search_step(make_search(name, lens), window, lens, repeats).as_dict()
            for name in SEARCHES
        }


def save_figure_2(photo: NDArray[np.uint8], path: Path) -> None:
    """Draw a window and synthetic defocused images of it.

    Args:
        photo: (H, W, 3) uint8, at least 512 px high and wide; its centre is shown.
        path: PNG to write.
    """
    top, left = ((size - WINDOW) // 2 for size in photo.shape[:2])
    window = photo[top : top + WINDOW, left : left + WINDOW].astype(np.float32) / 255
    camera, random = SensorModel(), np.random.default_rng(0)
    lens = autofocus.paper_lens(1000)
    radii = [
        lens.blur_radius(steps * lens.metres_per_step, 0.0, lens.calibration_width)
        for steps in _DEFOCUS_STEPS
    ]
    channels = [
        Defocus(np.ascontiguousarray(window[..., channel]), camera.gamma, max(radii))
        for channel in range(3)
    ]
    figure = Figure(figsize=(3 * len(radii), 3.3), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, steps, radius in zip(
        figure.subplots(1, len(radii)), _DEFOCUS_STEPS, radii, strict=True
    ):
        colours = [
            camera.capture(np.maximum(channel(radius, Aperture()), 0), random)
            for channel in channels
        ]
        axis.imshow(cv2.merge(colours))
        axis.set_axis_off()
        axis.set_title(f"{steps} steps, radius {radius:.1f} px", fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def demonstrate(
    scene: Scene, rig: RigSettings, start: float, seconds: float | None, folder: Path
) -> dict[str, dict[str, float | str]]:
    """Let each agent run the loop on a scene, and draw the paper's Figure 4 of it.

    Args:
        scene: of the camera.
        rig: camera, lens, fusion and estimator.
        start: lens position at first, metres.
        seconds: how long to watch a moving scene; None: a static scene, until the agent stops.
        folder: gets `figure_4_KIND_AGENT.png`.

    Returns:
        Figures by agent.
    """
    kind = "static" if seconds is None else "dynamic"
    figures = {}
    for name in AGENTS:
        agent = make_agent(name, rig.lens_model, dynamic=seconds is not None)
        episode = run_episode(scene, name, agent, rig, start, seconds)
        save_episode_figure(episode, rig.lens_model, folder / f"figure_4_{kind}_{name}.png")
        figures[name] = _summary(episode)
    return figures


def _summary(episode: Episode) -> dict[str, float | str]:
    return {
        "frames": episode.frames,
        "psnr": float(np.mean(episode.psnr)),
        "in_focus_share": float(np.mean(episode.in_focus_share)),
        "hunting_rate": episode.hunting_rate,
        "reason": episode.reason,
    }


def as_markdown(result: Mapping[str, Any]) -> str:
    """Return the tables of a reproduction, as far as it has come, as Markdown."""
    lines = ["# Tables of the paper, as made here"]
    table, times = result.get("table_1", {}), result.get("table_2", {})
    if table:
        lines += ["", "## Table 1: images until in focus", ""]
        lines += _row("search", *table) + _row(*["---"] * (1 + len(table)))
        for name in SEARCHES:
            cells = [
                f"{rows[name]['images_mean']:.2f} (95 %: {rows[name]['images_p95']:.0f}); "
                f"{100 * rows[name]['success_rate']:.0f} % succeed"
                for rows in table.values()
            ]
            lines += _row(name, *cells)
    if times:
        lines += ["", "## Table 2: one step, 512 x 512 px, one thread", ""]
        lines += _row("search", "median, ms", "99 %, ms") + _row("---", "---", "---")
        for name in SEARCHES:
            lines += _row(name, f"{times[name]['median']:.2f}", f"{times[name]['p99']:.2f}")
    for kind in ("static", "dynamic"):
        if kind not in result:
            continue
        lines += ["", f"## Demonstration: {kind} scene", ""]
        lines += _row("agent", "frames", "PSNR of J, dB", "in focus", "hunting", "ended")
        lines += _row(*["---"] * 6)
        for name, row in result[kind].items():
            lines += _row(
                name,
                f"{row['frames']}",
                f"{row['psnr']:.1f}",
                f"{100 * row['in_focus_share']:.0f} %",
                f"{row['hunting_rate']:.2f}",
                row["reason"],
            )
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> list[str]:
    return ["| " + " | ".join(cells) + " |"]
