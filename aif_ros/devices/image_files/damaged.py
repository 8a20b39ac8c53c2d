"""Files whose content is damaged: the error, and their place in a stack."""

from dataclasses import dataclass
from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.samples import Samples


class DamagedFileError(DeviceError):
    """The content of a file is cut off or damaged; another copy of the file may be whole.

    Args:
        reason: names the file and what is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} (copy the file again, or leave it out)"


@dataclass(frozen=True)
class DamagedPlane:
    """A slice that cannot be read.

    Attributes:
        path: of the file.
        error: what is wrong with it.
    """

    path: Path
    error: DamagedFileError

    @property
    def name(self) -> str:
        """Path of the file."""
        return str(self.path)

    def check(self) -> None:
        """Raise the error."""
        raise self.error

    def read(self) -> Samples:
        """Raise the error."""
        raise self.error
