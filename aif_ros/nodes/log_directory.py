"""The folder of ROS's logs: `rclpy.init` fails where it cannot be written."""

import os
import sys
import tempfile
from pathlib import Path


def ensure_log_directory() -> None:
    """Choose a temporary folder where neither the user's choice nor the default can be written.

    To be called before `rclpy.init`.
    """
    chosen, home = os.environ.get("ROS_LOG_DIR"), os.environ.get("HOME")
    ros_home = os.environ.get("ROS_HOME") or (home and f"{home}/.ros")
    folder = chosen or (ros_home and f"{ros_home}/log")
    try:
        if not folder:
            raise OSError("HOME is not set")
        Path(folder).expanduser().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=Path(folder).expanduser()):
            return
    except (OSError, RuntimeError) as error:
        spare = Path(tempfile.gettempdir()) / f"ros_log_{os.getuid()}"
        spare.mkdir(exist_ok=True)
        os.environ["ROS_LOG_DIR"] = str(spare)
        print(f"logs of ROS go to {spare}: {error}", file=sys.stderr)
