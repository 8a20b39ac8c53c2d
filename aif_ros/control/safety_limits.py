"""Limits that hold for every agent."""

import numpy as np

from aif_ros.control.agent import Action, Agent, Observation
from aif_ros.control.coverage import Coverage, remaining_defocus
from aif_ros.optics.lens_model import LensModel


class SafetyLimitedAgent:
    """Runs an agent within limits that hold for all of them.

    The lens stays within its limits, and the loop stops, with a reason, when the scene shows
    nothing to focus on, when the lens does not reach its commanded positions, and after too many
    captures. It also adds an estimate of the remaining defocus where the agent gives none.

    Args:
        agent: decides.
        lens_model: of the lens in use.
        max_captures: number of captures after which it stops in any case; None: no limit.

    Raises:
        ValueError: `max_captures` is below 1.

    Example:
        >>> from aif_ros.control.sweep import SweepAgent
        >>> from aif_ros.defocus.defocus_map import DefocusMap
        >>> lens_model = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
        >>> agent = SafetyLimitedAgent(SweepAgent(lens_model), lens_model, max_captures=1)
        >>> cells = np.full((2, 2), 1.0, np.float32)
        >>> blur = DefocusMap(cells, cells, cells, cells, image_size=(640, 480))
        >>> observation = Observation(blur, blur, np.zeros((480, 640), np.float32), position=0.0)
        >>> agent.act(observation).reason
        '1 captures are the limit'
    """

    def __init__(
        self, agent: Agent, lens_model: LensModel, *, max_captures: int | None = 60
    ) -> None:
        if max_captures is not None and max_captures < 1:
            raise ValueError(f"max_captures must be at least 1, got {max_captures}")
        self._agent = agent
        self._lens_model = lens_model
        self._max_captures = max_captures
        self.reset()

    def reset(self) -> None:
        """Discard the state: a new scene begins."""
        self._agent.reset()
        self._captures = 0
        self._commanded: float | None = None
        self._misses = 0
        self._seen = False
        self._coverage = Coverage()

    def act(self, observation: Observation) -> Action:
        """Return the agent's action, or stop."""
        self._captures += 1
        self._coverage.add(observation.position)
        reason = self._reason_to_stop(observation)
        action = self._agent.act(observation) if reason is None else Action(None, None, reason)
        limit = self._max_captures
        if action.position is not None and limit is not None and self._captures >= limit:
            action = Action(None, None, f"{limit} captures are the limit")
        self._commanded = action.position
        if action.position is not None:
            self._commanded = self._lens_model.within_limits(action.position)
        remaining = action.remaining
        if not np.isfinite(remaining):
            remaining = remaining_defocus(observation.fused)
        return Action(self._commanded, action.window, action.reason, remaining)

    def _reason_to_stop(self, observation: Observation) -> str | None:
        reach = self._lens_model.half_depth_of_focus(observation.frame.image_size[0])
        if self._commanded is not None and abs(observation.position - self._commanded) > reach:
            self._misses += 1
        else:
            self._misses = 0
        if self._misses >= 3:
            return (
                f"the lens does not reach its commanded position: it is at "
                f"{observation.position:.6f} m instead of {self._commanded:.6f} m"
            )
        self._seen |= bool(
            np.isfinite(observation.frame.radius).any()
            or np.isfinite(observation.fused.radius).any()
        )
        low, high = self._lens_model.limits
        if not self._seen and self._captures >= 3 and self._coverage.span() > (high - low) / 2:
            return "nothing to focus on: no texture at any lens position"
        return None
