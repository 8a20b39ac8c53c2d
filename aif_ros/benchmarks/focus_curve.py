"""The figure of one focus search: its trajectory and its focus curve."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aif_ros.autofocus.search import FocusRun
from aif_ros.storage.atomic_write import replacing


def save_focus_curve(run: FocusRun, folder: Path) -> Path:
    """Draw where the lens went, and what the search measured over the position.

    Args:
        run: a finished search.
        folder: where `focus_curve.png` is written; made if missing.

    Returns:
        The file.
    """
    positions = [each.position * 1e3 for each in run.measurements]
    scores = [each.score for each in run.measurements]
    order = sorted(range(len(positions)), key=positions.__getitem__)
    figure = Figure(figsize=(10, 4), layout="constrained")
    path_axis, curve_axis = figure.subplots(1, 2)
    path_axis.plot(range(1, len(positions) + 1), positions, "o-")
    path_axis.axhline(run.position * 1e3, color="tab:green", linewidth=0.8)
    path_axis.set(xlabel="image", ylabel="lens position (mm)", title=run.reason)
    curve_axis.plot([positions[i] for i in order], [scores[i] for i in order], "o-")
    for number, (position, score) in enumerate(zip(positions, scores, strict=True), 1):
        curve_axis.annotate(
            str(number), (position, score), xytext=(3, 4), textcoords="offset points"
        )
    curve_axis.axvline(run.position * 1e3, color="tab:green", linewidth=0.8)
    curve_axis.set(xlabel="lens position (mm)", ylabel="score", title="focus curve")
    path = folder / "focus_curve.png"
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
    return path
