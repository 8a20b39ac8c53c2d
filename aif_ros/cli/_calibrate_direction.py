"""Direction of a lens by the best evidence, and the refusal of one that is inverted."""

from typing import cast

from aif_ros.calibration.travel_direction import Towards, TravelDirection, most_certain
from aif_ros.cli import CommandError
from aif_ros.cli._calibrate_arguments import Arguments
from aif_ros.cli._measured_calibration import MeasuredCalibration
from aif_ros.devices.backends import LENSES, DeviceUri


def stated_direction(args: Arguments) -> TravelDirection | None:
    """Return the direction that the user states, if any."""
    if not args.higher_focuses:
        return None
    return TravelDirection(cast("Towards", args.higher_focuses), "stated")


def best_direction(args: Arguments, measured: MeasuredCalibration) -> TravelDirection:
    """Return the direction of the lens by the best evidence."""
    known = [measured.calibration.direction]
    if (stated := stated_direction(args)) is not None:
        known.append(stated)
    if measured.defined_direction is not None:
        known.append(TravelDirection(measured.defined_direction, "device"))
    return most_certain(known)


def check_direction(args: Arguments, direction: TravelDirection) -> None:
    """Refuse a lens that is known to count towards far objects.

    Raises:
        CommandError: it is.
    """
    if direction.towards == "far" and direction.evidence != "magnification":
        raise CommandError(
            f"{direction}, but near ones must be: nothing is written; {remedy(args)}"
        )


def remedy(args: Arguments) -> str:
    """Return what to do about a lens that counts towards far objects."""
    if args.lens:
        return (
            "calibrate again with the other sign of metres_per_unit in the URI of the lens "
            f"({_turned(args.lens)})"
        )
    return (
        "list the slices in the other order (info.yaml: 'order: near to far' if the first is the "
        "nearest), and give the lens the other sign of metres_per_unit"
    )


def _turned(lens: str) -> str:
    """Return the URI of a lens with the other sign of metres_per_unit, as far as it is known."""
    named = DeviceUri.parse(lens, LENSES)
    scale = float(named.settings({}).metres_per_unit)
    options = {**named.options, "metres_per_unit": f"{-scale:g}"}
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{named.name}:{named.address}?{query}"
