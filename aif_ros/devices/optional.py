"""Optional dependencies: imported when a device is opened."""

import importlib
from types import ModuleType

from aif_ros.devices.device import MissingDependencyError
from aif_ros.types.extras import install


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: to import.
        extra: of this package's installation that brings it.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.split(".")[0] != error.name.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"this device needs the package {module.split('.')[0]}: {install(extra)}"
        ) from error
