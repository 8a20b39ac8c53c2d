"""Presets: which parts run where the user does not choose them one by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from aif_ros.types.extras import install


@dataclass(frozen=True)
class Preset:
    """Names of the parts of the loop.

    Attributes:
        agent: focus-control agent.
        fusion: fusion method.
        estimator: blur estimator.
        search: search strategy of the autofocus.
    """

    agent: str
    fusion: str
    estimator: str
    search: str

    @property
    def parameters(self) -> dict[str, str]:
        """The node parameters that it sets."""
        return {
            "agent": self.agent,
            "fusion_method": self.fusion,
            "estimator": self.estimator,
            "search": self.search,
        }


PRESETS: Mapping[str, Preset] = {
    "learned": Preset("learned", "neural", "neural", "neural"),
    "classical": Preset("rule_based", "laplacian", "gradient_ratio", "fibonacci"),
}
"""learned: the neural networks and the trained agent; classical: light, without PyTorch."""

DEFAULT_PRESET = "learned"
"""The preset of every command, launch file and node where none is named."""


def missing_for_networks() -> str | None:
    """Return what the networks need and is not installed; None: nothing."""
    for module, name in (("torch", "PyTorch"), ("safetensors", "safetensors")):
        if find_spec(module) is None:
            return name
    try:
        # Ubuntu 24.04 packages pydantic 1.
        return "pydantic 2" if version("pydantic").startswith("1.") else None
    except PackageNotFoundError:
        return "pydantic 2"


def usable_preset(name: str) -> tuple[Preset, str | None]:
    """Return the preset of that name, or, for an empty name, the default one.

    Where the default one needs what is not installed, `classical` takes its place.

    Returns:
        The preset, and a line for the user where it is not the default one; else None.
    """
    if name or DEFAULT_PRESET == "classical" or (missing := missing_for_networks()) is None:
        return PRESETS[name or DEFAULT_PRESET], None
    return (
        PRESETS["classical"],
        f"{missing} is not installed: using preset 'classical' (for '{DEFAULT_PRESET}': "
        f"{install('neural')})",
    )
