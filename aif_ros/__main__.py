"""Command line of aif_ros: an all-in-focus camera from any camera with motorised focus.

Examples:
  aif demo                          run the whole loop on a photographed scene, write a report
  aif run --agent sweep             the closed loop on a simulated camera, without ROS
  aif stack photos/ -o sharp.png    fuse a focal stack from disk
  aif benchmark loop                how fast all this is here
  aif COMMAND --help                what a command does and what it can be told
"""

import argparse
import ast
import importlib
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aif_ros import __version__

_COMMANDS = "aif_ros.cli"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the layout of the text, and names and summaries of commands on one line."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            # argparse makes the column of names too narrow by the indent of the names.
            self._action_max_length += self._indent_increment


def _split_docstring(docstring: str) -> tuple[str, str]:
    summary, _, rest = docstring.partition("\n")
    return summary, rest.strip("\n")


def _find_commands(package: str) -> dict[str, str]:
    """Names of the commands in `package` and the docstring of each, without importing them."""
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    found = {}
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("_"):
            path = folder / module.name
            source = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
            found[module.name] = ast.get_docstring(ast.parse(source.read_text())) or ""
    return found


def _build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Parser that knows all names, and the arguments of the one command that is asked for."""
    parser = argparse.ArgumentParser(prog="aif", description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--version", action="version", version=f"aif_ros {__version__}")
    words = [word for word in arguments if not word.startswith("-")]
    _add_commands(parser, _COMMANDS, words)
    return parser


def _add_commands(parser: argparse.ArgumentParser, package: str, words: Sequence[str]) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, docstring in _find_commands(package).items():
        summary, details = _split_docstring(docstring)
        command = commands.add_parser(
            name.replace("_", "-"),
            help=summary.rstrip("."),
            description=f"{summary}\n\n{details}".strip(),
            formatter_class=_Formatter,
        )
        if not words or words[0] != name.replace("_", "-"):
            continue
        module = importlib.import_module(f"{package}.{name}")
        if hasattr(module, "run"):
            module.add_arguments(command)
            command.set_defaults(run=module.run)
        else:
            _add_commands(command, module.__name__, words[1:])


def _is_for_people(error: BaseException) -> bool:
    """Whether the error says what the user can do about it, so that no traceback is needed."""
    classes = type(error).__mro__
    return OSError in classes or any(c.__module__.startswith("aif_ros.") for c in classes)


@contextmanager
def _no_interrupt_lost() -> Iterator[None]:
    """Let an interrupt that strikes within a destructor, where Python drops it, strike again."""
    usual = sys.unraisablehook

    def strike_again(unraisable: "sys.UnraisableHookArgs") -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # A little later: at once it would strike in here, and be dropped again.
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM)).start()
        else:
            usual(unraisable)

    sys.unraisablehook = strike_again
    try:
        yield
    finally:
        sys.unraisablehook = usual


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; default those it was started with.

    Returns:
        The exit code: 0 done or interrupted by Ctrl-C or SIGTERM, 1 as the command says, 2 not
        possible as asked, with one line on standard error that says why.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    name = "aif"
    try:
        # SIGTERM ends a command the way Ctrl-C does: it keeps what it has and cleans up.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        args = _build_parser(arguments).parse_args(arguments)
        name = args.run.__module__.removeprefix(_COMMANDS + ".").replace(".", " ")
        with _no_interrupt_lost():
            return int(args.run(args))
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Whoever read our output (`| head`) has gone: keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _is_for_people(error):
            raise
        message = str(error)
        if isinstance(error, OSError) and error.strerror:
            message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        print(f"aif {name}: error: {message}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
