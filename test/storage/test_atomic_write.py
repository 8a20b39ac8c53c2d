import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aif_ros.storage.atomic_write import (
    check_folder,
    check_writable,
    replacing,
    write_bytes,
    write_text,
)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_new_file_gets_the_usual_permissions(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "©")
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "©"
    assert (tmp_path / "new" / "a.txt").stat().st_mode == plain.stat().st_mode


def test_failed_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(RuntimeError), replacing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old"
    assert files(tmp_path) == ["a.txt"]


def test_writer_that_wrote_nothing_is_an_error(tmp_path):
    file = tmp_path / "a.png"
    with pytest.raises(OSError, match=r"a\.png"), replacing(file):
        pass
    assert not file.exists()


def test_existing_permissions_and_links_stay(tmp_path):
    file, link = tmp_path / "a", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("a")
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_pipe_is_written_directly(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(pipe, b"x")
    assert os.read(reader, 9) == b"x"
    os.close(reader)


def test_long_name_with_emoji(tmp_path):
    file = tmp_path / ("🦋" * 60 + ".png")
    write_bytes(file, b"x")
    assert files(tmp_path) == [file.name]


def test_full_disk_is_reported_with_the_name_of_the_target(tmp_path):
    file = tmp_path / "a.bin"
    file.write_text("old")
    with pytest.raises(OSError, match=r"a\.bin"), replacing(file) as temporary:
        raise OSError(28, "No space left on device", str(temporary))
    assert file.read_text() == "old"


LIMITED = """
import resource, signal, sys
from aif_ros.storage.atomic_write import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(sys.argv[1], bytes(5000))
except OSError as error:
    print(error)
"""


def test_write_that_the_system_refuses_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.bin"
    file.write_text("old")
    command = [sys.executable, "-c", LIMITED, str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert "File too large" in run.stdout
    assert "a.bin" in run.stdout
    assert file.read_text() == "old"
    assert files(tmp_path) == ["a.bin"]


WRITER = """
import sys
from aif_ros.storage.atomic_write import write_bytes
while True:
    for letter in b"ab":
        write_bytes(sys.argv[1], bytes([letter]) * 300_000)
"""


def test_killed_writer_leaves_a_whole_file(tmp_path):
    file = tmp_path / "a.bin"
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], cwd=Path.cwd())
        deadline = time.monotonic() + 30
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.02)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        content = file.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1


def test_temporary_files_of_killed_writers_are_removed_later(tmp_path):
    file = tmp_path / "a.bin"
    with replacing(file) as temporary:
        temporary.write_bytes(b"x")
        abandoned = temporary.with_name(temporary.name.replace(temporary.name.split(".")[2], "0"))
    abandoned.touch()
    os.utime(abandoned, (0, 0))
    write_bytes(file, b"y")
    assert files(tmp_path) == ["a.bin"]


class TestCheckWritable:
    def test_nothing_is_left_behind(self, tmp_path):
        check_writable(tmp_path / "a.png", 1000)
        assert files(tmp_path) == []

    def test_a_folder_that_does_not_exist_is_not_made(self, tmp_path):
        missing = tmp_path / "no such" / "folder"
        with pytest.raises(OSError, match=r"no folder .*mkdir -p '"):
            check_writable(missing / "a.png")
        assert files(tmp_path) == []

    def test_an_existing_folder_stays(self, tmp_path):
        (tmp_path / "old").mkdir()
        check_writable(tmp_path / "old" / "a.png")
        assert files(tmp_path) == ["old"]

    def test_folder(self, tmp_path):
        with pytest.raises(OSError, match="is a folder"):
            check_writable(tmp_path)

    def test_file_as_folder(self, tmp_path):
        (tmp_path / "a").touch()
        with pytest.raises(OSError, match=r"a/b\.png"):
            check_writable(tmp_path / "a" / "b.png")

    def test_too_little_space(self, tmp_path):
        with pytest.raises(OSError, match="MB are needed"):
            check_writable(tmp_path / "a.png", 10**18)

    def test_little_space_is_not_reported_as_none(self, tmp_path, monkeypatch):
        full = shutil.disk_usage(tmp_path)._replace(free=120_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
        with pytest.raises(OSError, match=r"about 0\.2 MB are needed, 0\.1 MB are free"):
            check_writable(tmp_path / "a.png", 150_000)


class TestCheckFolder:
    def test_nothing_is_left_behind(self, tmp_path):
        check_folder(tmp_path / "new" / "folder")
        assert files(tmp_path) == []

    def test_an_existing_folder_stays(self, tmp_path):
        (tmp_path / "old").mkdir()
        check_folder(tmp_path / "old")
        assert files(tmp_path) == ["old"]

    def test_file(self, tmp_path):
        (tmp_path / "a").touch()
        with pytest.raises(OSError, match="a: File exists"):
            check_folder(tmp_path / "a")

    def test_folder_that_cannot_be_made(self):
        with pytest.raises(OSError, match="/proc/nope"):
            check_folder("/proc/nope")
