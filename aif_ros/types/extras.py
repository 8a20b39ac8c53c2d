"""How to install optional dependencies."""


def install(extra: str) -> str:
    """Return the command that installs an extra of `pyproject.toml`, and where to run it.

    Args:
        extra: its name.

    Returns:
        Both as part of a sentence, for messages.

    Example:
        >>> install("raw")
        "pip install '.[raw]' in the source folder of aif_ros"
    """
    # Not 'aif_ros[raw]': pip would look for that on PyPI.
    return f"pip install '.[{extra}]' in the source folder of aif_ros"
