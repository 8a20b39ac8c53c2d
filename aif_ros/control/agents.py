"""The focus-control agents by name."""

from collections.abc import Callable

from aif_ros.control.agent import Agent
from aif_ros.control.guard import GuardedAgent
from aif_ros.control.planner import PlannerAgent
from aif_ros.control.rule_based import RuleBasedAgent
from aif_ros.control.sweep import SweepAgent
from aif_ros.optics.lens_model import LensModel

AGENTS: dict[str, Callable[[LensModel], Agent]] = {
    "sweep": SweepAgent,
    "rule_based": RuleBasedAgent,
    "planner": PlannerAgent,
}
"""What each name stands for; descriptions in the classes."""


def make_agent(name: str, lens_model: LensModel, *, max_captures: int = 60) -> Agent:
    """Make the agent of that name, held within bounds.

    Raises:
        ValueError: there is no agent of that name.
    """
    if name not in AGENTS:
        raise ValueError(f"there is no agent '{name}': choose from {', '.join(AGENTS)}")
    return GuardedAgent(AGENTS[name](lens_model), lens_model, max_captures=max_captures)
