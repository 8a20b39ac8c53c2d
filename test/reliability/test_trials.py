"""The trials in their short form: `pytest -m reliability test/reliability`.

Missed goals are printed, not judged: `scripts/reliability` does that.
"""

import random

import pytest
from run_trials import TRIALS


@pytest.mark.parametrize("name", TRIALS)
def test_short_form(name, tmp_path):
    trial = TRIALS[name]
    outcome = trial.run(trial.short, random.Random(0), tmp_path)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    print(outcome.figures, *outcome.missed, sep="\n")
    assert not outcome.failures
