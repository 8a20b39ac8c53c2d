"""Running a block without the rights to open a device file."""

import os
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def without_rights(path):
    """Take the rights to the file at `path` away; also from root, who is another user meanwhile."""
    device = Path(path).resolve()
    mode, user = device.stat().st_mode, os.geteuid()
    device.chmod(0)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        device.chmod(mode)
