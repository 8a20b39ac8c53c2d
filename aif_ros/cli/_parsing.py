"""Reads the words of a command line into the typed arguments of a command."""

import contextlib
import dataclasses
import io
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import tyro

from aif_ros.settings.declaration import Setting, SettingError, check, declared

T = TypeVar("T")

_OPTIONS = (
    tyro.conf.DisallowNone,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.OmitArgPrefixes,
)


class UsageError(Exception):
    """The words are not what the command takes; the message says why."""


def parse(arguments: type[T], words: Sequence[str], prog: str, description: str) -> T:
    """Return the arguments of a command.

    Args:
        arguments: dataclass of the arguments.
        words: after the command's name.
        prog: the command's name, for messages.
        description: shown above the options by `--help`.

    Raises:
        UsageError: the words are not what it takes.
        SystemExit: help was asked for and has been printed.
    """
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            parsed = tyro.cli(
                _with_help(arguments),
                args=list(words),
                prog=prog,
                description=description,
                config=_OPTIONS,
            )
        check(parsed)
    except SystemExit as exit_:
        if exit_.code:
            raise UsageError(_one_line(output.getvalue())) from None
        raise
    except SettingError as error:
        name, _, problem = str(error).partition(" ")
        # A field whose option is a keyword of Python ends in an underscore.
        raise UsageError(f"--{name.rstrip('_').replace('_', '-')} {problem}") from None
    sys.stderr.write(output.getvalue())
    return parsed


def _with_help(arguments: type[T]) -> type[T]:
    """Return the class with help texts and placeholders for tyro, made from its declarations."""
    hints = get_type_hints(arguments, include_extras=True)
    kind: type = arguments
    fields = {field.name: field for field in dataclasses.fields(kind)}
    annotated = []
    for setting in declared(arguments):
        hint = hints[setting.name]
        metadata = getattr(hint, "__metadata__", ())
        # What a command says itself comes last and counts.
        help_ = tyro.conf.arg(
            help=_help(setting),
            metavar=_placeholder(setting),
            help_behavior_hint=_hint if _is_empty(setting) else None,
        )
        hint = Annotated[(getattr(hint, "__origin__", hint), help_, *metadata)]
        annotated.append((setting.name, hint, _copy(fields[setting.name])))
    made: type[T] = dataclasses.make_dataclass(
        arguments.__name__, annotated, bases=(arguments,), frozen=True, kw_only=True
    )
    return made


def _is_empty(setting: Setting) -> bool:
    """Whether nothing stands for a setting by default: tuples may be empty without a default."""
    if setting.default is dataclasses.MISSING:
        return get_origin(setting.kind) is tuple
    return not setting.default


def _hint(default: str) -> str:
    """Return what stands behind the help of an option that is empty or off by default."""
    return "" if default in ("None", "", "False", "''") else f"(default: {default})"


def _copy(field: "dataclasses.Field[Any]") -> Any:
    if field.default is dataclasses.MISSING:
        return dataclasses.field()
    return dataclasses.field(default=field.default)


def _help(setting: Setting) -> str:
    if setting.limits is None:
        return setting.description
    return f"{setting.description} {setting.limits}."


def _placeholder(setting: Setting) -> str | None:
    if setting.choices is None:
        return None
    if setting.choices.or_address:
        return "BACKEND[:ADDRESS]"
    names = "{" + ",".join(setting.choices.names) + "}"
    return f"{names}|FILE" if setting.choices.or_weights else names


def _one_line(message: str) -> str:
    """Return the first paragraph of a message in a frame, on one line."""
    lines = [line.strip("╭╮╰╯│ ") for line in message.splitlines()]
    # Without UTF-8 the frame is made of hyphens, and the title has a line below it.
    rules = [not line.strip("─- ") for line in lines]
    start = 2 if rules[1:2] == [True] else 1
    paragraph: list[str] = []
    for line, is_rule in zip(lines[start:], rules[start:], strict=True):
        if is_rule:
            break
        paragraph.append(line)
    text = " ".join(" ".join(paragraph).split())
    # tyro names what is missing together with its help text.
    missing = re.match(r"Missing from [^:]*: (.*)", text)
    if missing is None:
        return text
    options = re.findall(r"--[a-z-]+(?: [A-Z|]+)?", missing[1]) or missing[1].split()[:1]
    return f"{options[0]} is missing: see --help"
