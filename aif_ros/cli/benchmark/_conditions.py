"""The conditions that benchmarks can be asked to measure in."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aif_ros.cli import CommandError

if TYPE_CHECKING:
    from aif_ros.simulation.conditions import Condition

CONDITIONS_HELP = (
    "Lens, camera and subject to measure with: standard, gaussian, camera_noise, points, ...; "
    "all: every one of them."
)


def select_conditions(names: Sequence[str]) -> "Mapping[str, Condition]":
    """Return the conditions of these names.

    Raises:
        CommandError: there is none of a name.
    """
    from aif_ros.simulation.conditions import CONDITIONS

    if "all" in names:
        return CONDITIONS
    unknown = sorted(set(names) - set(CONDITIONS))
    if unknown:
        raise CommandError(
            f"no condition {', '.join(unknown)}: choose from all, {', '.join(CONDITIONS)}"
        )
    return {name: CONDITIONS[name] for name in names}
