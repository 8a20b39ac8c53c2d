"""How much a node publishes and for how long it hears nothing, as the supervisor reads it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from aif_ros.nodes.json_object import from_json, to_json


@dataclass(frozen=True)
class NodeTraffic:
    """Messages of one node on the topics on which they keep coming.

    Attributes:
        node: its name.
        published: number of messages published so far, by topic.
        silent: seconds without a usable message though there is a publisher, by topic; topics
            that are heard are left out.

    Raises:
        ValueError: a value is of another type.
    """

    node: str
    published: Mapping[str, int] = field(default_factory=dict)
    silent: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.node, str):
            raise ValueError(f"name of a node must be text, got {self.node!r}")
        for values, kind in ((self.published, int), (self.silent, int | float)):
            if not isinstance(values, Mapping) or not all(
                isinstance(value, kind) and math.isfinite(value) for value in values.values()
            ):
                raise ValueError(f"traffic of a node must be finite numbers by topic, got {values}")

    def to_json(self) -> str:
        """Return the JSON object with a field for each attribute."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "NodeTraffic":
        """Read what `to_json` wrote; unknown fields are ignored.

        Raises:
            ValueError: it is no such object.
        """
        return from_json(text, cls, "the traffic of a node")
