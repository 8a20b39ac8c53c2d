"""The layouts of RViz and rqt, for the namespace of a graph."""

import json
import os
from pathlib import Path
from typing import Any

from aif_ros.bringup.graph import Graph
from aif_ros.storage.share import share_directory


def rviz_layout() -> Path:
    """Return the layout of RViz, which resolves relative topics in its own namespace."""
    return share_directory() / "config" / "pipeline.rviz"


def rqt_layout(graph: Graph) -> Path:
    """Write the layout of rqt to a file that exists as long as this process.

    rqt takes no namespace from its command line, and its plugins take absolute topics only.
    """
    content = json.loads((share_directory() / "config" / "pipeline.perspective").read_text())
    with os.fdopen(os.memfd_create("pipeline.perspective"), "w", closefd=False) as file:
        json.dump(_absolute(content, graph.namespace), file)
        return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")


def _absolute(content: Any, namespace: str) -> Any:
    """Put the namespace before the topics of a layout."""
    if not isinstance(content, dict):
        return content
    made = {key: _absolute(value, namespace) for key, value in content.items()}
    if "topic" in made:
        topic = made["topic"]["repr"].strip("'")
        made["topic"] = made["topic"] | {"repr": repr(f"{namespace}/{topic}")}
    return made
