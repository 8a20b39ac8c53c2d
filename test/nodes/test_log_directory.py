import os
from pathlib import Path

import pytest

from aif_ros.nodes.log_directory import ensure_log_directory


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("ROS_LOG_DIR", "ROS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_folder_that_can_be_written_stays(tmp_path):
    ensure_log_directory()
    assert "ROS_LOG_DIR" not in os.environ
    assert list((tmp_path / ".ros" / "log").iterdir()) == []


@pytest.mark.parametrize("variable", ["HOME", "ROS_HOME", "ROS_LOG_DIR"])
def test_one_that_cannot_is_replaced(variable, monkeypatch, capfd):
    monkeypatch.setenv(variable, "/proc/nowhere")
    ensure_log_directory()
    assert Path(os.environ["ROS_LOG_DIR"]).is_dir()
    assert "logs of ROS go to" in capfd.readouterr().err
    monkeypatch.delenv("ROS_LOG_DIR")


def test_no_home_at_all(monkeypatch):
    monkeypatch.delenv("HOME")
    ensure_log_directory()
    assert Path(os.environ["ROS_LOG_DIR"]).is_dir()
    monkeypatch.delenv("ROS_LOG_DIR")
