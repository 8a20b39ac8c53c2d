"""Dataclasses as JSON objects, for messages that programs read."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(value: Any) -> str:
    """Return the JSON object with a field for each attribute of a dataclass.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(dataclasses.asdict(value), allow_nan=False)


def from_json(
    text: str, kind: type[T], name: str, readers: Mapping[str, Callable[[Any], Any]] | None = None
) -> T:
    """Read what `to_json` wrote; fields that the dataclass does not have are ignored.

    Args:
        text: of the message.
        kind: dataclass, which checks the types of its attributes.
        name: of what is read, with its article, for messages.
        readers: make the attributes that JSON has no types for.

    Raises:
        ValueError: it is no such object.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"{name} must be a JSON object, got {text[:80]!r}")
    try:
        values = {
            field.name: (readers or {}).get(field.name, _as_it_is)(content[field.name])
            for field in dataclasses.fields(kind)  # type: ignore[arg-type]
            if field.name in content
        }
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"not {name}: {error}") from error


def _as_it_is(value: Any) -> Any:
    return value
