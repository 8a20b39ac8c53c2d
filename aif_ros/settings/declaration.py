"""How a setting is declared: a field of a frozen dataclass whose annotation carries its limits.

Example::

    @dataclass(frozen=True)
    class LensSettings:
        state_rate: Annotated[float, Limits(1.0, 1000.0), Doc("Lens states per second.")] = 100.0

`Doc` is that of PEP 727, from typing_extensions; the command-line library reads it too.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from typing_extensions import Doc

T = TypeVar("T")

_TRUTH = {"true": True, "false": False}

WEIGHTS_SUFFIX = ".safetensors"
"""Suffix of a file with network weights."""


class SettingError(ValueError):
    """A setting does not exist, or its value is not allowed; the message says what is."""


@dataclass(frozen=True)
class Limits:
    """Lowest and highest allowed value of a number, both included."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.10g} to {self.high:.10g}"


@dataclass(frozen=True)
class OneOf:
    """The allowed values of a text.

    Attributes:
        names: the values.
        or_weights: whether the path of a weights file (`*.safetensors`) is allowed, too.
        or_empty: whether an empty text is allowed, too.
        or_address: whether a colon and an address may follow.
    """

    names: tuple[str, ...]
    or_weights: bool = False
    or_empty: bool = False
    or_address: bool = False

    @property
    def are_all(self) -> bool:
        """Whether no other text than `names` is allowed, except an empty one."""
        return not (self.or_weights or self.or_address)

    def __str__(self) -> str:
        text = ", ".join(self.names)
        text += f" or a {WEIGHTS_SUFFIX} file" if self.or_weights else ""
        return text + ("; :ADDRESS may follow" if self.or_address else "")

    def allows(self, value: object) -> bool:
        """Whether `value` is one of them."""
        if not isinstance(value, str):
            return False
        return (
            value in self.names
            or (self.or_address and value.partition(":")[0] in self.names)
            or (self.or_weights and value.endswith(WEIGHTS_SUFFIX))
            or (self.or_empty and not value)
        )


@dataclass(frozen=True)
class AtRunTime:
    """Marks a node parameter that can be set while the node runs; the others are read-only."""


@dataclass(frozen=True)
class SetsParameter:
    """Marks a choice of the user that is handed to every node that has the parameter `name`."""

    name: str


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
        parameter: node parameter that it sets, see `SetsParameter`; None: none.
        kind: bool, int, float, str, or another type.
    """

    name: str
    default: Any
    description: str
    limits: Limits | None = None
    choices: OneOf | None = None
    at_run_time: bool = False
    parameter: str | None = None
    kind: Any = str

    def problem(self, value: Any) -> str | None:
        """Return why `value` is not allowed, or None where it is. Its type is not checked.

        Of a tuple every element is checked; None is allowed.
        """
        if isinstance(value, tuple):
            return next(filter(None, map(self.problem, value)), None)
        if value is None:
            return None
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
    return tuple(_read(field, hints[field.name]) for field in dataclasses.fields(settings))


def _read(field: "dataclasses.Field[Any]", hint: Any) -> Setting:
    metadata: Sequence[Any] = getattr(hint, "__metadata__", ())

    def first(kind: type) -> Any:
        # The innermost annotation comes first, that of the field itself last.
        return next((item for item in reversed(metadata) if isinstance(item, kind)), None)

    doc, sets = first(Doc), first(SetsParameter)
    return Setting(
        field.name,
        field.default,
        doc.documentation if doc is not None else "",
        first(Limits),
        first(OneOf),
        first(AtRunTime) is not None,
        sets.name if sets is not None else None,
        getattr(hint, "__origin__", hint) if metadata else hint,
    )


def from_text(settings: type[T], values: Mapping[str, str]) -> T:
    """Return settings from texts, as a launch file gives them; empty: the default.

    Raises:
        SettingError: there is no such setting, or it does not allow that value.
    """
    known = {setting.name: setting for setting in declared(settings)}
    typed = {}
    for name, text in values.items():
        if name not in known:
            raise SettingError(f"there is no argument {name}: choose from {', '.join(known)}")
        if text:
            typed[name] = _from_text(known[name], text)
    return settings(**typed)


def check(settings: object) -> None:
    """Check the values of settings.

    Raises:
        SettingError: one of them is not allowed.
    """
    for setting in declared(type(settings)):
        problem = setting.problem(getattr(settings, setting.name))
        if problem is not None:
            raise SettingError(problem)


def _from_text(setting: Setting, text: str) -> Any:
    if setting.kind is bool:
        if text not in _TRUTH:
            raise SettingError(f"{setting.name} must be true or false; got '{text}'")
        return _TRUTH[text]
    try:
        value = setting.kind(text)
    except ValueError:
        noun = {int: "an integer", float: "a number"}[setting.kind]
        raise SettingError(f"{setting.name} must be {noun}; got '{text}'") from None
    problem = setting.problem(value)
    if problem is not None:
        raise SettingError(problem)
    return value
