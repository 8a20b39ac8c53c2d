"""The training of a network with two weights, which takes no time."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from aif_ros.training.blur_data import BlurRecipe
from aif_ros.training.card import About
from aif_ros.training.recipe import load_recipe
from aif_ros.training.trainer import Training
from aif_ros.weights.files import NetworkKind


@dataclass(frozen=True)
class Architecture:
    inputs: int = 2


class Network(nn.Module):
    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.line = nn.Linear(architecture.inputs, 1, bias=False)


KIND = NetworkKind("toy", 1, Architecture, Network)


class ToyTraining(Training[Network]):
    """Fits a line to y = 2 a - b, drawn at random in each step."""

    kind = KIND
    about = About("Toy", "fits a line.", "Drawn.", "Errors.", "aif benchmark toy", ("None.",))
    optimiser_name = "SGD, PyTorch"
    inputs = 2

    def __init__(self, files=(), **changes):
        self.recipe = load_recipe(
            BlurRecipe, "blur.yaml", {"steps": 6, "validate_every": 2, "seed": 3}
        )
        self.recipe = replace(self.recipe, **changes)
        self.files = files
        self.drawn, self.rates, self.modes = [], [], []
        self.begun = None
        self.figures = {"error": 0.25}

    def build(self):
        return Network(Architecture(self.inputs))

    def optimiser(self, network):
        return torch.optim.SGD(network.parameters(), 1.0)

    def learning_rate(self, step):
        return 0.1 / (1 + step)

    def begin(self, first, processes, workers):
        self.begun = first, workers

    def update(self, step):
        self.modes.append(step.network.training)
        self.rates.append(step.optimiser.param_groups[0]["lr"])
        values = torch.rand(8, 2)
        self.drawn.append((step.number, float(values[0, 0]), float(step.random.random())))
        error = step.network.line(values)[:, 0] - (2 * values[:, 0] - values[:, 1])
        return {"loss": step.descend(self.scale(step.number) * error.square().mean())}

    def scale(self, number):
        return 1.0

    def validate(self, network):
        self.modes.append(network.training)
        return dict(self.figures)
