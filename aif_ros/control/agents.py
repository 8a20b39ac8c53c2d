"""The focus-control agents by name."""

from collections.abc import Callable
from functools import partial

from aif_ros.control.agent import Agent
from aif_ros.control.continuous import ContinuousAgent
from aif_ros.control.planner import PlannerAgent, PlannerSettings
from aif_ros.control.rule_based import RuleBasedAgent
from aif_ros.control.safety_limits import SafetyLimitedAgent
from aif_ros.control.sweep import SweepAgent
from aif_ros.optics.lens_model import LensModel


def _learned(lens_model: LensModel, *, dynamic: bool = False) -> Agent:
    # torch is imported only if it is used: it takes seconds and 200 MB.
    from aif_ros.control.learned import LearnedAgent

    return LearnedAgent(lens_model, dynamic=dynamic)


def _paper(lens_model: LensModel, *, dynamic: bool = False) -> Agent:
    from aif_ros.control.learned import PaperAgent

    return PaperAgent(lens_model, dynamic=dynamic)


AGENTS: dict[str, Callable[[LensModel], Agent]] = {
    "sweep": SweepAgent,
    "rule_based": RuleBasedAgent,
    "planner": PlannerAgent,
    "learned": _learned,
    "paper": _paper,
}
"""Agents for still scenes by name; described in their classes."""

_MOVING: dict[str, Callable[[LensModel], Agent]] = {
    # In a moving scene every capture costs: meanwhile J grows stale, and what is out of focus
    # in the new frame may displace sharper parts of J. Rare depths are not worth that.
    "planner": partial(PlannerAgent, settings=PlannerSettings(price=0.1)),
    "learned": partial(_learned, dynamic=True),
    "paper": partial(_paper, dynamic=True),
}
"""Agents that are set up differently for moving scenes."""


def make_agent(
    name: str, lens_model: LensModel, *, dynamic: bool = False, max_captures: int = 60
) -> Agent:
    """Make the agent of that name, held within the safety limits.

    Args:
        name: one of `AGENTS`.
        lens_model: of the lens in use.
        dynamic: whether the scene may move: the agent then never stops.
        max_captures: in a still scene, captures after which it stops in any case.

    Raises:
        ValueError: there is no agent of that name.
        OSError: the weights of a learned agent cannot be read.
    """
    if name not in AGENTS:
        raise ValueError(f"there is no agent '{name}': choose from {', '.join(AGENTS)}")
    if not dynamic:
        return SafetyLimitedAgent(AGENTS[name](lens_model), lens_model, max_captures=max_captures)
    agent = _MOVING.get(name, AGENTS[name])(lens_model)
    return ContinuousAgent(SafetyLimitedAgent(agent, lens_model, max_captures=None))
