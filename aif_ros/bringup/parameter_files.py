"""What the parameter files of a graph say about a node, without starting it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aif_ros.bringup.graph import Graph, NodeSpec
from aif_ros.settings.declaration import declared
from aif_ros.settings.nodes import NODE_SETTINGS
from aif_ros.storage.read_yaml import read_yaml

_PARAMETERS = "ros__parameters"
# Wildcards of rcl: one part of a name, and any number of parts.
_WILDCARDS = {"*": r"/\w+", "**": r"(/\w+)*"}


def parameter(graph: Graph, node: NodeSpec, name: str) -> Any:
    """Return the value that a declared parameter of a node will have.

    Args:
        graph: with the files; later ones override earlier ones, the node's own values all.
        node: of the graph.
        name: of the parameter.

    Raises:
        OSError: a file cannot be read.
        YamlError: a file cannot be used.
    """
    settings = declared(NODE_SETTINGS[node.executable])
    value = next(setting.default for setting in settings if setting.name == name)
    for file in graph.params_files:
        for pattern, values in _sections(read_yaml(file), ""):
            if re.fullmatch(pattern, graph.full_name(node)):
                value = values.get(name, value)
    return node.parameters.get(name, value)


def _sections(content: Any, pattern: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the sections of a file, each with the regular expression of the nodes that it is for.

    Names may be nested, or written with slashes; one at the top may begin without a slash.
    """
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if key == _PARAMETERS and isinstance(value, Mapping):
            yield pattern, value
            continue
        parts = filter(None, str(key).split("/"))
        yield from _sections(
            value, pattern + "".join(_WILDCARDS.get(part, "/" + re.escape(part)) for part in parts)
        )
