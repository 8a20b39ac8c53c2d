"""Formats of images that are not read: their names, and what to do with such a file."""

from dataclasses import dataclass
from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.jpeg_segments import segments

# Bytes in which the header of a JPEG is looked for: its EXIF data may hold a thumbnail.
_JPEG_BYTES = 1 << 20

_CONVERT = "save it as PNG or TIFF"
_EXTRACT = "save its images as PNG or TIFF"
_FIJI = "save it as TIFF or OME-TIFF, for instance with Fiji"


@dataclass(frozen=True)
class UnreadFormat:
    """A format that is not read.

    Attributes:
        name: as people know it.
        advice: what to do with a file.
    """

    name: str
    advice: str


_HEIC = UnreadFormat("HEIC", _CONVERT)
_AVIF = UnreadFormat("AVIF", _CONVERT)
_JXL = UnreadFormat("JPEG XL", _CONVERT)
_PSD = UnreadFormat("Photoshop", _CONVERT)
_EXR = UnreadFormat("OpenEXR", _CONVERT)
_HDR = UnreadFormat("Radiance HDR", _CONVERT)
_GIF = UnreadFormat("GIF", _EXTRACT)
_VIDEO = UnreadFormat("video", _EXTRACT)
_LOSSLESS_JPEG = UnreadFormat("lossless JPEG", _CONVERT)
_JPEG_12 = UnreadFormat("JPEG of 12 bits", _CONVERT)

BY_SUFFIX = {
    ".heic": _HEIC,
    ".heif": _HEIC,
    ".avif": _AVIF,
    ".jxl": _JXL,
    ".psd": _PSD,
    ".exr": _EXR,
    ".hdr": _HDR,
    ".gif": _GIF,
    ".avi": _VIDEO,
    ".mov": _VIDEO,
    ".mp4": _VIDEO,
    ".lsm": UnreadFormat("Zeiss LSM", _FIJI),
    ".oib": UnreadFormat("Olympus OIB", _FIJI),
    ".oif": UnreadFormat("Olympus OIF", _FIJI),
    ".ims": UnreadFormat("Imaris", _FIJI),
}
"""The formats by their suffixes."""

_BY_FIRST_BYTES = {
    b"\xff\x0a": _JXL,
    b"\0\0\0\x0cJXL ": _JXL,
    b"8BPS": _PSD,
    b"\x76\x2f\x31\x01": _EXR,
    b"#?R": _HDR,
    b"GIF8": _GIF,
}
# Brands of the ISO base media file format, at bytes 8 to 12; other brands are of videos.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), _HEIC),
    **dict.fromkeys((b"mif1", b"msf1"), _HEIC),
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
    b"crx ": UnreadFormat("Canon CR3", "name it .cr3"),
}
# JPEG: markers of frame headers, and those of lossless ones, by their second bytes.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS = frozenset((0xC3, 0xC7, 0xCB, 0xCF))


def refuse_unread(path: Path) -> None:
    """Refuse a file whose content is of a format that is not read; others are left alone.

    Raises:
        DeviceError: it is of such a format; the message names it and says what to do.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_JPEG_BYTES)
    except OSError:
        return
    found = _by_content(start)
    if found is not None:
        raise DeviceError(f"{path} holds {found.name}, which is not read: {found.advice}")


def _by_content(start: bytes) -> UnreadFormat | None:
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], _VIDEO)
    if start.startswith(b"\xff\xd8"):
        return _jpeg(start)
    return next((kind for key, kind in _BY_FIRST_BYTES.items() if start.startswith(key)), None)


def _jpeg(start: bytes) -> UnreadFormat | None:
    """The kind of a JPEG, by its frame header (ITU-T T.81, B.2.2)."""
    for marker, at in segments(start):
        if marker in _LOSSLESS:
            return _LOSSLESS_JPEG
        if marker in _FRAMES:
            return _JPEG_12 if start[at] > 8 else None
    return None
