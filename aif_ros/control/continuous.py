"""Control that goes on: for scenes that move."""

from aif_ros.control.agent import Action, Agent, Observation


class ContinuousAgent:
    """Lets an agent for still scenes serve a moving one.

    When it stops, the lens waits where it is for one frame; then the agent begins anew, knowing
    nothing, and so finds what has moved since.

    Args:
        agent: decides.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def reset(self) -> None:
        """Forget everything: a new scene begins."""
        self._agent.reset()

    def act(self, observation: Observation) -> Action:
        """Decide as the agent does; wait where it would stop."""
        action = self._agent.act(observation)
        if action.position is not None:
            return action
        self._agent.reset()
        return Action(observation.position, None, f"waiting: {action.reason}")
