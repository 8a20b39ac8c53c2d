"""The autofocus searches one can choose from by name."""

from collections.abc import Callable, Mapping

from aif_ros.autofocus.fibonacci import FibonacciSearch
from aif_ros.autofocus.rule_based import RuleBasedSearch
from aif_ros.autofocus.search import FocusSearch
from aif_ros.autofocus.sweep import SweepSearch
from aif_ros.optics.lens_model import LensModel


def _neural(lens_model: LensModel) -> FocusSearch:
    from aif_ros.autofocus.neural_search import NeuralSearch

    return NeuralSearch(lens_model)


SEARCHES: Mapping[str, Callable[[LensModel], FocusSearch]] = {
    "neural": _neural,
    "rule_based": RuleBasedSearch,
    "fibonacci": FibonacciSearch,
    "sweep": SweepSearch,
}
"""Makers by name; torch is imported only when the neural one is made."""


def make_search(name: str, lens_model: LensModel) -> FocusSearch:
    """Return a new search for that lens.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SEARCHES:
        raise ValueError(f"there is no search '{name}': choose from {', '.join(SEARCHES)}")
    return SEARCHES[name](lens_model)
