"""Model cards: what a weight file is, what it was trained on and how, and how well it performs.

All of a card is generated from the run; nothing in it is edited by hand.
"""

import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import aif_ros
from aif_ros.storage.atomic_write import write_text
from aif_ros.storage.read_yaml import YamlError, read_yaml
from aif_ros.training.checkpoint import Progress

_LICENCES = "licences.yaml"
_NOT_STATED = "not stated"
_LEVELS = 4
"""Folders above a file in which licences are looked for: data, kind, scene, rgb."""
_INSIDE_SCENES = {"rgb", "depth"}
_PACKAGES = ("torch", "pytorch-optimizer", "numpy", "scipy", "opencv-python-headless")


@dataclass(frozen=True)
class DataSet:
    """Files that were trained on.

    Attributes:
        name: of the set.
        files: number of them.
        sha256: of all of them, in the order of their names.
        licence: as stated beside them.
    """

    name: str
    files: int
    sha256: str
    licence: str


@dataclass(frozen=True)
class About:
    """Parts of a card that depend on the kind of network only.

    Attributes:
        title: of the card.
        summary: a sentence on what it takes and gives.
        data: how samples are made of the data.
        figures: what the figures mean, their unit and what they were measured on.
        benchmark: command that measures the network.
        limits: a sentence each.
    """

    title: str
    summary: str
    data: str
    figures: str
    benchmark: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class TrainingRun:
    """Parts of a card that depend on the run.

    Attributes:
        command: that trained the network.
        commits: of the source code that it ran at: several, in their order, where it was resumed
            after a change; "": not run from a checkout.
        recipe: values of the recipe.
        initial_sha256: of the weights that it started from; "": from scratch.
        data: that was trained on.
        figures: by name.
        processes: that trained together.
        device: on which.
        progress: what it took.
        optimiser: with its source and library.
    """

    command: str
    commits: tuple[str, ...]
    recipe: Mapping[str, Any]
    initial_sha256: str
    data: Sequence[DataSet]
    figures: Mapping[str, float]
    processes: int
    device: str
    progress: Progress
    optimiser: str

    @property
    def commit(self) -> str:
        """All commits in one line; "": unknown."""
        if not any(self.commits):
            return ""
        return ", ".join(commit or "unknown" for commit in self.commits)


def write_card(
    path: Path, kind: str, about: About, run: TrainingRun, parameters: int, architecture: object
) -> None:
    """Write a card as Markdown, whole or not at all.

    Args:
        path: of the card.
        kind: of the network, as in `aif train KIND`.
        about: of the kind.
        run: that trained it.
        parameters: number of them.
        architecture: of the network.

    Raises:
        OSError: the file cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    versions = {"aif_ros": aif_ros.__version__, "Python": platform.python_version()}
    text = environment.get_template("card.md.jinja").render(
        kind=kind,
        title=about.title,
        summary=about.summary,
        parameters=f"{parameters:,}",
        architecture=_shortened(repr(architecture)),
        date=datetime.now(UTC).date().isoformat(),
        command=run.command,
        commit=run.commit or "unknown: not run from a checkout",
        resumed=len(run.commits) > 1,
        versions=versions | {name: _version(name) for name in _PACKAGES},
        optimiser=run.optimiser,
        processes=run.processes,
        device=run.device,
        minutes=run.progress.seconds / 60,
        cpu_minutes=run.progress.cpu_seconds / 60,
        initial=run.initial_sha256,
        recipe=yaml.safe_dump(_plain(run.recipe), sort_keys=False, width=100).rstrip(),
        data_summary=about.data,
        data=run.data,
        figures_summary=about.figures,
        figures=run.figures,
        benchmark=about.benchmark,
        limits=about.limits,
    )
    write_text(path, text)


def describe_data(files: Sequence[Path]) -> list[DataSet]:
    """Group files by the sets they belong to, with checksum and licence of each.

    The set is what stands before the first underscore of a file's name, as in `cid22_1.jpg`, else
    the name of its folder (of the scene, for `SCENE/rgb/0.jpg`). Its licence is read from the
    nearest `licences.yaml` in the folders above it, by the set's name.

    Raises:
        OSError: a file cannot be read.
        YamlError: a `licences.yaml` cannot be used.
    """
    groups: dict[str, list[Path]] = {}
    for path in sorted(files):
        groups.setdefault(_set_of(path), []).append(path)
    sets = []
    for name, paths in sorted(groups.items()):
        digest = hashlib.sha256()
        for path in paths:
            digest.update(path.read_bytes())
        sets.append(DataSet(name, len(paths), digest.hexdigest(), _licence(name, paths[0])))
    return sets


def _set_of(path: Path) -> str:
    if "_" in path.name:
        return path.name.partition("_")[0]
    return path.parent.parent.name if path.parent.name in _INSIDE_SCENES else path.parent.name


def _licence(name: str, path: Path) -> str:
    """Licence of a set one of whose files is `path`."""
    for folder in path.absolute().parents[:_LEVELS]:
        file = folder / _LICENCES
        if file.is_file():
            licences = read_yaml(file)
            if not isinstance(licences, dict):
                raise YamlError(f"{file} must be a mapping of sets to licences")
            return str(licences.get(name, _NOT_STATED))
    return _NOT_STATED


def source_commit() -> str:
    """Return the commit of the source code, with "+" where it has been changed; "" if unknown."""
    folder = Path(aif_ros.__file__).resolve().parent
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (
                ("rev-parse", "--short=12", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no", "."),
            )
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit + ("+" if changes else "")


def _plain(values: Any) -> Any:
    """Return values as YAML has them: lists for tuples."""
    if isinstance(values, Mapping):
        return {name: _plain(value) for name, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, tuple | list) else values


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _shortened(text: str) -> str:
    return text if len(text) <= 160 else text[:80] + " ... " + text[-75:]
