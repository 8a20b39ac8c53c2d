"""A recorded focal stack: real pictures, replayed as if a camera took them now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import image_files, read_image
from aif_ros.optics.lens_model import LensModel

TRAVEL = (0.0, 1.5e-3)
"""Lens positions of the end slices of a stack that does not tell them, metres."""


class FocalStack:
    """The slices of one stack and the lens position of each; the `Subject` of a simulated camera.

    `info.yaml` in the folder may hold `positions` (metres of lens travel, one for each picture in
    the order of their names) or `order: near to far`. Without positions the slices are spaced
    equally over `TRAVEL`; near objects are at the higher positions.

    Args:
        folder: one picture for each slice, in focus order by name.

    Raises:
        DeviceError: no folder, fewer than two pictures, an unreadable first picture, or a
            malformed `info.yaml`; the message names the file.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        files = image_files(folder)
        if len(files) < 2:
            raise DeviceError(f"{folder} holds one picture: a focal stack needs at least two")
        positions = _positions(folder / "info.yaml", len(files))
        ascending = np.argsort(positions)
        self.name = folder.resolve().name
        self.files: Sequence[Path] = [files[index] for index in ascending]
        self.positions: NDArray[np.float64] = positions[ascending]
        first = read_image(self.files[0])
        self._shape = first.shape
        self._latest = (0, first)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels."""
        return self._shape[1], self._shape[0]

    def read(self, index: int) -> NDArray[Any]:
        """Return a slice, counted by ascending lens position.

        Raises:
            DeviceError: it cannot be read, or its size or channels differ from the first one's.
        """
        if self._latest[0] != index:
            image = read_image(self.files[index])
            if image.shape != self._shape:
                raise DeviceError(
                    f"{self.files[index]} has shape {image.shape}, but {self.files[0]} has "
                    f"{self._shape}: all slices of a stack must be alike"
                )
            self._latest = (index, image)
        return self._latest[1]

    def expose(self, position: float, seconds: float, travel: float = 0.0) -> NDArray[Any]:
        """Return the slice taken nearest to `position` (metres), as sharp as it is."""
        return self.read(int(np.argmin(np.abs(self.positions - position))))

    def lens_model(self, calibrated: LensModel | None = None) -> LensModel:
        """Return a lens model that fits the replay.

        A recording does not tell how fast blur grows with travel; `calibrate` estimates it. Taken
        without: neighbouring slices touch in their depths of field (1 px of blur radius at half
        the slice distance), which is how a careful photographer spaces them, so that a sweep
        shows every slice, and no breathing.

        Args:
            calibrated: what is known of the lens. The replay moves from slice to slice, whatever
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


def is_focal_stack(path: str | Path) -> bool:
    """Whether `path` is a folder whose pictures could be a stack: two or more, numbered."""
    path = Path(path)
    if not path.is_dir():
        return False
    try:
        files = image_files(path)
    except DeviceError:
        return False
    return len(files) > 1 and (
        (path / "info.yaml").is_file() or all(any(map(str.isdigit, file.stem)) for file in files)
    )


def _positions(info: Path, slices: int) -> NDArray[np.float64]:
    """Lens position of each slice by name order, metres; all different."""
    content = _read_info(info) if info.exists() else {}
    if content.get("positions") is None:
        near_to_far = str(content.get("order", "")).startswith("near to far")
        low, high = TRAVEL
        return np.linspace(*((high, low) if near_to_far else (low, high)), slices)
    try:
        positions = np.asarray(content["positions"], dtype=np.float64)
    except (TypeError, ValueError):
        raise DeviceError(f"{info}: 'positions' must be a list of numbers (metres)") from None
    if positions.shape != (slices,) or not np.isfinite(positions).all():
        raise DeviceError(
            f"{info}: 'positions' must hold one finite number for each of the {slices} pictures"
        )
    if len(np.unique(positions)) < slices:
        raise DeviceError(f"{info}: 'positions' holds the same lens position twice")
    return positions


def _read_info(info: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(info.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DeviceError(f"cannot read {info}: {error}") from error
    if not isinstance(content, Mapping):
        raise DeviceError(f"{info} must be a mapping of keys to values")
    return content
