"""Autofocus on recorded focal stacks: real images of real lenses.

Each stack is calibrated from itself. Windows with texture are then focused from lens positions all
over the sweep, and each run is judged by the slice of highest contrast in its window.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aif_ros.autofocus.search import FocusSearch
from aif_ros.defocus.sharpness import tenengrad
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_step import focus_window
from aif_ros.pipeline.rig import Rig
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.frame import Window
from aif_ros.types.image import Image, ImageError, to_float, to_gray

WINDOWS = 8
"""Windows of each stack."""
STARTS = 6
"""Start positions for each window, spread over the stack."""
# In a window that comes into focus the contrast rises by this factor.
_RISE = 1.5
# Windows are this share of the image's shorter side, in whole cells of the networks.
_SHARE, _CELL = 0.2, 64


@dataclass(frozen=True)
class StackRun:
    """One search in one window of a stack.

    Attributes:
        window: pixels that it focused.
        sharpest: lens position of the sharpest slice there, metres.
        start: where the lens was at first, metres.
        end: where it was left, metres.
        images: images captured, the first one included.
        success: whether that is within a slice, or the depth of field, of the sharpest one.
        focused: whether the search reported that it is in focus.
    """

    window: Window
    sharpest: float
    start: float
    end: float
    images: int
    success: bool
    focused: bool


def textured_windows(slices: Sequence[Image], count: int = WINDOWS) -> list[tuple[Window, int]]:
    """Choose windows that do not overlap, the most textured first.

    Args:
        slices: (H, W) float32, of one stack.
        count: of windows wanted; there may be fewer.

    Returns:
        Windows and the index of the slice that is sharpest in each.

    Raises:
        ImageError: the slices are smaller than a window, or nothing in them comes into focus.
    """
    height, width = slices[0].shape
    if min(height, width) < _CELL:
        raise ImageError(f"slices must be at least {_CELL} px high and wide, not {width}x{height}")
    side = max(_CELL, round(_SHARE * min(height, width) / _CELL) * _CELL)
    grid = [
        Window(x, y, side, side)
        for y in range((height % side) // 2, height - side + 1, side)
        for x in range((width % side) // 2, width - side + 1, side)
    ]
    contrast = np.array([[tenengrad(window.crop(image)) for image in slices] for window in grid])
    highest = contrast.max(axis=1)
    focusing = highest > _RISE * contrast.min(axis=1)
    if not focusing.any():
        raise ImageError("nothing in the slices comes into focus: the contrast is always the same")
    order = np.argsort(-np.where(focusing, highest, -1.0))[: min(count, focusing.sum())]
    return [(grid[index], int(contrast[index].argmax())) for index in order]


def compare_on_stack(
    stack: FocalStack,
    lens_model: LensModel,
    searches: Mapping[str, FocusSearch],
    progress: Callable[[], None] = lambda: None,
) -> dict[str, list[StackRun]]:
    """Let every search focus every window of one stack from every start.

    Args:
        stack: the recording.
        lens_model: that the searches were made for.
        searches: by name.
        progress: called after each run.

    Raises:
        DeviceError: a slice cannot be read.
        ImageError: the slices cannot be used; see `textured_windows`.
    """
    slices = [to_gray(to_float(stack.read(index))) for index in range(len(stack.positions))]
    windows = textured_windows(slices)
    starts = stack.positions[np.linspace(0, len(slices) - 1, STARTS).round().astype(int)]
    runs: dict[str, list[StackRun]] = {name: [] for name in searches}
    for name, search in searches.items():
        for window, sharpest in windows:
            for start in starts:
                runs[name].append(_run(stack, search, lens_model, window, sharpest, float(start)))
                progress()
    return runs


def _run(
    stack: FocalStack,
    search: FocusSearch,
    lens_model: LensModel,
    window: Window,
    sharpest: int,
    start: float,
) -> StackRun:
    clock = SimulatedClock()
    lens = SimulatedLens(lens_model, clock, start=start, rests=list(stack.positions))
    camera = SimulatedCamera(stack, clock, lens)
    result = focus_window(Rig(camera, lens, clock, lens_model), search, window)
    end = lens.state().position
    best = float(stack.positions[sharpest])
    slices_away = abs(int(np.abs(stack.positions - end).argmin()) - sharpest)
    within = abs(end - best) <= lens_model.half_depth_of_focus(stack.size[0])
    success = slices_away <= 1 or within
    return StackRun(window, best, start, end, len(result.measurements), success, result.focused)


def figures(runs: Sequence[StackRun]) -> dict[str, Any]:
    """The figures of one search, ready for JSON."""
    images = np.array([run.images for run in runs])
    return {
        "runs": len(runs),
        "success_rate": float(np.mean([run.success for run in runs])),
        "false_focus_rate": float(np.mean([run.focused and not run.success for run in runs])),
        "images_mean": float(images.mean()),
        "images_median": float(np.median(images)),
        "images_p95": float(np.percentile(images, 95)),
    }
