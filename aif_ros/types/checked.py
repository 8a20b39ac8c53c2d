"""Dataclasses whose fields are checked when they are made, and errors about them in one line."""

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False)
"""For `pydantic.dataclasses.dataclass`: refuse unknown fields, NaN and infinity."""

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any]) -> T:
    """Make a dataclass from values read from YAML or JSON.

    Args:
        cls: a pydantic dataclass, at best with `CHECKED`.
        values: by the names of its fields.

    Raises:
        ValueError: a field is missing, unknown, of another type or out of range; one line.

    Example:
        >>> from pydantic.dataclasses import dataclass
        >>> @dataclass(config=CHECKED)
        ... class Exposure:
        ...     seconds: float
        >>> from_mapping(Exposure, {"seconds": "0.02"})
        Exposure(seconds=0.02)
        >>> from_mapping(Exposure, {"second": 0.02})
        Traceback (most recent call last):
        ValueError: seconds is missing; there is no second
    """
    try:
        return TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        raise ValueError(field_errors(error)) from None


def field_errors(error: ValidationError) -> str:
    """Return what is wrong with which fields, in one line."""
    parts = []
    for detail in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "unexpected_keyword_argument":
            parts.append(f"there is no {name}")
        elif detail["type"] in ("missing", "missing_argument"):
            parts.append(f"{name} is missing")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            given = shortened(detail["input"])
            parts.append(f"{name}: {message}, got {given[:60]}" if name else message)
    return "; ".join(parts[:3])
