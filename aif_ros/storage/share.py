"""Where the launch file, parameters and layouts of the package lie."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def share_directory() -> Path:
    """Folder that holds `config/` and `launch/`: the source checkout or the installed share.

    Raises:
        FileNotFoundError: neither is there.
    """
    source = _PACKAGE.parent
    if (source / "package.xml").exists():
        return source
    # colcon, Debian packages and pip all install to PREFIX/lib/python*/*-packages/aif_ros.
    for prefix in _PACKAGE.parents:
        share = prefix / "share" / "aif_ros"
        if (share / "package.xml").exists():
            return share
    raise FileNotFoundError(
        f"the configuration of aif_ros is not installed beside {_PACKAGE}: "
        "install the package with colcon build or pip install"
    )
