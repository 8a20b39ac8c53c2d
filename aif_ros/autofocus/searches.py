"""The autofocus searches by name."""

from collections.abc import Callable, Mapping

from aif_ros.autofocus.fibonacci import FibonacciSearch
from aif_ros.autofocus.rule_based import RuleBasedSearch
from aif_ros.autofocus.search import FocusSearch
from aif_ros.autofocus.sweep import SweepSearch
from aif_ros.defocus.estimators import neural_estimator
from aif_ros.optics.lens_model import LensModel


def _neural(lens_model: LensModel, device: str) -> FocusSearch:
    from aif_ros.autofocus.neural_search import NeuralSearch

    return NeuralSearch(lens_model, neural_estimator(lens_model, device))


SEARCHES: Mapping[str, Callable[[LensModel, str], FocusSearch]] = {
    "neural": _neural,
    "rule_based": lambda lens_model, device: RuleBasedSearch(lens_model),
    "fibonacci": lambda lens_model, device: FibonacciSearch(lens_model),
    "sweep": lambda lens_model, device: SweepSearch(lens_model),
}
"""Makers by name; torch is imported only when the neural one is made."""


def make_search(name: str, lens_model: LensModel, device: str = "cpu") -> FocusSearch:
    """Return a new search for that lens.

    Args:
        name: one of `SEARCHES`.
        lens_model: of the lens in use.
        device: that computes the networks: auto, cpu, cuda or onnxruntime.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SEARCHES:
        raise ValueError(f"there is no search '{name}': choose from {', '.join(SEARCHES)}")
    return SEARCHES[name](lens_model, device)
