"""The simplest motion that explains a stack.

Motion that is not there costs more sharpness than small motion that is not found. So slices count
as still, unless the blocks of the images agree that they moved. What they agree on best is added
first: shift, magnification (focus breathing) or rotation; shear only where it is clear.

Motors move evenly: a drift or a breathing that is the same from each slice to the next is looked
for first. It is found in long stacks where single steps are too small to be seen, and what blur
feigns differs from step to step. Single steps may then deviate from it; if most do, as those of a
hand, all are taken as they are.
"""

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np

from aif_ros.fusion.motion.motion_evidence import (
    MAGNIFICATION,
    ROTATION,
    SHEAR,
    SHIFT,
    Evidence,
    Group,
    Parameters,
    summed,
)

_SIMPLE: tuple[Group, ...] = (SHIFT, MAGNIFICATION, ROTATION)
_DEVIATIONS = 1.6
"""Standard deviations, of what the blocks disagree and blur may feign, from which on a motion is
believed. Those of rendered stacks that are still reach 0.5, and 1.1 in single steps. ..."""
_SINGLE_DEVIATIONS = 3.0
"""... The deviation of a single step, while most of them are even, and ..."""
_SHEAR_DEVIATIONS = 8.0
"""... a shear: neither lenses nor rails make one."""
_SHARED = 0.3
"""Least share of an even motion that the median step must have."""
_LEAST_STEP = 0.05
"""Pixels by which a step must at least deviate from the others."""
_LEAST_OF_STACK = 0.25
"""Pixels by which a motion must change the stack as a whole: less is not worth a resampling."""


def choose_motions(pairs: Sequence[Evidence]) -> list[Parameters]:
    """Choose the motions between the slices of a stack.

    Args:
        pairs: for each slice but the first, what is known of the motion from the one before.

    Returns:
        For each of them the motion.
    """
    law = _even_motion(pairs)
    rest = [pair.beyond(law) for pair in pairs]
    clear = [_believed(each, _SINGLE_DEVIATIONS) for each in rest]
    found = [_believed(each, _DEVIATIONS) for each in rest]
    usual = {
        group
        for group in (*_SIMPLE, SHEAR)
        if 2 * sum(group in each for each in found) >= len(pairs)
    }
    return [
        law + _motion(pair, sorted(each | usual)) for pair, each in zip(rest, clear, strict=True)
    ]


def _even_motion(pairs: Sequence[Evidence]) -> Parameters:
    """Motion that is the same from each slice to the next, if most of the steps share it."""
    known = [pair for pair in pairs if pair.information.any()]
    if not known or 2 * len(known) < len(pairs):
        return np.zeros(6)
    together = summed(known)
    groups = significant(together, known)
    usual = np.median([_motion(pair, groups) for pair in known], axis=0)
    law = _motion(together, groups)
    shared = [
        group
        for group in groups
        if usual[[*group]] @ law[[*group]] > _SHARED * np.sum(law[[*group]] ** 2)
    ]
    law = _motion(together, shared)
    law[np.abs(law) * len(pairs) < _LEAST_OF_STACK] = 0
    return law


def _believed(evidence: Evidence, deviations: float) -> set[Group]:
    """Groups of parameters in which a step deviates from the others by enough to count."""
    groups = significant(evidence, deviations=deviations)
    motion = _motion(evidence, groups)
    return {group for group in groups if np.abs(motion[[*group]]).max() >= _LEAST_STEP}


def significant_motion(evidence: Evidence) -> Parameters:
    """Return the motion as far as it cannot be explained without it."""
    return _motion(evidence, significant(evidence))


def significant(
    evidence: Evidence, each: Sequence[Evidence] = (), deviations: float = _DEVIATIONS
) -> list[Group]:
    """Return the groups of parameters without which a motion cannot be explained.

    Args:
        evidence: of the motion.
        each: the evidence of which it is the sum, see `Evidence.fit`.
        deviations: standard deviations from which on a group is believed.
    """
    chosen: list[Group] = []
    while len(chosen) < len(_SIMPLE):
        scores = {
            group: _score(evidence, [*chosen, group], group, each)
            for group in _SIMPLE
            if group not in chosen
        }
        best = max(scores, key=lambda group: scores[group])
        if scores[best] < deviations:
            break
        chosen.append(best)
    if chosen and _score(evidence, [*chosen, SHEAR], SHEAR, each) > _SHEAR_DEVIATIONS:
        chosen.append(SHEAR)
    # What was believed first may be explained better by what came later.
    return [group for group in chosen if _score(evidence, chosen, group, each) >= deviations]


def _score(
    evidence: Evidence, groups: Sequence[Group], group: Group, each: Sequence[Evidence]
) -> float:
    """How many standard deviations a group of parameters is from 0, fitted with others."""
    parameters = tuple(chain(*groups))
    values, covariance = evidence.fit(parameters, each)
    places = [parameters.index(parameter) for parameter in group]
    value, own = values[places], covariance[np.ix_(places, places)]
    squared = float(value @ np.linalg.solve(own + 1e-12 * np.eye(len(group)), value))
    return math.sqrt(max(squared, 0.0) / len(group))


def _motion(evidence: Evidence, groups: Sequence[Group]) -> Parameters:
    """Fit some groups of parameters; the others are 0."""
    motion = np.zeros(6)
    if groups:
        parameters = tuple(chain(*groups))
        motion[[*parameters]] = evidence.solve(parameters)[0]
    return motion
