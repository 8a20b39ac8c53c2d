"""Options of the trainings that are not part of a recipe, or replace values of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.settings import nodes
from aif_ros.settings.declaration import Limits

Output = Annotated[str, tyro.conf.arg(metavar="FILE"), Doc("Weights to write.")]
Folder = Annotated[str, tyro.conf.arg(metavar="DIR"), Doc("Folder for checkpoint and TensorBoard.")]
RecipeFile = Annotated[
    str, tyro.conf.arg(metavar="FILE"), Doc("Recipe in YAML, or the name of a shipped one.")
]


@dataclass(frozen=True)
class RunOptions:
    """Options of every training."""

    recipe: RecipeFile = ""
    output: Output = ""
    folder: Folder = ""
    resume: Annotated[bool, Doc("Continue from the checkpoint in the folder.")] = False
    threads: Annotated[int, Limits(1, 256), Doc("CPU threads of the training itself.")] = 1
    seed: Annotated[int | None, Limits(0, 2**31 - 1), Doc("Seed, in place of the recipe's.")] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """Values that replace those of the recipe, by name; None: not replaced."""
        return {"seed": self.seed}

    def run_arguments(self) -> dict[str, Any]:
        """Return the arguments of a training that are no part of its recipe."""
        return {
            "output": Path(self.output),
            "folder": Path(self.folder),
            "resume": self.resume,
            "threads": self.threads,
        }

    def command(self, kind: str, data: str) -> str:
        """Return the command for the model card: without paths that mean nothing elsewhere."""
        changed = [
            f" --{name} {value}" for name, value in self.overrides.items() if value is not None
        ]
        return f"aif train {kind} --recipe {Path(self.recipe).name} {data}{''.join(changed)}"


@dataclass(frozen=True)
class SampleOptions(RunOptions):
    """Options of the trainings that learn from samples."""

    device: nodes.TrainingDevice = "auto"
    workers: Annotated[int, Limits(0, 256), Doc("Processes that make samples.")] = 1
    steps: Annotated[
        int | None, Limits(1, 10**8), Doc("Number of steps, in place of the recipe's.")
    ] = None
    batch: Annotated[
        int | None, Limits(1, 4096), Doc("Samples per step, in place of the recipe's.")
    ] = None

    @property
    def overrides(self) -> dict[str, Any]:
        """Values that replace those of the recipe; None: they do not."""
        return {"seed": self.seed, "steps": self.steps, "batch": self.batch}

    def run_arguments(self) -> dict[str, Any]:
        """Return the arguments of a training that are no part of its recipe."""
        return super().run_arguments() | {"workers": self.workers, "device": self.device}


def print_figures(figures: dict[str, float]) -> None:
    """Print figures, one a line."""
    for name, value in figures.items():
        print(f"{name:28} {value:9.3f}")
