"""The report of a fused stack: a page with the result and a magnifier to compare it with slices."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aif_ros import __version__
from aif_ros.devices.image_files import write_image
from aif_ros.devices.image_files.slice_series import Slices
from aif_ros.fusion.motion.geometry import Transform
from aif_ros.fusion.motion.warping import resample
from aif_ros.fusion.registration_summary import describe_registration
from aif_ros.fusion.stacking import FusedStack
from aif_ros.storage.atomic_write import write_text
from aif_ros.types.image import Image, to_float
from aif_ros.types.resizing import reduce_to

LONGEST_SIDE = 1600
"""Of the pictures on the page, pixels: three times a magnifier's field, 0.3 MB for each slice."""

# Slices that are listed by name.
_LISTED = 10

_TEMPLATE = Path(__file__).with_name("stack_report.html.jinja")


def write_stack_report(
    folder: Path,
    slices: Slices,
    stack: FusedStack,
    depth: NDArray[np.float32],
    result: Mapping[str, Any],
) -> Path:
    """Write the report.

    Args:
        folder: gets `report.html`, `result.jpg`, `focus_map.png` and `slices/000.jpg` and so on;
            made if it is missing.
        slices: that have been fused.
        stack: the results.
        depth: (H, W) focus map, from 0 for the first slice to 1 for the last.
        result: what `--json` writes.

    Returns:
        The path of `report.html`.

    Raises:
        DeviceError: a slice cannot be read.
        OSError: a file cannot be written.
    """
    height, width = stack.fused.sharpness.shape
    size = _write_pictures(folder, slices, stack, depth)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=Path(result["output"]).name,
        result=result,
        size=size,
        names=[Path(slices.name(index)).name for index in range(len(slices))],
        facts=_facts(result),
        registration=_plot(stack.transforms, (width, height)) if result["aligned"] else "",
        version=__version__,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _write_pictures(
    folder: Path, slices: Slices, stack: FusedStack, depth: NDArray[np.float32]
) -> tuple[int, int]:
    """Write the pictures of the page, and return their width and height, pixels."""
    height, width = stack.fused.sharpness.shape
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    write_image(folder / "result.jpg", reduce_to(stack.fused.image, size), sixteen_bit=False)
    write_image(folder / "focus_map.png", _coloured(reduce_to(depth, size)), sixteen_bit=False)
    reduction = next((step for step in (4, 2) if max(width, height) >= step * LONGEST_SIDE), 1)
    shrink = np.diag([reduction, reduction, 1.0])
    for index, transform in enumerate(stack.transforms):
        picture = slices.read(index, reduction=reduction)
        moved = resample(picture.pixels, np.linalg.inv(shrink) @ transform @ shrink)
        write_image(
            folder / "slices" / f"{index:03d}.jpg",
            reduce_to(to_float(moved), size),
            sixteen_bit=False,
        )
    return size


def _facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("slices", str(result["slices"])),
        ("size", f"{result['width']} x {result['height']} pixels"),
        ("fusion method", result["method"]),
        ("time", f"{result['seconds']:.1f} s"),
        ("memory", f"{result['memory_bytes'] / 1e6:.0f} MB at most"),
    ]
    if result["z_step"] is not None:
        facts.append(("z step", f"{result['z_step'] * 1e6:.4g} um"))
    if result["pixel_size"] is not None:
        facts.append(("pixel size", f"{result['pixel_size'] * 1e6:.4g} um"))
    corrected = [
        (name, factors)
        for name, factors in zip(result["files"], result["exposure"], strict=True)
        if any(factor != 1 for factor in factors)
    ]
    for name, factors in corrected[:_LISTED]:
        shown = ", ".join(f"{factor:.3f}" for factor in factors)
        facts.append(("exposure", f"{Path(name).name}: {shown} times as bright, matched"))
    if len(corrected) > _LISTED:
        facts.append(("exposure", f"{len(corrected) - _LISTED} more slices are matched"))
    if result["undecided"]:
        facts.append(("warning", "the slices show different scenes, or nothing but noise"))
    for name in result["left_out"][:_LISTED]:
        shade = result["blank"].get(name)
        why = f"is {shade}" if shade else "shows another scene than the others"
        if name in result["damaged"]:
            why = "cannot be read"
        facts.append(("left out", f"{Path(name).name}: it {why}"))
    parts = [part for part in zip(result["files"], result["misfits"], strict=True) if part[1]]
    for name, share in parts[:_LISTED]:
        facts.append(("left out", f"{share:.0%} of {Path(name).name}, which differs there"))
    for index in result["uneven"][:_LISTED]:
        name = Path(result["files"][index]).name
        facts.append(
            ("warning", f"the brightness of {name} differs in parts of the image, or too much")
        )
    return facts + [("note", note) for note in result["notes"]]


def _coloured(depth: NDArray[np.float32]) -> Image:
    """A focus map in colours: dark blue the first slice, yellow the last."""
    levels = np.round(np.clip(depth, 0, 1) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)
    return to_float(cv2.cvtColor(colours, cv2.COLOR_BGR2RGB))


def _plot(transforms: Sequence[Transform], size: tuple[int, int]) -> str:
    """Shift and magnification of each slice, as SVG."""
    found = describe_registration(transforms, size)
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    shift, magnification = figure.subplots(1, 2)
    across, down = zip(*found.shifts, strict=True)
    shift.plot(across, ".-", label="right")
    shift.plot(down, ".-", label="down")
    shift.set(xlabel="slice", ylabel="shift of the middle, px")
    shift.legend()
    magnification.plot(found.magnifications, ".-")
    magnification.set(xlabel="slice", ylabel="magnification")
    buffer = StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
