"""Command line of aif_ros: an all-in-focus camera from any camera with motorised focus.

Examples:
  aif demo                          run the whole loop on a photographed scene, write a report
  aif run --agent sweep             the closed loop on a simulated camera, without ROS
  aif stack photos/ -o sharp.png    fuse a focal stack from disk
  aif benchmark loop                measure speed and quality on this computer
"""

import ast
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aif_ros import __version__
from aif_ros.process.interrupts import raising_interrupts
from aif_ros.process.memory import keep_freed_memory
from aif_ros.storage.error_text import one_line
from aif_ros.types.extras import install

_COMMANDS = "aif_ros.cli"
_HELP = ("-h", "--help")

_EXTRAS: Mapping[str, str] = {
    "torch": "neural",
    "safetensors": "neural",
    "pydantic": "neural",
    "rclpy": "ros",
    "ament_index_python": "ros",
    "fastapi": "view",
    "starlette": "view",
    "uvicorn": "view",
    "websockets": "view",
    "rosbags": "bag",
    "mcap": "bag",
    "gymnasium": "train",
    "pytorch_optimizer": "train",
    "tensorboard": "train",
}
"""Packages that only some installations have, and the extra that installs them."""

_ROS_INTERFACES = ("_msgs", "_srvs", "_interfaces")
"""Endings of the names of ROS packages of messages and services."""


@dataclass(frozen=True)
class Command:
    """What the words of a command line name.

    Attributes:
        module: name of the command's module, or of a group's package.
        prog: the words, for help and messages.
        docstring: of the module.
        words: what follows.
    """

    module: str
    prog: str
    docstring: str
    words: tuple[str, ...]

    @property
    def is_group(self) -> bool:
        """Whether another word must follow."""
        return bool(list_commands(self.module))


def list_commands(package: str = _COMMANDS) -> dict[str, str]:
    """Return the commands of a group and their docstrings, without importing them."""
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    found = {}
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("_"):
            path = folder / module.name
            source = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
            docstring = ast.get_docstring(ast.parse(source.read_bytes())) or ""
            found[module.name.replace("_", "-")] = docstring
    return found


def find_command(words: Sequence[str]) -> Command:
    """Return the command that the first words name; a group where they name no more."""
    command = Command(_COMMANDS, "aif", __doc__ or "", tuple(words))
    while command.words:
        name, *rest = command.words
        known = list_commands(command.module)
        if name not in known:
            break
        module = f"{command.module}.{name.replace('-', '_')}"
        command = Command(module, f"{command.prog} {name}", known[name], tuple(rest))
    return command


def _run(command: Command) -> int:
    from aif_ros.cli import check_json
    from aif_ros.cli._parsing import UsageError, parse

    if not command.is_group:
        module = importlib.import_module(command.module)
        arguments = parse(module.Arguments, command.words, command.prog, command.docstring)
        check_json(getattr(arguments, "json", None))
        return int(module.run(arguments))
    word = next(iter(command.words), "")
    if word in _HELP:
        print(_group_help(command))
        return 0
    if word == "--version" and command.module == _COMMANDS:
        print(f"aif_ros {__version__}")
        return 0
    problem = f"there is no command '{word}'" if word else "a command is missing"
    raise UsageError(f"{problem}: choose from {', '.join(list_commands(command.module))}")


def _group_help(command: Command) -> str:
    known = list_commands(command.module)
    width = max(map(len, known))
    lines = [f"  {name:{width}}  {text.splitlines()[0]}" for name, text in known.items()]
    return "\n".join(
        [
            f"usage: {command.prog} [-h] COMMAND [OPTIONS]\n",
            f"{command.docstring.strip()}\n",
            "commands:",
            *lines,
            f"\n{command.prog} COMMAND --help describes a command and its options.",
        ]
    )


def _error_line(error: Exception) -> str | None:
    """Return the message of an error that needs no traceback; None: it is a defect."""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package == "tyro":
            return "the command line needs the package tyro: pip install tyro"
        extra = "ros" if package.endswith(_ROS_INTERFACES) else _EXTRAS.get(package)
        if extra is not None:
            return f"{package} is not installed: {install(extra)}"
        return None
    if isinstance(error, OSError):
        if not error.strerror:
            return str(error)
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return f"not enough memory: {one_line(error)}"
    own = any(each.__module__.startswith("aif_ros.") for each in type(error).__mro__)
    return str(error) if own else None


def _was_interrupted(error: BaseException) -> bool:
    """Whether an interrupt led to the error: some modules replace it while they are imported."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; default: those of this process, whose interrupts
            (Ctrl-C, SIGTERM, SIGHUP, SIGQUIT) then end the command early.

    Returns:
        The exit code: 0 done or interrupted, 1 as the command says, 2 not possible as asked, with
        one line on standard error that says why.
    """
    if arguments is not None:
        return _main(arguments)
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without UTF-8 shows what it can of a path.
            stream.reconfigure(errors="backslashreplace")
    try:
        with raising_interrupts():
            return _main(sys.argv[1:])
    except KeyboardInterrupt:
        return 0


def _main(arguments: Sequence[str]) -> int:
    command = find_command(arguments)
    try:
        return _run(command)
    except KeyboardInterrupt:
        return 0
    except SystemExit as exit_:  # help has been printed
        return int(exit_.code or 0)
    except BrokenPipeError:
        # The reader of the output (`| head`) has ended: keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if _was_interrupted(error):
            return 0
        message = _error_line(error)
        if message is None:
            raise
        print(f"{command.prog}: error: {message}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
