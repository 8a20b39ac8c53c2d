"""A recorded focal stack: real images, replayed as if a camera captured them now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import image_files
from aif_ros.devices.image_files.damaged import DamagedFileError
from aif_ros.devices.image_files.folder import log_once
from aif_ros.devices.image_files.microscopy import FOLDER_SUFFIXES
from aif_ros.devices.image_files.slices import is_multi_page, open_slices
from aif_ros.devices.image_files.stack_axes import AmbiguousError, Selection
from aif_ros.optics.lens_model import LensModel
from aif_ros.storage.read_yaml import YamlError, read_yaml
from aif_ros.types.units import UnitError, check_metres

TRAVEL = (0.0, 1.5e-3)
"""Lens positions of the end slices of a stack whose positions are unknown, metres: the travel of
the default lens."""


class FocalStack:
    """The slices of one stack and the lens position of each; the `Subject` of a simulated camera.

    The lens positions are those of `info.yaml`, else the z step in the metadata of a multi-page
    file, else equally spaced over `TRAVEL`, near objects at the higher positions.

    `info.yaml` in the folder, or `NAME.yaml` beside a file NAME, may hold `positions` (metres of
    lens travel, one for each slice in their order), `order: near to far`, `bits` (in use of each
    sample), and `channel`, `time` and `series` (to take of a file with several).

    Args:
        path: a folder with one image for each slice, in focus order by name, or a file with all
            slices (TIFF, OME-TIFF, OME-Zarr).
        selection: what to take of files with several channels, time points or series; what it
            leaves open is as `info.yaml` says.

    Raises:
        DeviceError: no such folder or file, fewer than two slices, an unreadable first slice,
            slices of different sizes, or a malformed `info.yaml`; the message names the file.
    """

    def __init__(self, path: str | Path, selection: Selection | None = None) -> None:
        path = Path(path)
        self.info_file = _info_file(path)
        """Where positions, order, bits and what to take may be given; it need not exist."""
        info = _read_info(self.info_file)
        given = selection or Selection()
        chosen = info.selection
        if given.channel is not None:
            chosen = replace(chosen, channel=given.channel, channel_name=given.channel_name)
        if given.time is not None:
            chosen = replace(chosen, time=given.time, time_name=given.time_name)
        if given.series is not None:
            chosen = replace(chosen, series=given.series, series_name=given.series_name)
        try:
            self._slices = open_slices([path], selection=chosen, bits=info.bits)
        except AmbiguousError as error:
            raise DeviceError(
                f"{error} (--{error.key}, or key '{error.key}' in {self.info_file})"
            ) from error
        count = len(self._slices)
        if count < 2:
            # It may be worse than that.
            self._slices.read(0)
            raise DeviceError(f"{path} holds one image: a focal stack needs at least two")
        positions = info.positions
        self.travel_assumed = positions is None and self._slices.z_step is None
        """Whether the lens positions are assumed, because no file gives them."""
        if positions is None:
            positions = _equally_spaced(count, self._slices.z_step, near_to_far=info.near_to_far)
        if positions.shape != (count,):
            raise DeviceError(
                f"{info.file}: 'positions' must hold one finite number for each of the {count} "
                "images"
            )
        damaged = self._slices.damaged(decode=False)
        if damaged and count - len(damaged) < 2:
            raise next(iter(damaged.values()))
        for each in damaged.values():
            log_once(f"left out a slice: {each}")
        positions = np.delete(positions, list(damaged))
        self._slices = self._slices.without(damaged)
        self._order = np.argsort(positions)
        self.name = path.resolve().name
        self.files = [self._slices.paths[index] for index in self._order]
        self.positions: NDArray[np.float64] = positions[self._order]
        self.pixel_size = self._slices.pixel_size
        """Side of a pixel on the specimen, metres; None: unknown."""
        self._slices.check_alike()
        self._unreadable: set[int] = set()
        self._latest: tuple[int, NDArray[Any]] | None = None
        # Where the headers do not say it: the first by name sets the shape.
        self.read(int(np.flatnonzero(self._order == 0)[0]))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the images, pixels."""
        height, width = self._slices.shape[:2]
        return width, height

    def read(self, index: int) -> NDArray[Any]:
        """Return a slice, counted by ascending lens position; of one that is damaged, the nearest.

        Returns:
            (H, W) or (H, W, 3) RGB, uint8 or uint16 with its whole range in use.

        Raises:
            DeviceError: fewer than two slices can be read, or its size or channels differ from the
                first one's.
        """
        if self._latest is None or self._latest[0] != index:
            self._latest = (index, self._nearest(index))
        return self._latest[1]

    def _nearest(self, index: int) -> NDArray[Any]:
        """Read the slice, or the nearest one that is not damaged."""
        away = np.abs(self.positions - self.positions[index])
        for other in map(int, np.argsort(away, kind="stable")):
            if other in self._unreadable:
                continue
            try:
                return self._pixels(int(self._order[other]))
            except DamagedFileError as error:
                self._unreadable.add(other)
                if len(self.positions) - len(self._unreadable) < 2:
                    raise
                log_once(f"{error}: the nearest slice takes its place")
        raise AssertionError("two slices can be read")

    def slice_name(self, index: int) -> str:
        """File, and page if it has several, of a slice, counted by ascending lens position."""
        return self._slices.name(int(self._order[index]))

    def _pixels(self, index: int) -> NDArray[Any]:
        """Read a slice, counted in the order of the files."""
        image = self._slices.read(index)
        if image.valid is None:
            return image.pixels
        log_once(
            f"{self.name}: pixels without data (transparent, or not finite) are filled from their "
            "surroundings"
        )
        return image.filled()

    def expose(self, position: float, seconds: float, travel: float = 0.0) -> NDArray[Any]:
        """Return the slice taken nearest to `position` (metres), as sharp as it is."""
        return self.read(int(np.argmin(np.abs(self.positions - position))))

    def lens_model(self, calibrated: LensModel | None = None) -> LensModel:
        """Return a lens model that fits the replay.

        How fast blur grows with travel is not recorded; `calibrate` estimates it. Without it,
        neighbouring slices are assumed to touch in their depths of field (1 px of blur radius at
        half the slice distance), as a careful photographer spaces them, so that a sweep shows every
        slice; and no breathing.

        Args:
            calibrated: the calibration of the lens. The replay moves from slice to slice, whatever
                steps and limits the lens itself has.
        """
        gaps = np.diff(self.positions)
        pitch = float(gaps.min())
        if calibrated is None:
            calibrated = LensModel(
                name=f"focal stack {self.name}",
                metres_per_step=pitch,
                limits=TRAVEL,
                blur_per_metre=2.0 / pitch,
                calibration_width=self.size[0],
            )
        return replace(
            calibrated,
            # It may come to rest as far from where it is sent as the widest gap demands.
            metres_per_step=float(gaps.max()),
            # Every slice serves half a pitch either side of it, the outermost ones too.
            limits=(float(self.positions[0] - pitch / 2), float(self.positions[-1] + pitch / 2)),
        )


def names_stack(scene: str) -> bool:
    """Whether the name of a scene is a focal stack: its folder, or any file.

    A file that is no stack is opened as one, for the message that says what is wrong with it.
    """
    return bool(scene) and (is_focal_stack(scene) or Path(scene).is_file())


def is_focal_stack(path: str | Path) -> bool:
    """Whether `path` could be a stack: a file of several slices, or a folder with such a file only,
    with two or more numbered images or with an `info.yaml`.
    """
    path = Path(path)
    if not path.is_dir() or path.suffix.lower() in FOLDER_SUFFIXES:
        return is_multi_page(path)
    try:
        files = image_files(path)
    except DeviceError:
        return False
    if len(files) == 1:
        return is_multi_page(files[0])
    return len(files) > 1 and (
        (path / "info.yaml").is_file() or all(any(map(str.isdigit, file.stem)) for file in files)
    )


@dataclass(frozen=True)
class _Info:
    file: Path
    positions: NDArray[np.float64] | None
    near_to_far: bool
    bits: int | None
    selection: Selection


def _info_file(path: Path) -> Path:
    if path.is_dir() and path.suffix.lower() not in FOLDER_SUFFIXES:
        return path / "info.yaml"
    return path.with_name(path.name + ".yaml")


def _read_info(file: Path) -> _Info:
    content: Mapping[str, Any] = {}
    if file.exists():
        try:
            content = read_yaml(file)
        except OSError as error:
            raise DeviceError(f"cannot read {file}: {error.strerror}") from error
        except YamlError as error:
            raise DeviceError(str(error)) from error
        if not isinstance(content, Mapping):
            raise DeviceError(f"{file} must be a mapping of keys to values")
    channel, series = content.get("channel"), content.get("series")
    return _Info(
        file,
        _positions(file, content),
        str(content.get("order", "")).startswith("near to far"),
        _whole(file, content, "bits", 1, 16),
        Selection(
            None if channel is None else str(channel),
            _whole(file, content, "time", 0, 10**9),
            None if series is None else str(series),
            f"{file}: channel",
            f"{file}: time",
            f"{file}: series",
        ),
    )


def _whole(file: Path, content: Mapping[str, Any], key: str, low: int, high: int) -> int | None:
    value = content.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DeviceError(f"{file}: '{key}' must be a whole number from {low} to {high}")
    return value


def _positions(file: Path, content: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """The lens positions in the order of the slices, metres; all different."""
    if content.get("positions") is None:
        return None
    try:
        positions = np.asarray(content["positions"], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DeviceError(f"{file}: 'positions' must be a list of numbers (metres)") from None
    if positions.ndim != 1 or not np.isfinite(positions).all():
        raise DeviceError(f"{file}: 'positions' must be a list of finite numbers (metres)")
    if len(np.unique(positions)) < len(positions):
        raise DeviceError(f"{file}: 'positions' holds the same lens position twice")
    try:
        check_metres(f"{file}: 'positions'", positions.tolist())
    except UnitError as error:
        raise DeviceError(str(error)) from error
    return positions


def _equally_spaced(count: int, step: float | None, *, near_to_far: bool) -> NDArray[np.float64]:
    low, high = TRAVEL if step is None else (0.0, step * (count - 1))
    return np.linspace(*((high, low) if near_to_far else (low, high)), count)
