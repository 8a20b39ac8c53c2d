"""The damaged files in their short form: three of each kind."""

import pytest

pytest.importorskip("torch", reason="reads weight files")

from damaged_files import run, samples


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path):
    outcome = run(3 * len(samples("")), 1, tmp_path)
    assert outcome.failures == []
    kinds = {name for name, _ in outcome.counts}
    assert kinds == set(samples(""))
    # Attacks are refused whole, too: the parser does not know the tags or refuses pickles.
    assert not any(name.startswith("attack") for name, result in outcome.counts if result == "read")
