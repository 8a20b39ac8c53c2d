"""Images and plots of a recorded run."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image as PillowImage

from aif_ros.benchmarks.score import Score
from aif_ros.pipeline.recording import LoopRecording, RecordedFrame
from aif_ros.simulation.truth import to_reference_geometry
from aif_ros.storage.atomic_write import replacing
from aif_ros.types.frame import Window
from aif_ros.types.image import Image, to_float, to_gray, to_uint8

# Middle grey and two hues that are read on white as well as on black paper.
INK, ACCENT, SECOND = "#7d8590", "#1a9e8f", "#e0872b"

# From in focus to as far from it as it gets.
_DISTANCE_COLOURS = LinearSegmentedColormap.from_list(
    "distance", [(0, ACCENT), (0.15, "#d5cf9a"), (0.5, SECOND), (1, "#8f1d14")]
)

_MICROMETRES = 1e6
"""In a metre."""


def as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return any image of the core as (H, W, 3) RGB, 8 bits."""
    shown = to_uint8(to_float(image))
    return cv2.cvtColor(shown, cv2.COLOR_GRAY2RGB) if shown.ndim == 2 else shown


def distance_picture(
    image: NDArray[Any], distance: NDArray[np.float32], farthest: float
) -> NDArray[np.uint8]:
    """Colour an image by its travel to focus; where that is unknown it stays grey.

    Args:
        image: (H, W) or (H, W, 3), as the core has it.
        distance: (rows, columns) float32, metres of travel, over the whole image.
        farthest: distance that gets the last colour, metres.

    Returns:
        (H, W, 3) RGB, 8 bits.
    """
    gray = to_gray(to_float(image))
    size = (gray.shape[1], gray.shape[0])
    known = np.isfinite(distance)
    share = np.where(known, distance / farthest, 0.0).clip(0, 1).astype(np.float32)
    colours = _DISTANCE_COLOURS(share)[..., :3].astype(np.float32)
    colours[~known] = 0.55
    colours = cv2.resize(colours, size, interpolation=cv2.INTER_NEAREST)
    # Luminance from the image, so that the scene stays recognisable.
    return to_uint8(colours * (0.3 + 0.8 * gray[..., None]))


def error_picture(fused: NDArray[Any], truth: Image, full_scale: float = 0.2) -> NDArray[np.uint8]:
    """Show where the fused image differs from the truth: black none, white `full_scale` or more.

    Args:
        fused: (H, W) or (H, W, 3), as in frames.
        truth: of the same shape, float32 in [0, 1].
        full_scale: error that is white, as a share of full scale.

    Returns:
        (H, W, 3) RGB, 8 bits.
    """
    error = np.abs(to_float(fused) - truth)
    error = error.max(axis=2) if error.ndim == 3 else error
    return to_uint8(colormaps["inferno"](np.clip(error / full_scale, 0, 1))[..., :3])


def _farthest(recording: LoopRecording) -> float:
    """Distance from focus that gets the last colour in all distance pictures, metres."""
    known = [recorded.distance[np.isfinite(recorded.distance)] for recorded in recording.frames]
    low, high = recording.lens_model.limits
    values = np.concatenate([*known, np.zeros(1)]).clip(max=high - low)
    return max(float(np.percentile(values, 98)), recording.lens_model.metres_per_step)


def _plain(axes: Axes) -> None:
    axes.tick_params(colors=INK, length=3)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.6)


def _seconds(recording: LoopRecording, stamps: Sequence[int]) -> NDArray[np.float64]:
    return np.array([(stamp - recording.start) * 1e-9 for stamp in stamps])


def _draw_lens_track(axes: Axes, recording: LoopRecording, until: int) -> None:
    """Lens position over time, up to the stamp `until`, with a mark for each capture."""
    _plain(axes)
    end = recording.frames[-1].stamp
    track = [state for state in recording.lens_track if recording.start <= state.stamp <= until]
    axes.plot(
        _seconds(recording, [state.stamp for state in track]),
        [state.position * _MICROMETRES for state in track],
        color=INK,
        linewidth=1.4,
        zorder=2,
    )
    frames = [recorded for recorded in recording.frames if recorded.stamp <= until]
    axes.scatter(
        _seconds(recording, [recorded.stamp for recorded in frames]),
        [recorded.position * _MICROMETRES for recorded in frames],
        s=34,
        color=ACCENT,
        zorder=3,
    )
    margin = 0.04 * max(recording.seconds, 0.1)
    axes.set_xlim(-margin, (end - recording.start) * 1e-9 + margin)
    low, high = (limit * _MICROMETRES for limit in recording.lens_model.limits)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    axes.set_xlabel("seconds")
    axes.set_ylabel("lens position, µm")


def _new_figure() -> Figure:
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):  # the page's own font
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def lens_plot(recording: LoopRecording) -> str:
    """Lens position over time with a mark for each capture, as SVG."""
    figure = _new_figure()
    axes = figure.subplots()
    _draw_lens_track(axes, recording, recording.frames[-1].stamp)
    return _svg(figure)


def quality_plot(score: Score) -> str:
    """PSNR of J after each frame and of each frame by itself, as SVG."""
    figure = _new_figure()
    axes = figure.subplots()
    _plain(axes)
    frames = np.arange(1, len(score.fused_psnr) + 1)
    axes.plot(frames, score.fused_psnr, "o-", color=ACCENT, markersize=5, label="fused image J(t)")
    axes.plot(frames, score.frame_psnr, "o", color=SECOND, markersize=5, label="single frame I(t)")
    axes.set_xlabel("frame")
    axes.set_ylabel("PSNR, dB")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, labelcolor=INK, loc="best")
    return _svg(figure)


def focus_plot(recording: LoopRecording) -> str:
    """Share of the image expected to be in focus, frame by frame, as SVG."""

    def share(in_focus: NDArray[np.float32]) -> float:
        known = in_focus[np.isfinite(in_focus)]
        return 100 * float(known.mean()) if known.size else np.nan

    figure = _new_figure()
    axes = figure.subplots()
    _plain(axes)
    frames = np.arange(1, len(recording.frames) + 1)
    fused = [share(recorded.fused_in_focus) for recorded in recording.frames]
    single = [share(recorded.in_focus) for recorded in recording.frames]
    axes.plot(frames, fused, "o-", color=ACCENT, markersize=5, label="fused image J(t)")
    axes.plot(frames, single, "o", color=SECOND, markersize=5, label="single frame I(t)")
    axes.set_ylim(0, 104)
    axes.set_xlabel("frame")
    axes.set_ylabel("in focus, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, labelcolor=INK, loc="best")
    return _svg(figure)


_PAPER, _TEXT = "#0e1116", "#e6e8eb"
_WIDTH, _MARGIN, _TITLE, _AXIS = 960, 18, 34, 46  # of the animation, pixels


def _loop_frame(recording: LoopRecording, index: int, farthest: float) -> NDArray[np.uint8]:
    """One frame of the animation: frame, fused image, distance map, lens track."""
    recorded = recording.frames[index]
    frame = to_reference_geometry(recorded.image, recorded.position, recording.lens_model)
    panel = (_WIDTH - 3 * _MARGIN) / 2
    panel_height = panel * frame.shape[0] / frame.shape[1]
    height = 2 * (_TITLE + panel_height) + _MARGIN
    figure = Figure(figsize=(_WIDTH / 100, height / 100), dpi=100, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)

    def place(left: float, top: float, wide: float, high: float) -> Axes:
        """Make axes, in pixels from the top left corner."""
        box = (left / _WIDTH, 1 - (top + high) / height, wide / _WIDTH, high / height)
        axes: Axes = figure.add_axes(box)
        return axes

    def title(column: int, row: int, text: str, colour: str = _TEXT, align: str = "left") -> None:
        x = _MARGIN + column * (panel + _MARGIN) + (panel if align == "right" else 0)
        y = row * (_TITLE + panel_height) + _TITLE - 8
        place_x, place_y = x / _WIDTH, 1 - y / height
        figure.text(place_x, place_y, text, color=colour, fontsize=10.5, ha=align, va="bottom")

    def show(column: int, row: int, picture: NDArray[np.uint8], window: Window | None) -> None:
        top = _TITLE + row * (_TITLE + panel_height)
        axes = place(_MARGIN + column * (panel + _MARGIN), top, panel, panel_height)
        axes.imshow(picture, interpolation="lanczos", aspect="auto")
        axes.set_axis_off()
        if window is not None:
            for colour, width in (("black", 3.6), ("white", 1.8)):
                box = (window.x - 0.5, window.y - 0.5), window.width, window.height
                axes.add_patch(Rectangle(*box, fill=False, edgecolor=colour, linewidth=width))

    title(0, 0, f"Frame {index + 1} of {len(recording.frames)}")
    title(0, 0, f"lens at {recorded.position * _MICROMETRES:.0f} µm", INK, "right")
    show(0, 0, as_rgb(frame), None)
    title(1, 0, "All-in-focus image")
    show(1, 0, as_rgb(recorded.fused), None)
    title(0, 1, "Still blurred (box: next focus)" if recorded.window else "Still blurred")
    title(0, 1, f"red: {farthest * _MICROMETRES:.0f} µm from focus", INK, "right")
    show(0, 1, distance_picture(recorded.fused, recorded.fused_distance, farthest), recorded.window)
    title(1, 1, "Lens position, µm")
    title(1, 1, "over seconds", INK, "right")
    top, left = 2 * _TITLE + panel_height, 2 * _MARGIN + panel
    axes = place(left + _AXIS, top, panel - _AXIS, panel_height - _AXIS / 2)
    axes.set_facecolor(_PAPER)
    _draw_lens_track(axes, recording, recorded.stamp)
    axes.set(xlabel="", ylabel="")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_animation(recording: LoopRecording, path: Path) -> None:
    """Write the loop as an animated WebP: one second a frame, the last one longer.

    Args:
        recording: of the loop.
        path: of the WebP file; an existing one is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    farthest = _farthest(recording)
    pictures = [
        PillowImage.fromarray(_loop_frame(recording, index, farthest))
        for index in range(len(recording.frames))
    ]
    durations = [900] * (len(pictures) - 1) + [3500]
    with replacing(path) as temporary:
        pictures[0].save(
            temporary,
            save_all=True,
            append_images=pictures[1:],
            duration=durations,
            loop=0,
            quality=80,
            method=4,
        )


def thumbnail(
    recorded: RecordedFrame, recording: LoopRecording, width: int = 240
) -> NDArray[np.uint8]:
    """Return a frame in the reference geometry, `width` pixels wide, (h, width, 3) RGB, 8 bits."""
    frame = as_rgb(to_reference_geometry(recorded.image, recorded.position, recording.lens_model))
    height = round(frame.shape[0] * width / frame.shape[1])
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
