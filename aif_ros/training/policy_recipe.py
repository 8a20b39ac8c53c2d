"""The recipe of the focus-control policies."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from aif_ros.training.recipe import Recipe
from aif_ros.types.checked import CHECKED

_Count = Annotated[int, Field(ge=1, le=10**7)]
_Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class PolicyRecipe(Recipe):
    """Recipe of the policies; lens, estimator and real focus maps are no part of it.

    A step is one rollout in freshly drawn scenes and the updates made from it: first steps by the
    paper's rule (REINFORCE), then steps of PPO, whose parameters are named as in cleanrl.

    Attributes:
        reinforce_iterations: steps by the paper's rule, before those of PPO.
        num_envs: scenes at once; of each scene type.
        num_steps: frames of each scene in a step of PPO.
        reinforce_steps: frames of an episode under the paper's rule.
        scene_types: for which PPO trains policies.
        widths: image widths, pixels; each step draws one, for the depth of focus depends on it.
        grids: (rows, columns) of the defocus maps; each step draws one.
        lens_speeds: metres per second; each step draws one. With the fastest, no frame exposed
            during a move can be used.
        reinforce_gamma: discount under the paper's rule.
        gamma: discount of a frame in still scenes; of a frame period in moving ones, so that long
            moves do not bring the future nearer.
        gae_lambda: of the generalised advantage estimate.
        clip_coef: largest change of an action's probability ratio.
        update_epochs: passes over the frames of a step.
        num_minibatches: parts they are split into.
        ent_coef: weight of the entropy bonus at first; falls with the learning rate.
        vf_coef: weight of the value's error.
        reward_scale: factor on rewards that makes returns about one: larger errors of the value
            drown the gradient of the policy.
        validation_scenes: of each scene type, to measure on during the training.
        evaluation_scenes: of each scene type, to measure the trained policies on.
    """

    reinforce_iterations: Annotated[int, Field(ge=0, le=10**7)]
    num_envs: _Count
    num_steps: _Count
    reinforce_steps: _Count
    scene_types: Annotated[tuple[Literal["still", "moving"], ...], Field(min_length=1)]
    widths: Annotated[tuple[Annotated[int, Field(ge=64, le=8192)], ...], Field(min_length=1)]
    grids: Annotated[
        tuple[tuple[Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)]], ...],
        Field(min_length=1),
    ]
    lens_speeds: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
    reinforce_gamma: _Share
    gamma: tuple[_Share, _Share]
    gae_lambda: _Share
    clip_coef: Annotated[float, Field(gt=0, lt=1)]
    update_epochs: _Count
    num_minibatches: _Count
    ent_coef: Annotated[float, Field(ge=0)]
    vf_coef: Annotated[float, Field(ge=0)]
    reward_scale: Annotated[float, Field(gt=0)]
    validation_scenes: Annotated[int, Field(ge=1, le=10**5)]
    evaluation_scenes: Annotated[int, Field(ge=1, le=10**5)]

    def __post_init__(self) -> None:
        if self.reinforce_iterations > self.steps:
            raise ValueError("reinforce_iterations must be at most steps")
