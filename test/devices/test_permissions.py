import grp
import os

import pytest

from aif_ros.devices.permissions import advice


def test_a_file_that_only_its_owner_may_open(tmp_path):
    path = tmp_path / "tty"
    path.touch(0o600)
    text = advice(str(path), "dialout")
    assert text.startswith("only its owner may (-rw-------): let a udev rule give it to the group")
    assert 'GROUP="dialout"' in text


def test_a_file_that_is_not_there():
    assert advice("/nowhere", "video").startswith("join its group (sudo usermod -aG video $USER)")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another group")
def test_a_file_of_a_group(tmp_path, monkeypatch):
    path = tmp_path / "tty"
    path.touch()
    path.chmod(0o660)
    os.chown(path, -1, grp.getgrnam("audio").gr_gid)
    assert advice(str(path), "dialout").startswith("join its group (sudo usermod -aG audio")
    monkeypatch.setattr("aif_ros.devices.permissions._is_member", lambda group: group == "audio")
    assert "you are in its group audio, but not yet in this session" in advice(str(path), "dialout")
