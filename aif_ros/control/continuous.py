"""Continuous focus control for moving scenes."""

from aif_ros.control.agent import Action, Agent, Observation


class ContinuousAgent:
    """Runs an agent for still scenes on a moving one.

    When it stops, the lens stays for one frame; then the agent is reset and starts again, which
    detects what has moved since.

    Args:
        agent: decides.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def reset(self) -> None:
        """Discard the state: a new scene begins."""
        self._agent.reset()

    def act(self, observation: Observation) -> Action:
        """Return the agent's action; where it stops, stay for one frame."""
        action = self._agent.act(observation)
        if action.position is not None:
            return action
        self._agent.reset()
        reason = f"waiting: {action.reason}"
        return Action(observation.position, None, reason, action.remaining)
