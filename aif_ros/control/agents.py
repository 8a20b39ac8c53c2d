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
from aif_ros.weights import is_weight_file


def _learned(
    lens_model: LensModel, *, dynamic: bool = False, device: str = "cpu", path: str | None = None
) -> Agent:
    # torch is imported only if it is used: it takes seconds and 200 MB.
    from aif_ros.control.learned import LearnedAgent

    return LearnedAgent(lens_model, dynamic=dynamic, network=path, device=device)


def _paper(lens_model: LensModel, *, dynamic: bool = False, device: str = "cpu") -> Agent:
    from aif_ros.control.learned import PaperAgent

    return PaperAgent(lens_model, dynamic=dynamic, device=device)


AGENTS: dict[str, Callable[[LensModel], Agent]] = {
    "sweep": SweepAgent,
    "rule_based": RuleBasedAgent,
    "planner": PlannerAgent,
    "learned": _learned,
    "paper": _paper,
}
"""Agents for still scenes by name; described in their classes."""

_MOVING: dict[str, Callable[[LensModel], Agent]] = {
    # In a moving scene every capture costs: meanwhile J ages, and what is out of focus
    # in the new frame may displace sharper parts of J: rare depths do not justify that.
    "planner": partial(PlannerAgent, settings=PlannerSettings(capture_cost=0.1)),
}
"""Agents that are set up differently for moving scenes."""


_NETWORKS: dict[str, Callable[..., Agent]] = {"learned": _learned, "paper": _paper}
"""Agents with a network."""


def make_agent(
    name: str,
    lens_model: LensModel,
    *,
    dynamic: bool = False,
    max_captures: int = 60,
    device: str = "cpu",
) -> Agent:
    """Make the agent of that name, held within the safety limits.

    Args:
        name: one of `AGENTS`, or a weight file (`*.safetensors`) of the policy network.
        lens_model: of the lens in use.
        dynamic: whether the scene may move: the agent then never stops.
        max_captures: in a still scene, captures after which it stops in any case.
        device: that computes the networks: auto, cpu, cuda or onnxruntime.

    Raises:
        ValueError: there is no agent of that name.
        OSError: the weights of a learned agent cannot be read.
    """
    agent: Agent
    if is_weight_file(name):
        agent = _learned(lens_model, dynamic=dynamic, device=device, path=name)
    elif name not in AGENTS:
        raise ValueError(
            f"there is no agent '{name}': choose from {', '.join(AGENTS)}, or name a .safetensors "
            "file"
        )
    elif name in _NETWORKS:
        agent = _NETWORKS[name](lens_model, dynamic=dynamic, device=device)
    else:
        agent = (_MOVING if dynamic else AGENTS).get(name, AGENTS[name])(lens_model)
    if not dynamic:
        return SafetyLimitedAgent(agent, lens_model, max_captures=max_captures)
    return ContinuousAgent(SafetyLimitedAgent(agent, lens_model, max_captures=None))
