"""Settings that all motorised lenses share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typing_extensions import Doc

from aif_ros.settings.declaration import Limits, declared

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MetresPerUnit = Annotated[
    float,
    Doc(
        "Travel of one unit of the device, metres. Negative if the device counts towards far "
        "objects: near objects must be in focus at the higher positions."
    ),
]


@dataclass(frozen=True)
class MotorSettings:
    """Scale, limits and times of a motorised lens.

    Raises:
        ValueError: a value is not allowed.
    """

    metres_per_unit: MetresPerUnit = 1e-6
    low: Annotated[
        float | None, Doc("Lowest position in the unit of the device. None: as it reports it.")
    ] = None
    high: Annotated[
        float | None, Doc("Highest position in the unit of the device. None: as it reports it.")
    ] = None
    settling_time: Annotated[
        float, Limits(0.0, 60.0), Doc("Seconds after a move during which the optics still vibrate.")
    ] = 0.02
    stall_timeout: Annotated[
        float,
        Limits(0.0, 600.0),
        Doc("Seconds without progress after which an unfinished move is an error."),
    ] = 2.0

    def __post_init__(self) -> None:
        check_settings(self)
        if self.metres_per_unit == 0:
            raise ValueError("metres_per_unit must not be 0")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be below high, got low={self.low:g} and high={self.high:g}")


def check_settings(settings: "DataclassInstance") -> None:
    """Check the values of a settings dataclass against its declaration.

    Raises:
        ValueError: a value is not allowed.
    """
    for setting in declared(type(settings)):
        value = getattr(settings, setting.name)
        problem = None if value is None else setting.problem(value)
        if problem is not None:
            raise ValueError(problem)
