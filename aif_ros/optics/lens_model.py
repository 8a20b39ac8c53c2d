"""The calibrated lens: from lens position to blur, magnification and depth of field.

A lens at position z renders an object whose sharp image lies at *focus position* p as a disk
of radius ``|z - p| * blur_gain``: in the small range a focus motor travels, the circle of
confusion is proportional to the travel (Wang et al., "Deep Learning for Camera Autofocus",
IEEE TCI 2021, section III). Its magnification changes with z as well (focus breathing).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import yaml
from numpy.typing import NDArray

from aif_ros.storage.atomic_write import write_text
from aif_ros.storage.read_yaml import YamlError, read_yaml
from aif_ros.types.units import UnitError, check_metres

DEFAULT_CALIBRATION = Path(__file__).resolve().parent / "lenses" / "default.yaml"
"""Lens calibration that is used where none is named."""


class CalibrationError(ValueError):
    """A lens calibration that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class LensModel:
    """A calibrated lens.

    Attributes:
        name: for reports.
        metres_per_step: travel of one motor step, metres.
        limits: lowest and highest lens position, metres.
        blur_per_metre: blur radius per metre of travel out of focus, in pixels of an image
            `calibration_width` pixels wide.
        calibration_width: width in pixels of the images it was calibrated with; blur in pixels
            scales with the width of the image at hand.
        breathing_per_metre: relative change of magnification per metre of travel; the
            magnification is 1 at position 0.
        depth_of_field_px: largest blur radius, in pixels of the image at hand, that counts as
            in focus.
        backlash: dead travel of the motor after a reversal, metres; the lens is then always
            approached from below (`BacklashCompensation`).
        reading_curve: pairs (blur, reading), both ascending, pixels of an image
            `calibration_width` pixels wide: what the blur estimator reads, on the median, of
            an object whose blur by `blur_per_metre` is `blur`. Point-spread functions of real
            lenses are no disks, so the two differ. Empty: they are equal.
        object_distances: pairs (lens position, object distance), at least two, metres, positions
            ascending and distances descending: how far away from the camera objects are in focus
            there (.inf: infinity). Empty: not known.

    Example:
        >>> lens = LensModel(
        ...     "demo", metres_per_step=1e-6, limits=(0.0, 1e-3), blur_per_metre=24000.0,
        ...     calibration_width=640,
        ... )
        >>> lens.blur_radius(position=0.5e-3, focus_position=0.25e-3, image_width=640)
        6.0
        >>> lens.blur_radius(position=0.5e-3, focus_position=0.25e-3, image_width=1280)
        12.0
        >>> round(lens.half_depth_of_focus(image_width=640) * 1e6, 1)  # micrometres
        41.7
    """

    name: str
    metres_per_step: float
    limits: tuple[float, float]
    blur_per_metre: float
    calibration_width: int
    breathing_per_metre: float = 0.0
    depth_of_field_px: float = 1.0
    backlash: float = 0.0
    reading_curve: tuple[tuple[float, float], ...] = ()
    object_distances: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for key in ("metres_per_step", "blur_per_metre", "calibration_width", "depth_of_field_px"):
            value = getattr(self, key)
            if not (np.isfinite(value) and value > 0):
                raise CalibrationError(f"{key} must be a positive number, got {value!r}")
        low, high = self.limits
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise CalibrationError(
                f"limits must be [low, high] in metres with low < high, got {self.limits}"
            )
        if not np.isfinite(self.breathing_per_metre):
            raise CalibrationError(
                f"breathing_per_metre must be a number, got {self.breathing_per_metre!r}"
            )
        if not (np.isfinite(self.backlash) and 0 <= self.backlash < high - low):
            raise CalibrationError(
                f"backlash must be >= 0 and below the travel {high - low:g} m, got {self.backlash}"
            )
        curve = np.asarray(self.reading_curve, dtype=np.float64).reshape(-1, 2)
        if len(curve) == 1 or not np.isfinite(curve).all() or (curve < 0).any():
            raise CalibrationError(
                "reading_curve must hold at least two pairs [blur, reading] of pixels >= 0"
            )
        if (np.diff(curve, axis=0) <= 0).any():
            raise CalibrationError("reading_curve must ascend, in blur and in reading")
        table = np.asarray(self.object_distances, dtype=np.float64).reshape(-1, 2)
        if len(table) == 1 or not (np.isfinite(table[:, 0]).all() and (table[:, 1] > 0).all()):
            raise CalibrationError(
                "object_distances must hold at least two pairs [lens position, distance] in metres"
            )
        # Reciprocals: infinity has one, and a difference.
        if (np.diff(table[:, 0]) <= 0).any() or (np.diff(1 / table[:, 1]) <= 0).any():
            raise CalibrationError(
                "object_distances must have ascending lens positions and descending distances"
            )
        if min(self.magnification(low), self.magnification(high)) <= 0:
            raise CalibrationError(
                "breathing_per_metre makes the magnification vanish within the limits"
            )

    @classmethod
    def load(cls, path: str | Path) -> "LensModel":
        """Read a YAML calibration file (see `aif_ros/optics/lenses/` for the documented default).

        Raises:
            CalibrationError: the file is missing, is no YAML mapping, or a key is missing,
                unknown or malformed; the message names file and key.
        """
        path = Path(path)
        try:
            content = read_yaml(path)
        except OSError as error:
            raise CalibrationError(
                f"cannot read lens calibration {path}: {error.strerror}"
            ) from error
        except YamlError as error:
            raise CalibrationError(f"lens calibration {error}") from error
        if not isinstance(content, Mapping):
            raise CalibrationError(f"lens calibration {path} must be a mapping of keys to values")
        try:
            return cls._from_mapping(content)
        except CalibrationError as error:
            raise CalibrationError(f"lens calibration {path}: {error}") from error

    @classmethod
    def _from_mapping(cls, content: Mapping[str, Any]) -> "LensModel":
        required = ("name", "metres_per_step", "limits", "blur_per_metre", "calibration_width")
        tables = ("reading_curve", "object_distances")
        optional = ("breathing_per_metre", "depth_of_field_px", "backlash", *tables)
        for key in required:
            if key not in content:
                raise CalibrationError(f"key '{key}' is missing")
        for key in content:
            if key not in required + optional:
                raise CalibrationError(
                    f"key '{key}' is unknown; known: {', '.join(required + optional)}"
                )
        limits = content["limits"]
        if not (isinstance(limits, list) and len(limits) == 2):
            raise CalibrationError(
                f"key 'limits' must be a list [low, high] in metres, got {limits!r}"
            )
        no_numbers = ("name", "limits", *tables)
        numbers = {key: content[key] for key in content if key not in no_numbers}
        numbers |= {"limits[0]": limits[0], "limits[1]": limits[1]}
        for key, value in numbers.items():
            # YAML 1.1 reads 1e-6 (no dot) as text: accept what float() understands.
            try:
                numbers[key] = float(value)
            except (TypeError, ValueError):
                raise CalibrationError(f"key '{key}' must be a number, got {value!r}") from None
        low, high = numbers.pop("limits[0]"), numbers.pop("limits[1]")
        try:
            check_metres("key 'limits'", (low, high))
        except UnitError as error:
            raise CalibrationError(str(error)) from error
        width = int(numbers.pop("calibration_width"))
        return cls(
            name=str(content["name"]),
            limits=(low, high),
            calibration_width=width,
            reading_curve=_pairs("reading_curve", content),
            object_distances=_pairs("object_distances", content),
            **numbers,
        )

    def save(self, path: str | Path) -> None:
        """Write the calibration as YAML that `load` reads back."""
        write_text(path, self.to_yaml())

    def to_yaml(self) -> str:
        """Return the calibration as text of a YAML file."""
        content = {**self.__dict__, "limits": list(self.limits)}
        for key in ("reading_curve", "object_distances"):
            content[key] = [list(pair) for pair in content[key]]
        for key, default in (("backlash", 0.0), ("reading_curve", [])):
            if content[key] == default:
                del content[key]
        return str(yaml.safe_dump(content, sort_keys=False))

    def blur_gain(self, image_width: int) -> float:
        """Blur radius per metre of travel, in pixels of an image `image_width` pixels wide."""
        return self.blur_per_metre * image_width / self.calibration_width

    @overload
    def blur_radius(self, position: float, focus_position: float, image_width: int) -> float: ...
    @overload
    def blur_radius(
        self, position: float, focus_position: NDArray[np.floating], image_width: int
    ) -> NDArray[np.floating]: ...
    def blur_radius(
        self, position: float, focus_position: float | NDArray[np.floating], image_width: int
    ) -> float | NDArray[np.floating]:
        """Signed blur radius, pixels: of objects at `focus_position` with the lens at `position`.

        Negative where the lens position is below the object's focus position.

        Args:
            position: of the lens, metres.
            focus_position: lens position at which the objects are in focus, metres; any shape.
            image_width: of the image, pixels.
        """
        return (position - focus_position) * self.blur_gain(image_width)

    def travel(self, radius: float, image_width: int) -> float:
        """Lens travel, metres, that brings an object blurred by `radius` pixels into focus."""
        return radius / self.blur_gain(image_width)

    def expected_reading(
        self, radius: NDArray[np.floating], image_width: int
    ) -> NDArray[np.floating]:
        """What the blur estimator reads, pixels, where the blur by this lens is `radius` pixels."""
        return self._through_curve(radius, image_width, 0, 1)

    def distance(self, reading: NDArray[np.floating], image_width: int) -> NDArray[np.floating]:
        """Lens travel to focus, metres, where the blur estimator reads `reading` pixels."""
        return self._through_curve(reading, image_width, 1, 0) / self.blur_gain(image_width)

    def _through_curve(
        self, values: NDArray[np.floating], image_width: int, source: int, target: int
    ) -> NDArray[np.floating]:
        """Interpolate along `reading_curve`; beyond its end in proportion to its last pair."""
        if not self.reading_curve:
            return values
        scale = image_width / self.calibration_width
        curve = scale * np.asarray(self.reading_curve)
        start, end = curve[:, source], curve[:, target]
        inside = np.interp(values, start, end)
        return np.asarray(np.where(values > start[-1], values * (end[-1] / start[-1]), inside))

    def object_distance(self, position: NDArray[np.floating]) -> NDArray[np.float32]:
        """Distance from the camera, metres, at which objects are in focus at each lens position.

        The reciprocals of the table are interpolated: the thin-lens equation makes them linear in
        the lens position, to first order. Outside the table, NaN.

        Raises:
            CalibrationError: the calibration holds no object distances.

        Example:
            >>> lens = LensModel(
            ...     "macro", 1e-6, (0.0, 1e-3), 24000.0, 640,
            ...     object_distances=((0.0, np.inf), (1e-3, 0.5)),
            ... )
            >>> lens.object_distance(np.array([0.0, 0.5e-3, 1e-3]))
            array([inf, 1. , 0.5], dtype=float32)
        """
        if not self.object_distances:
            raise CalibrationError(
                "the calibration holds no object distances: add object_distances to it"
            )
        table = np.asarray(self.object_distances)
        reciprocals = np.interp(position, table[:, 0], 1 / table[:, 1], left=np.nan, right=np.nan)
        with np.errstate(divide="ignore"):
            return np.asarray((1 / reciprocals).astype(np.float32))

    def half_depth_of_focus(self, image_width: int) -> float:
        """Half the depth of field in metres of travel: this far either way still is in focus."""
        return self.travel(self.depth_of_field_px, image_width)

    @property
    def position_resolution(self) -> float:
        """Metres by which reported and commanded position of a lens at rest may differ.

        Half a motor step, since the lens rests at whole steps only; 2 % more for rounding.
        """
        return 0.51 * self.metres_per_step

    @property
    def arrival_tolerance(self) -> float:
        """Metres up to which a lens at rest is where it was sent, whatever its depth of focus.

        0.75 motor steps: a lens rests at whole steps only, so up to half a step from its target; a
        whole step away is another position.
        """
        return 0.75 * self.metres_per_step

    def same_position(self, first: float, second: float, image_width: int) -> bool:
        """Whether images taken at two lens positions (metres) show the same.

        A quarter of half the depth of focus apart, their blur differs by a quarter of the radius
        that still counts as in focus: less than the noise of any blur estimate.

        Args:
            first: lens position, metres.
            second: another one.
            image_width: of the images, pixels.

        Example:
            >>> lens = LensModel.load(DEFAULT_CALIBRATION)
            >>> lens.same_position(0.5e-3, 0.51e-3, image_width=640)
            True
            >>> lens.same_position(0.5e-3, 0.51e-3, image_width=3840)  # more pixels show more blur
            False
        """
        return abs(first - second) <= 0.25 * self.half_depth_of_focus(image_width)

    def magnification(self, position: float) -> float:
        """Magnification relative to the lens at position 0 (focus breathing)."""
        return 1.0 + self.breathing_per_metre * position

    @property
    def reference_position(self) -> float:
        """The position with the narrowest field of view, metres.

        Frames are scaled to its magnification before all other processing, because the frames of
        every other position cover its field of view completely.
        """
        return max(self.limits, key=self.magnification)

    def breathing_scale(self, position: float) -> float:
        """Scale about the image centre, >= 1, that brings a frame into the reference geometry."""
        return self.magnification(self.reference_position) / self.magnification(position)

    def steps(self, metres: float) -> float:
        """Motor steps of a travel or position in metres."""
        return metres / self.metres_per_step

    def narrowed(self, limits: tuple[float, float]) -> "LensModel":
        """Return this lens within the limits of a device, too, metres.

        Raises:
            CalibrationError: the calibration and the device have no travel in common.

        Example:
            >>> LensModel.load(DEFAULT_CALIBRATION).narrowed((0.5e-3, 0.01)).limits
            (0.0005, 0.0015)
        """
        low, high = max(self.limits[0], limits[0]), min(self.limits[1], limits[1])
        # A lens rests at whole steps only.
        if not low + 0.5 * self.metres_per_step < high:
            raise CalibrationError(
                f"the calibration '{self.name}' is of a lens from {self.limits[0]:g} to "
                f"{self.limits[1]:g} m, but this one moves from {limits[0]:g} to {limits[1]:g} m: "
                "give the calibration of this lens"
            )
        return replace(self, limits=(low, high))

    def within_limits(self, position: float) -> float:
        """Return `position`, moved to the nearest limit if it lies outside.

        Raises:
            ValueError: `position` is not finite.

        Example:
            >>> LensModel.load(DEFAULT_CALIBRATION).within_limits(0.01)
            0.0015
        """
        if not np.isfinite(position):
            raise ValueError(f"lens position must be a finite number of metres, got {position}")
        return float(min(max(position, self.limits[0]), self.limits[1]))


def _pairs(key: str, content: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """Return the pairs under an optional key."""
    pairs = content.get(key) or []
    try:
        return tuple((float(first), float(second)) for first, second in pairs)
    except (TypeError, ValueError):
        raise CalibrationError(
            f"key '{key}' must be a list of pairs of numbers, got {pairs!r}"
        ) from None
