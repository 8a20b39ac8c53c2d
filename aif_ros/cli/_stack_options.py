"""Options of the commands that open a focal stack in one file."""

from typing import TYPE_CHECKING, Annotated

import tyro
from typing_extensions import Doc

if TYPE_CHECKING:
    from aif_ros.devices.image_files.stack_axes import Selection

Channel = Annotated[
    str | None,
    tyro.conf.arg(metavar="NAME|NUMBER"),
    Doc("Channel of files that have several, by its name or its number from 0."),
]
Time = Annotated[
    int | None,
    tyro.conf.arg(metavar="NUMBER"),
    Doc("Time point of files that have several, from 0."),
]

Series = Annotated[
    str | None,
    tyro.conf.arg(metavar="NAME|NUMBER"),
    Doc("Series of files that have several, such as positions on the specimen, by name or number."),
]
OPTIONS = ("channel", "time", "series")
"""Names of these options."""


def selection(channel: str | None, time: int | None, series: str | None) -> "Selection":
    """Return what to take of a file with several channels, time points or series."""
    from aif_ros.devices.image_files.stack_axes import Selection

    return Selection(channel, time, series)
