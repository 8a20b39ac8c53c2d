"""A recorded run as files for people and programs: images, animation, report, result."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from aif_ros import __version__
from aif_ros.benchmarks import figures
from aif_ros.benchmarks.comparison import FULL_SWEEP, ComparedRun
from aif_ros.benchmarks.coverage import CoverageReference
from aif_ros.benchmarks.report_pictures import coverage_picture, crop_windows, crops, marked
from aif_ros.benchmarks.score import Score, score
from aif_ros.pipeline.recording import LoopRecording
from aif_ros.simulation.metrics import psnr, ssim
from aif_ros.simulation.truth import to_reference_geometry
from aif_ros.storage.atomic_write import write_bytes, write_text
from aif_ros.types.image import Image, to_float

_TEMPLATE = Path(__file__).with_name("report.html.jinja")


def result(recording: LoopRecording, scored: Score | None) -> dict[str, Any]:
    """Summarise a run: plain numbers and texts, PSNR in dB, None where there is no truth.

    Args:
        recording: of the loop.
        scored: its figures; None: there is no truth.
    """
    return {
        "scene": recording.scene,
        "agent": recording.agent,
        "frames_captured": len(recording.frames),
        "seconds": round(recording.seconds, 3),
        "psnr": round(scored.psnr, 3) if scored else None,
        "ssim": round(scored.ssim, 4) if scored else None,
        "best_single_frame_psnr": (
            round(scored.frame_psnr[scored.best_frame], 3) if scored else None
        ),
        "stopped_because": recording.reason,
        "doubt": recording.doubt,
        "frames_not_fused": len(recording.left_out.positions),
        "frames_damaged": len(recording.left_out.damaged),
        "lens": recording.lens_model.name,
        "image_size": list(recording.frames[0].image.shape[1::-1]),
        "frames": [
            {
                "seconds": round((recorded.stamp - recording.start) * 1e-9, 3),
                "position_metres": round(recorded.position, 9),
                "position_steps": round(recording.lens_model.steps(recorded.position), 1),
                "fused_psnr": round(scored.fused_psnr[index], 3) if scored else None,
                "next": recorded.reason,
            }
            for index, recorded in enumerate(recording.frames)
        ],
    }


def comparison(
    recording: LoopRecording, truth: Image, others: Sequence[ComparedRun]
) -> tuple[list[dict[str, Any]], CoverageReference | None]:
    """Compare a run with others on the same scene.

    Args:
        recording: the run.
        truth: the sharp scene in the reference geometry, float32 in [0, 1].
        others: the other runs.

    Returns:
        A row for each run, the recorded one first: name, frames, seconds, PSNR (dB), SSIM, and
        covered, the share of the tiles with detail that are as sharp as by a full sweep; and what
        that share refers to, None without a full sweep.
    """
    own = ComparedRun(
        "This run", to_float(recording.frames[-1].fused), len(recording.frames), recording.seconds
    )
    swept = next((run for run in others if run.name == FULL_SWEEP), None)
    reference = CoverageReference.of(truth, swept.fused) if swept else None
    rows = [
        {
            "name": run.name,
            "frames": run.frames,
            "seconds": round(run.seconds, 3),
            "psnr": round(psnr(run.fused, truth), 3),
            "ssim": round(ssim(run.fused, truth), 4),
            "covered": round(reference.covered(run.fused), 4) if reference else None,
        }
        for run in (own, *others)
    ]
    return rows, reference


def write_fused_image(recording: LoopRecording, folder: Path) -> Path:
    """Write the fused image of a run, `all_in_focus.png`.

    Args:
        recording: the run.
        folder: made if it is missing.

    Raises:
        OSError: the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "all_in_focus.png"
    _write(path, figures.as_rgb(recording.frames[-1].fused))
    return path


def write_report(
    recording: LoopRecording,
    truth: Image | None,
    folder: Path,
    others: Sequence[ComparedRun] = (),
) -> dict[str, Any]:
    """Write images, animation, report and result of a run into `folder`.

    Args:
        recording: the run.
        truth: the sharp scene in the reference geometry, float32 in [0, 1]; None if unknown.
        folder: gets `first_frame.png`, `all_in_focus.png`, `ground_truth.png` (with a truth),
            `loop.webp`, `report.html` and `result.json`; made if it is missing.
        others: other runs on the same scene, to compare with; used only with a truth.

    Returns:
        The content of `result.json`.

    Raises:
        ImageError: the truth has another shape than the images.
        OSError: a file cannot be written.
    """
    scored = None if truth is None else score(recording, truth)
    write_fused_image(recording, folder)
    pictures = {"first_frame": _in_reference_geometry(recording, 0)}
    if truth is not None:
        pictures["ground_truth"] = truth
    for name, picture in pictures.items():
        _write(folder / f"{name}.png", figures.as_rgb(picture))
    figures.save_animation(recording, folder / "loop.webp")
    rows, reference = ([], None) if truth is None else comparison(recording, truth, others)
    summary = result(recording, scored) | {
        "covered": rows[0]["covered"] if rows else None,
        "comparison": rows,
    }
    write_text(folder / "result.json", json.dumps(summary, indent=2) + "\n")
    page = _html(recording, truth, scored, folder, others, rows, reference)
    write_text(folder / "report.html", page)
    return summary


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    write_bytes(path, encoded.tobytes())


def _embed(picture: NDArray[np.uint8], quality: int = 90) -> str:
    """Return an image as a data URI, WebP."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, quality])[1]
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode()


def _html(
    recording: LoopRecording,
    truth: Image | None,
    scored: Score | None,
    folder: Path,
    others: Sequence[ComparedRun],
    rows: Sequence[dict[str, Any]],
    reference: CoverageReference | None,
) -> str:
    last = recording.frames[-1]
    fused = to_float(last.fused)
    images = {
        "First frame": to_float(_in_reference_geometry(recording, 0)),
        "Fused image": fused,
    }
    if truth is not None:
        images["Truth"] = truth
    windows = crop_windows(images["First frame"], fused, truth)
    animation = base64.b64encode((folder / "loop.webp").read_bytes()).decode()
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        version=__version__,
        recording=recording,
        score=scored,
        size=fused.shape[1::-1],
        layers=_layers(recording, truth, scored, others),
        plots=_plots(recording, scored),
        error=None if truth is None else _embed(figures.error_picture(last.fused, truth)),
        side_by_side=[(name, _embed(figures.as_rgb(image))) for name, image in images.items()],
        marked=_embed(marked(fused, windows)),
        crops=[
            [(name, _embed(crop)) for name, crop in each.items()] for each in crops(images, windows)
        ],
        rows=rows,
        coverage=_embed(coverage_picture(fused, reference)) if reference else None,
        frames=_frames(recording, scored),
        animation=f"data:image/webp;base64,{animation}",
    )


def _in_reference_geometry(recording: LoopRecording, index: int) -> NDArray[Any]:
    """Return a recorded frame without focus breathing."""
    recorded = recording.frames[index]
    return to_reference_geometry(recorded.image, recorded.position, recording.lens_model)


def _layers(
    recording: LoopRecording,
    truth: Image | None,
    scored: Score | None,
    others: Sequence[ComparedRun],
) -> list[tuple[str, str]]:
    """Return names and data URIs of the images that the slider compares."""
    best = scored.best_frame if scored else len(recording.frames) // 2
    images: list[tuple[str, NDArray[Any]]] = [
        ("All-in-focus image", recording.frames[-1].fused),
        ("First frame", _in_reference_geometry(recording, 0)),
        ("Best single frame", _in_reference_geometry(recording, best)),
    ]
    if truth is not None:
        images += [("Truth", truth), *((run.name, run.fused) for run in others)]
    return [(name, _embed(figures.as_rgb(image))) for name, image in images]


def _plots(recording: LoopRecording, scored: Score | None) -> list[tuple[str, str, str]]:
    """Return title, explanation and SVG of the plots."""
    lens = ("Lens position over time", "Dots are the captures.", figures.lens_plot(recording))
    focus = (
        "Share in focus",
        "Share of the image that the estimator expects to be in focus.",
        figures.focus_plot(recording),
    )
    if scored is None:
        return [lens, focus]
    quality = (
        "PSNR",
        "Every frame and fused image against the sharp scene.",
        figures.quality_plot(scored),
    )
    return [lens, quality, focus]


def _frames(recording: LoopRecording, scored: Score | None) -> list[dict[str, Any]]:
    """Return what the table of the report shows of each frame."""
    return [
        {
            "picture": _embed(figures.thumbnail(recorded, recording), 80),
            "seconds": (recorded.stamp - recording.start) * 1e-9,
            "micrometres": recorded.position * 1e6,
            "steps": recording.lens_model.steps(recorded.position),
            "psnr": scored.fused_psnr[index] if scored else None,
            "reason": recorded.reason,
        }
        for index, recorded in enumerate(recording.frames)
    ]
