"""Images between processes: in shared memory that holds them whole."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from aif_ros.nodes.transport import use_shared_memory

VARIABLES = (
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTDDS_BUILTIN_TRANSPORTS",
)
LARGEST_NEW_SEGMENT = """
import os
from pathlib import Path
import rclpy
from aif_ros.nodes.transport import use_shared_memory
memory = Path("/dev/shm")
before = set(memory.iterdir())
use_shared_memory()
rclpy.init()
node = rclpy.create_node("x")
print(max(path.stat().st_size for path in set(memory.iterdir()) - before))
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in VARIABLES:
        # Set first, so that what the test sets is undone, too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_participant_has_room_for_images():
    environment = os.environ | {"ROS_DOMAIN_ID": str(40 + os.getpid() % 60)}
    done = subprocess.run(
        [sys.executable, "-c", LARGEST_NEW_SEGMENT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) >= 32 << 20
    assert done.stderr == ""


@pytest.mark.parametrize("name", VARIABLES)
def test_what_the_user_has_chosen_stays(name, monkeypatch):
    monkeypatch.setenv(name, "own")
    use_shared_memory()
    assert {each: os.environ.get(each) for each in VARIABLES} == {
        each: "own" if each == name else None for each in VARIABLES
    }


def test_little_shared_memory_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=64 << 20))
    use_shared_memory(tmp_path)
    use_shared_memory(tmp_path / "nowhere")
    assert not any(name in os.environ for name in VARIABLES)
