"""Reading untrusted YAML files: size and depth are limited, aliases are refused."""

from pathlib import Path
from typing import Any

import yaml

from aif_ros.storage.error_text import one_line

MAX_BYTES = 4_000_000
"""Largest YAML file that is read, bytes: positions of 100,000 slices fit."""
MAX_DEPTH = 20
"""Deepest nesting of mappings and lists; settings need no more than four."""


class YamlError(ValueError):
    """A YAML file that cannot be used; the message names it and fits into one line."""


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file of plain values.

    Raises:
        OSError: it cannot be read.
        YamlError: it is no regular file, too large, no UTF-8, not valid, too deeply nested, or
            uses aliases (a few of which unfold to gigabytes).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "lens.yaml")
        ...     _ = path.write_text("limits: [0.0, 1.5e-3]")
        ...     read_yaml(path)
        {'limits': [0.0, 0.0015]}
    """
    path = Path(path)
    if not path.is_file():
        if not path.exists():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        raise YamlError(f"{path} is no regular file")
    if path.stat().st_size > MAX_BYTES:
        raise YamlError(f"{path} is larger than {MAX_BYTES / 1e6:.0f} MB")
    try:
        text = path.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise YamlError(f"{path} uses the alias '*{event.anchor}': write the value itself")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise YamlError(f"{path} is nested deeper than {MAX_DEPTH} levels")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise YamlError(f"{path} is not valid YAML: {one_line(error)}") from error
    except YamlError:
        raise
    except (ValueError, OverflowError, TypeError, AttributeError, RecursionError) as error:
        # Values that look like dates or numbers and are none; text that is no UTF-8.
        raise YamlError(f"{path} is not valid YAML: {one_line(error)}") from error
