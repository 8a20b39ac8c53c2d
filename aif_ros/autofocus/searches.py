"""The autofocus searches one can choose from by name."""

from collections.abc import Callable, Mapping

from aif_ros.autofocus.fibonacci import FibonacciSearch
from aif_ros.autofocus.rule_based import RuleBasedSearch
from aif_ros.autofocus.search import FocusSearch
from aif_ros.autofocus.sweep import SweepSearch
from aif_ros.optics.lens_model import LensModel

SEARCHES: Mapping[str, Callable[[LensModel], FocusSearch]] = {
    "rule_based": RuleBasedSearch,
    "fibonacci": FibonacciSearch,
    "sweep": SweepSearch,
}
"""Makers by name."""


def make_search(name: str, lens_model: LensModel) -> FocusSearch:
    """Return a new search for that lens.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SEARCHES:
        raise ValueError(f"there is no search '{name}': choose from {', '.join(SEARCHES)}")
    return SEARCHES[name](lens_model)
