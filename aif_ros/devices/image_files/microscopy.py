"""Reading OME-Zarr and microscopes' own formats with bioio (extra `micro`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.damaged import DamagedFileError
from aif_ros.devices.image_files.samples import Samples, check_size
from aif_ros.devices.image_files.stack_axes import (
    Selection,
    StackFile,
    metres,
    select,
    select_series,
)
from aif_ros.storage.error_text import one_line
from aif_ros.types.extras import install

if TYPE_CHECKING:
    from bioio import BioImage

FOLDER_SUFFIXES = frozenset((".zarr",))
"""Of formats that are folders."""
SUFFIXES = FOLDER_SUFFIXES | frozenset((".czi", ".nd2", ".lif", ".dv", ".vsi"))


@dataclass(frozen=True)
class MicroscopyPlane:
    """One slice in a file that bioio reads."""

    image: "BioImage"
    name: str
    place: dict[str, int]

    def check(self) -> None:
        """Do nothing: only reading shows whether it is damaged."""

    def read(self) -> Samples:
        """Read the pixels.

        Raises:
            DeviceError: they cannot be read.
        """
        try:
            values = self.image.get_image_dask_data("YX", **self.place).compute()
        except Exception as error:  # Each reader raises its own errors.
            raise DamagedFileError(f"cannot read {self.name}: {one_line(error)}") from error
        if values.dtype.kind not in "uif":
            raise DeviceError(f"{self.name} has pixels of type {values.dtype}")
        if values.dtype.kind == "i":
            if values.min() < 0:
                raise DeviceError(f"{self.name} has signed pixels below zero: make it unsigned")
            values = values.astype(values.dtype.str.replace("i", "u"))
        return Samples(np.ascontiguousarray(values))


def read_microscopy_stack(path: Path, selection: Selection) -> StackFile:
    """List the slices in a file of one of `SUFFIXES`.

    Args:
        path: the file, or the folder of an OME-Zarr.
        selection: channel, time point and series to take.

    Raises:
        DeviceError: bioio or its reader for the format is not installed, the file cannot be read,
            or has several channels, time points or series and none is selected.
    """
    try:
        from bioio import BioImage
    except ImportError as error:
        raise DeviceError(
            f"{path}: save it as TIFF, or install the extra that reads it ({install('micro')})"
        ) from error
    try:
        image = BioImage(path)
        scenes = list(map(str, image.scenes))
    except Exception as error:  # Each reader raises its own errors, also for formats it lacks.
        raise DeviceError(f"cannot read {path}: {one_line(error)}") from error
    scene = select_series(str(path), scenes, selection)
    try:
        image.set_scene(scene)
        sizes = {axis: int(getattr(image.dims, axis)) for axis in "TCZ"}
        width, height = int(image.dims.X), int(image.dims.Y)
        channels = list(map(str, image.channel_names))
        size = image.physical_pixel_sizes
    except Exception as error:  # Each reader raises its own errors.
        raise DeviceError(f"cannot read {path}: {one_line(error)}") from error
    check_size(str(path), width, height)
    chosen = select(str(path), sizes, channels, selection)
    slices = [
        MicroscopyPlane(
            image,
            f"{path}, slice {index + 1}",
            {axis: index if axis == chosen.focus else chosen.fixed[axis] for axis in sizes},
        )
        for index in range(chosen.count)
    ]
    # bioio gives micrometres.
    return StackFile(slices, metres(size.Z, "um"), metres(size.X, "um"), notes=chosen.notes)
