"""What an image's file says beside its pixels."""

import io
import logging
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import PIL.ExifTags
import PIL.Image
import PIL.ImageCms

from aif_ros import __version__
from aif_ros.devices.image_files import raw
from aif_ros.storage.error_text import one_line

_LOGGER = logging.getLogger(__name__)

SOFTWARE = f"aif_ros {__version__}"
"""EXIF and TIFF tag Software of what this package writes."""

_Base = PIL.ExifTags.Base
# These describe the photograph; other tags describe how its pixels lay in the file.
_KEPT = frozenset(
    map(
        int,
        (
            _Base.Make,
            _Base.Model,
            _Base.DateTime,
            _Base.Artist,
            _Base.Copyright,
            _Base.ExifOffset,
            _Base.GPSInfo,
        ),
    )
)
IFDS = frozenset(map(int, (_Base.ExifOffset, _Base.GPSInfo)))
"""Tags whose value is a table of further tags."""

_COLOUR_SPACE = slice(16, 20)
"""Bytes of an ICC profile's header (ICC.1, 7.2.6)."""


@dataclass(frozen=True)
class Metadata:
    """What is carried over from a slice to the result.

    Attributes:
        exif: camera, time, author, place, exposure.
        icc_profile: colour profile; empty: none.
        pixel_size: side of a pixel on the specimen, metres; None: unknown.
    """

    exif: PIL.Image.Exif = field(default_factory=PIL.Image.Exif)
    icc_profile: bytes = b""
    pixel_size: float | None = None

    def profile_for(self, channels: int) -> bytes:
        """The colour profile, if it is one for images of that number of channels (1 or 3)."""
        space = b"GRAY" if channels == 1 else b"RGB "
        return self.icc_profile if self.icc_profile[_COLOUR_SPACE] == space else b""


def read_metadata(path: str | Path) -> Metadata:
    """Read EXIF data and colour profile of an image.

    What is damaged is left out, with a warning; a format that has neither gives empty ones.
    """
    exif, profile = PIL.Image.Exif(), b""
    if not Path(path).is_file():
        return Metadata()
    try:
        with warnings.catch_warnings(action="error"), Path(path).open("rb") as file:
            try:
                with PIL.Image.open(file) as image:
                    profile = image.info.get("icc_profile") or b""
                    exif = _kept(image.getexif())
            except PIL.UnidentifiedImageError:
                # Most raw files have the structure of a TIFF with EXIF data.
                if Path(path).suffix.lower() in raw.SUFFIXES:
                    file.seek(0)
                    exif.load_from_fp(file)
                    exif = _kept(exif)
    except Exception as error:  # Pillow can raise any exception on damaged data.
        _LOGGER.warning("%s: damaged EXIF data are not carried over (%s)", path, one_line(error))
        exif = PIL.Image.Exif()
    return Metadata(exif, profile if isinstance(profile, bytes) else b"")


def colour_space(path: str | Path, channels: int) -> str:
    """Name of the colour space of an image's values, by its profile; sRGB where it has none.

    Args:
        path: the file.
        channels: of its pixels, 1 or 3: profiles of others (inks) count as none.
    """
    try:
        with PIL.Image.open(path) as image:
            content = image.info.get("icc_profile") or b""
        content = Metadata(icc_profile=content).profile_for(channels)
        profile = PIL.ImageCms.ImageCmsProfile(io.BytesIO(content))
        name = PIL.ImageCms.getProfileDescription(profile).strip()
    except Exception:  # There is none, or it is damaged.
        return "sRGB"
    return "sRGB" if "srgb" in name.lower() else name


def _kept(exif: PIL.Image.Exif) -> PIL.Image.Exif:
    """Leave what describes the photograph, read while the file is open."""
    for tag in set(exif) - _KEPT:
        del exif[tag]
    for tag in set(exif) & IFDS:
        exif.get_ifd(tag)
    # Whatever cannot be written is damaged.
    exif.tobytes()
    return exif


def software_of(path: str | Path) -> str:
    """The program that wrote a PNG, JPEG, WebP or TIFF, as its tag Software says; else empty."""
    try:
        with PIL.Image.open(path) as image:
            return str(image.getexif().get(_Base.Software, ""))
    except Exception:  # Reading the image itself reports what is wrong.
        return ""
