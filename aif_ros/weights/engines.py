"""What computes the networks of this process, for diagnostics; needs no PyTorch."""

from collections.abc import Mapping

_engines: dict[str, str] = {}


def note_engine(network: str, engine: str) -> None:
    """Note what computes a network.

    Args:
        network: its name.
        engine: library and device, and why they were chosen, for people.
    """
    _engines[network] = engine


def engines() -> Mapping[str, str]:
    """Return what computes each network that has been loaded, by its name."""
    return dict(_engines)
