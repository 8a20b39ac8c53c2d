"""Where the package's own files lie: calibrations, parameters, layouts, weights."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def share_directory() -> Path:
    """Folder that holds `config/` and `launch/`: the installed share or the source checkout."""
    source = _PACKAGE.parent
    if (source / "package.xml").exists():
        return source
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("aif_ros"))


def default_lens_calibration() -> Path:
    """Lens calibration used where none is named."""
    return share_directory() / "config" / "lenses" / "default.yaml"


def weights_directory() -> Path:
    """Folder of the shipped network weights and their model cards."""
    return _PACKAGE / "weights"
