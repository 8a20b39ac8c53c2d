"""Channels and distances in the metadata of a TIFF: OME, ImageJ, Micro-Manager."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import tifffile

from aif_ros.devices.image_files.stack_axes import StackFile, metres


def described(file: tifffile.TiffFile) -> tuple[Sequence[str], StackFile]:
    """Return the names of the channels, and the distances, as the metadata give them."""
    if file.is_ome and file.ome_metadata:
        return _ome(file.ome_metadata)
    if file.is_imagej and file.imagej_metadata:
        content = file.imagej_metadata
        unit = str(content.get("unit", ""))
        step = metres(content.get("spacing"), unit)
        return (), StackFile((), step, _imagej_pixel(file, unit))
    if file.is_micromanager:
        summary = (file.micromanager_metadata or {}).get("Summary", {})
        step = metres(summary.get("z-step_um"), "um")
        names = summary.get("ChNames") or ()
        return list(map(str, names)), StackFile((), step, metres(summary.get("PixelSize_um"), "um"))
    return (), StackFile(())


def ome_files(text: str) -> set[str]:
    """Return the names of the files over which an OME-TIFF spreads its planes, by its XML."""
    found = (element.get("FileName") for element in ET.fromstring(text).iter())
    return {name for name in found if name is not None}


def _imagej_pixel(file: tifffile.TiffFile, unit: str) -> float | None:
    resolution = file.pages.first.tags.valueof("XResolution")
    if not isinstance(resolution, tuple) or 0 in resolution:
        return None
    return metres(resolution[1] / resolution[0], unit)


def _ome(text: str) -> tuple[Sequence[str], StackFile]:
    pixels = next(
        (part for part in ET.fromstring(text).iter() if part.tag.endswith("}Pixels")), None
    )
    if pixels is None:
        return (), StackFile(())
    names = [
        channel.get("Name") or channel.get("ID") or ""
        for channel in pixels
        if channel.tag.endswith("}Channel")
    ]
    step, size = (
        metres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "ZX"
    )
    bits = pixels.get("SignificantBits", "")
    known = int(bits) if bits.isdecimal() and 1 <= int(bits) <= 16 else None
    return names, StackFile((), step, size, known)
