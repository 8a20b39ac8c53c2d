"""The plot that shows how good a calibration is."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aif_ros.calibration.sweep_calibration import LensCalibration
from aif_ros.storage.atomic_write import replacing


def save_calibration_plot(calibration: LensCalibration, path: Path) -> Path:
    """Draw the blur radius of every match over the travel, and the line that was found.

    Args:
        calibration: what was found.
        path: PNG file to write; its folder is made.
    """
    travel = np.array([match.travel for match in calibration.matches])
    radius = np.array([match.radius for match in calibration.matches])
    window = np.array([match.window for match in calibration.matches])
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    axis.scatter(travel * 1e3, radius, c=window, s=12, cmap="viridis", alpha=0.7)
    reach = float(np.abs(travel).max()) * 1.05
    line = np.array([-reach, 0.0, reach])
    blur = calibration.blur_per_metre
    axis.plot(line * 1e3, np.abs(line) * blur.value, color="tab:red", label="calibration")
    axis.fill_between(
        line * 1e3,
        np.abs(line) * blur.low,
        np.abs(line) * blur.high,
        color="tab:red",
        alpha=0.2,
        label="95 %",
    )
    axis.set(xlabel="travel out of focus (mm)", ylabel="blur radius (px)", ylim=(0, None))
    axis.set_title("one colour for each window of the image")
    axis.grid(alpha=0.3)
    axis.legend()
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
    return path
