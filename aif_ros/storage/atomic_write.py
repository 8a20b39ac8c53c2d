"""Writing files so that either the old or the new content is there, whole, whatever happens.

The content is written to a temporary file in the same folder, flushed to the disk and renamed over
the target, as POSIX guarantees to be atomic.
"""

import hashlib
import os
import shlex
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Temporary files of killed processes are removed once they have not grown for so long, seconds; a
# process in another container, which `/proc` does not show, writes more often.
_ABANDONED = 60.0


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Replace a file by what the block writes; if the block fails, the old file stays.

    Args:
        path: file to write; its folder is made. What is no regular file (a pipe, `/dev/stdout`)
            is written directly.

    Yields:
        The path to write to. It has the suffix of `path`, for writers that go by it.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "lens.yaml")
        ...     write_text(path, "old")
        ...     with suppress(OSError), replacing(path) as temporary:
        ...         raise OSError("the disk is full")
        ...     print(path.read_text(), [file.name for file in Path(folder).iterdir()])
        old ['lens.yaml']
    """
    target = _target(path)
    if target.exists() and not target.is_file():
        yield target
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".aif-{hashlib.md5(target.name.encode(errors='replace')).hexdigest()[:8]}"
    _remove_abandoned(target.parent, prefix)
    temporary = target.with_name(f"{prefix}.{threading.get_native_id()}.tmp{target.suffix[:16]}")
    try:
        yield temporary
        _flush(temporary)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
        _flush(target.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to a file, whole or not at all; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to a file, whole or not at all; see `replacing`.

    Parts of a path that are no UTF-8 are escaped.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def check_writable(path: str | Path, size: int = 0) -> None:
    """Check that a file can be written, before work is done for it. Leaves nothing behind.

    Args:
        path: the file; it is not touched.
        size: bytes that will be needed.

    Raises:
        OSError: it is a folder or write-protected, its folder does not exist or cannot be written
            to, or there is too little free space.
    """
    target = _target(path)
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"cannot write {path}: it is write-protected")
    if target.exists() and not target.is_file():
        return
    if not target.parent.exists():
        folder = Path(path).parent
        raise FileNotFoundError(
            f"cannot write {path}: there is no folder {folder}: make it first, "
            f"mkdir -p {shlex.quote(str(folder))}"
        )
    free = _free_space(target.parent, path)
    if free < size:
        # Tenths of a megabyte, so that little is not nothing.
        needed, left = -(-size // 100_000) / 10, free // 100_000 / 10
        raise OSError(f"cannot write {path}: about {needed} MB are needed, {left} MB are free")


def check_folder(path: str | Path) -> None:
    """Check that files can be written to a folder, which may have to be made; leaves it as it is.

    Raises:
        OSError: it is no folder, or cannot be made or written to.
    """
    with folder_kept_if_used(path):
        _free_space(_target(path), path)


@contextmanager
def folder_kept_if_used(path: str | Path) -> Iterator[None]:
    """Make a folder, and those that it lies in; what is empty after the block is removed again.

    Raises:
        OSError: it is no folder, or cannot be made.
    """
    target = _target(path)
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise type(error)(f"cannot write to {path}: {error.strerror}") from error
        yield
    finally:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def _free_space(folder: Path, path: str | Path) -> int:
    """Bytes free in a folder; OSError if `path` cannot be written there."""
    probe = folder / f".aif-probe.{threading.get_native_id()}"
    try:
        # The only reliable test: permissions do not show read-only file systems.
        probe.touch(exist_ok=True)
        probe.unlink()
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror}") from error


def _target(path: str | Path) -> Path:
    # A link stays a link: what it points to is replaced.
    return Path(os.path.realpath(path))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove temporary files whose process was killed while writing."""
    for file in folder.glob(f"{prefix}.*.tmp*"):
        with suppress(OSError):
            running = Path("/proc", file.name.split(".")[2]).exists()
            if not running and time.time() - file.stat().st_mtime > _ABANDONED:
                file.unlink()
