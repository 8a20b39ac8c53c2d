"""Developing raw files of cameras with LibRaw (package `rawpy`, extra `raw`)."""

from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.damaged import DamagedFileError
from aif_ros.devices.image_files.samples import Samples, check_size
from aif_ros.types.extras import install

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc"),
        *("mef", "mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl"),
        *("sr2", "srf", "srw", "x3f"),
    )
)
"""Of the raw files that LibRaw develops."""


def read_raw(path: Path) -> Samples:
    """Develop a raw file in full size to 16-bit RGB.

    White balance as the camera has set it, no automatic brightening: all slices of a stack are
    developed alike.

    Raises:
        DeviceError: rawpy is not installed, or the file cannot be developed.
    """
    try:
        import rawpy
    except ImportError as error:
        raise DeviceError(
            f"{path} is a raw file: develop it to TIFF, or install the extra that reads raw files "
            f"({install('raw')})"
        ) from error
    try:
        with rawpy.imread(str(path)) as raw:
            check_size(str(path), raw.sizes.width, raw.sizes.height)
            values = raw.postprocess(output_bps=16, use_camera_wb=True, no_auto_bright=True)
    except rawpy.LibRawError as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise DamagedFileError(f"{path} cannot be developed as a raw file: {reason}") from error
    return Samples(values, 65535.0)
