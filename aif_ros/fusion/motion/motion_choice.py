"""The simplest motion that explains a stack.

Undoing motion that did not occur costs more sharpness than missing a small one. So slices count
as still, unless the blocks of the images agree that they moved. What they agree on best is added
first: shift, magnification (focus breathing) or rotation; shear only where it is clear.

Motors move uniformly: a drift or a breathing that is the same from each slice to the next is looked
for first. It is found in long stacks where single steps are too small to be seen, and what blur
causes differs from step to step. Single steps may then deviate from it; if most do, as those of a
hand, all are taken as they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from aif_ros.fusion.motion.block_equations import BlockEquations, summed
from aif_ros.fusion.motion.motion_parameters import (
    MAGNIFICATION,
    ROTATION,
    SHEAR,
    SHIFT,
    Group,
    Parameters,
)

_SIMPLE: tuple[Group, ...] = (SHIFT, MAGNIFICATION, ROTATION)


@dataclass(frozen=True)
class ChoiceSettings:
    """When a motion is accepted.

    Deviations are standard deviations of what the blocks disagree about and differences in blur may
    cause. Those of rendered stacks that are still reach 0.5, and 1.1 in single steps; the settings
    were chosen by hand between these and rendered stacks that move, see
    `test/fusion/motion/test_stack_registration.py`.

    Attributes:
        deviations: from which on a motion is accepted.
        step_deviations: the same of the deviation of a single step, while most of them are uniform.
        shear_deviations: the same of a shear: neither lenses nor rails cause one.
        shared: least share of a uniform motion that the median step must have.
        least_step: pixels by which a step must at least deviate from the others.
        least_of_stack: pixels by which a motion must change the stack as a whole: less does not
            justify a resampling.
    """

    deviations: float = 1.6
    step_deviations: float = 3.0
    shear_deviations: float = 8.0
    shared: float = 0.3
    least_step: float = 0.05
    least_of_stack: float = 0.25


_SETTINGS = ChoiceSettings()


def choose_motions(pairs: Sequence[BlockEquations]) -> list[Parameters]:
    """Choose the motions between the slices of a stack.

    Args:
        pairs: for each slice but the first, the equations of the motion from the one before.

    Returns:
        For each of them the motion.
    """
    uniform = _uniform_motion(pairs)
    rest = [pair.relative_to(uniform) for pair in pairs]
    clear = [_accepted(each, _SETTINGS.step_deviations) for each in rest]
    found = [_accepted(each, _SETTINGS.deviations) for each in rest]
    usual = {
        group
        for group in (*_SIMPLE, SHEAR)
        if 2 * sum(group in each for each in found) >= len(pairs)
    }
    return [
        uniform + _motion(pair, sorted(each | usual))
        for pair, each in zip(rest, clear, strict=True)
    ]


def _uniform_motion(pairs: Sequence[BlockEquations]) -> Parameters:
    """Motion that is the same from each slice to the next, if most of the steps share it."""
    known = [pair for pair in pairs if pair.information.any()]
    if not known or 2 * len(known) < len(pairs):
        return np.zeros(6)
    together = summed(known)
    groups = significant(together, known)
    usual = np.median([_motion(pair, groups) for pair in known], axis=0)
    uniform = _motion(together, groups)
    shared = [
        group
        for group in groups
        if usual[[*group]] @ uniform[[*group]] > _SETTINGS.shared * np.sum(uniform[[*group]] ** 2)
    ]
    uniform = _motion(together, shared)
    uniform[np.abs(uniform) * len(pairs) < _SETTINGS.least_of_stack] = 0
    return uniform


def _accepted(equations: BlockEquations, deviations: float) -> set[Group]:
    """Groups of parameters in which a step deviates from the others by enough to count."""
    groups = significant(equations, deviations=deviations)
    motion = _motion(equations, groups)
    return {group for group in groups if np.abs(motion[[*group]]).max() >= _SETTINGS.least_step}


def significant_motion(equations: BlockEquations) -> Parameters:
    """Return the motion as far as it cannot be explained without it."""
    return _motion(equations, significant(equations))


def significant(
    equations: BlockEquations,
    each: Sequence[BlockEquations] = (),
    deviations: float = _SETTINGS.deviations,
) -> list[Group]:
    """Return the groups of parameters without which a motion cannot be explained.

    Args:
        equations: of the motion.
        each: the equations of which these are the sum, see `BlockEquations.fit`.
        deviations: standard deviations from which on a group is accepted.
    """
    chosen: list[Group] = []
    while len(chosen) < len(_SIMPLE):
        scores = {
            group: _score(equations, [*chosen, group], group, each)
            for group in _SIMPLE
            if group not in chosen
        }
        best = max(scores, key=lambda group: scores[group])
        if scores[best] < deviations:
            break
        chosen.append(best)
    if chosen and _score(equations, [*chosen, SHEAR], SHEAR, each) > _SETTINGS.shear_deviations:
        chosen.append(SHEAR)
    # What was accepted first may be explained better by what came later.
    return [group for group in chosen if _score(equations, chosen, group, each) >= deviations]


def _score(
    equations: BlockEquations, groups: Sequence[Group], group: Group, each: Sequence[BlockEquations]
) -> float:
    """How many standard deviations a group of parameters is from 0, fitted with others."""
    parameters = tuple(chain(*groups))
    values, covariance = equations.fit(parameters, each)
    places = [parameters.index(parameter) for parameter in group]
    value, own = values[places], covariance[np.ix_(places, places)]
    squared = float(value @ np.linalg.solve(own + 1e-12 * np.eye(len(group)), value))
    return math.sqrt(max(squared, 0.0) / len(group))


def _motion(equations: BlockEquations, groups: Sequence[Group]) -> Parameters:
    """Fit some groups of parameters; the others are 0."""
    motion = np.zeros(6)
    if groups:
        parameters = tuple(chain(*groups))
        motion[[*parameters]] = equations.solve(parameters)[0]
    return motion
