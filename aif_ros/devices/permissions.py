"""What to do about a device file that may not be opened."""

import grp
import os
import pwd
import stat
from pathlib import Path


def advice(path: str, usual_group: str) -> str:
    """Return what gives this user access to a device file.

    Args:
        path: of the file.
        usual_group: group that Linux distributions give such files to, for the message where the
            file itself does not show it.
    """
    try:
        status = Path(path).stat()
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        status, group = None, usual_group
    shared = stat.S_IRGRP | stat.S_IWGRP
    if status is not None and (status.st_gid == 0 or status.st_mode & shared != shared):
        return (
            f"only its owner may ({stat.filemode(status.st_mode)}): let a udev rule give it to the "
            f'group {usual_group} (GROUP="{usual_group}", MODE="0660"), and join that group'
        )
    if _is_member(group) and (status is None or status.st_gid not in os.getgroups()):
        return f"you are in its group {group}, but not yet in this session: log out and in again"
    return f"join its group (sudo usermod -aG {group} $USER) and log in again"


def _is_member(group: str) -> bool:
    """Whether this user is entered in a group, in this session or not."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name in grp.getgrnam(group).gr_mem
    except KeyError:
        return False
