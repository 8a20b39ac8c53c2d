"""How images get from process to process on one computer."""

import os
import shutil
from importlib.metadata import version
from pathlib import Path

from aif_ros.storage.share import share_directory

_FAST_DDS_2, _FAST_DDS_3 = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_OF_THE_USER = (_FAST_DDS_2, _FAST_DDS_3, "FASTDDS_BUILTIN_TRANSPORTS")
# Bytes that must be free: a writer whose segment does not fit is killed (SIGBUS) when it has used
# that much. Containers have 64 MB by default; a graph of processes and viewers has ten segments.
_ROOM = 512 << 20


def use_shared_memory(memory: Path = Path("/dev/shm")) -> None:
    """Let Fast DDS pass whole images in shared memory, unless the user has configured it.

    Its default segment of 512 KB holds no image of 640x480 in colour, parts of which then get lost
    and are sent again 3 s later [rmw_fastrtps#739]. To be called before `rclpy.init`; other
    middlewares do not read the variables that it sets.

    Args:
        memory: where shared memory is; nothing is done where little of it is free.
    """
    if any(name in os.environ for name in _OF_THE_USER):
        return
    if not memory.is_dir() or shutil.disk_usage(memory).free < _ROOM:
        return
    # Jazzy has rclpy 7 and Fast DDS 2; with Fast DDS 3, either variable is read, and both clash.
    old = int(version("rclpy").partition(".")[0]) < 8
    variable, distribution = (_FAST_DDS_2, "jazzy") if old else (_FAST_DDS_3, "kilted")
    profile = share_directory() / "config" / "dds" / f"shared_memory_{distribution}.xml"
    os.environ[variable] = str(profile)
