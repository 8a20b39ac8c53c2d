"""The trials in their short form: `pytest -m reliability test/reliability`."""

import random

import pytest
from run_trials import TRIALS


@pytest.mark.parametrize("name", TRIALS)
def test_short_form(name, tmp_path):
    trial = TRIALS[name]
    outcome = trial.run(trial.short, random.Random(0), tmp_path)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    print(outcome.figures)
    assert not outcome.failures
