"""Saying where a chosen computing device has no effect."""

import sys

from aif_ros.settings.declaration import WEIGHTS_SUFFIX

_NETWORKS = ("neural", "learned", "paper")
"""Names of the methods that run a network."""


def note_unused_device(device: str, *methods: str) -> None:
    """Say that a device was asked for that nothing runs on.

    Args:
        device: as asked for.
        methods: names of what runs.
    """
    neural = any(name in _NETWORKS or name.endswith(WEIGHTS_SUFFIX) for name in methods)
    if device in ("cuda", "onnxruntime") and not neural:
        print(
            f"--device {device} has no effect: no network runs ({', '.join(methods)})",
            file=sys.stderr,
        )
