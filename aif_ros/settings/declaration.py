"""How a setting is declared: a field of a frozen dataclass whose annotation carries its limits.

    @dataclass(frozen=True)
    class LensSettings:
        state_rate: Annotated[float, Limits(1.0, 1000.0), Doc("Lens states per second.")] = 100.0

`Doc` is that of PEP 727, from typing_extensions; the command-line library reads it too.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from typing_extensions import Doc

WEIGHTS_SUFFIX = ".safetensors"
"""Suffix of a file with network weights."""


@dataclass(frozen=True)
class Limits:
    """Lowest and highest allowed value of a number, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class OneOf:
    """The allowed values of a text.

    Attributes:
        names: the values.
        or_weights: whether the path of a weights file (`*.safetensors`) is allowed, too.
        or_empty: whether an empty text is allowed, too.
    """

    names: tuple[str, ...]
    or_weights: bool = False
    or_empty: bool = False

    def __str__(self) -> str:
        return ", ".join(self.names) + (f" or a {WEIGHTS_SUFFIX} file" if self.or_weights else "")

    def allows(self, value: object) -> bool:
        """Whether `value` is one of them."""
        if not isinstance(value, str):
            return False
        return (
            value in self.names
            or (self.or_weights and value.endswith(WEIGHTS_SUFFIX))
            or (self.or_empty and not value)
        )


@dataclass(frozen=True)
class AtRunTime:
    """Marks a node parameter that can be set while the node runs; the others are read-only."""


@dataclass(frozen=True)
class Setting:
    """One setting as declared.

    Attributes:
        name: of the field; of the node parameter, too.
        default: value where none is given; `dataclasses.MISSING`: it must be given.
        description: one or more sentences; names the unit.
        limits: of a number; None: any.
        choices: of a text; None: any.
        at_run_time: whether the node parameter can be set while the node runs.
    """

    name: str
    default: Any
    description: str
    limits: Limits | None = None
    choices: OneOf | None = None
    at_run_time: bool = False

    def problem(self, value: Any) -> str | None:
        """Return why `value` is not allowed, or None where it is. Its type is not checked."""
        if self.choices is not None and not self.choices.allows(value):
            return f"{self.name} must be one of {self.choices}; got '{value}'"
        if self.limits is not None and not self.limits.low <= value <= self.limits.high:
            return (
                f"{self.name} must lie between {self.limits.low:g} and {self.limits.high:g}; "
                f"got {value:g}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            return f"{self.name} must be a finite number; got {value:g}"
        return None


def declared(settings: type) -> tuple[Setting, ...]:
    """Return the settings that a dataclass declares, in their order."""
    hints = get_type_hints(settings, include_extras=True)
    return tuple(
        _read(field, getattr(hints[field.name], "__metadata__", ()))
        for field in dataclasses.fields(settings)
    )


def _read(field: "dataclasses.Field[Any]", metadata: Sequence[Any]) -> Setting:
    def first(kind: type) -> Any:
        # The innermost annotation comes first, that of the field itself last.
        return next((item for item in reversed(metadata) if isinstance(item, kind)), None)

    doc = first(Doc)
    return Setting(
        field.name,
        field.default,
        doc.documentation if doc is not None else "",
        first(Limits),
        first(OneOf),
        first(AtRunTime) is not None,
    )
