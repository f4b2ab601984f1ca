"""D4-nested is withdrawn: made-up runs with the counterexample, and without."""

import pytest

from tests.dynamics.planting import runs, verdicts
from theory import CLAIMS


@pytest.mark.parametrize(("one", "five", "stands"), [(0.1, 0.5, True), (0.5, 0.1, False)])
def test_the_counterexample_is_seen(one, five, stands):
    found = {
        "third alone": runs(0, accuracy_third=one),
        "K = 5 fixed": runs(1, accuracy_third=five),
    }
    assert verdicts("D4-nested", found) == [stands]


def test_it_says_that_it_is_withdrawn():
    claim = CLAIMS["D4-nested"]
    assert claim.status == "refuted"
    assert claim.title.startswith("Withdrawn")
    assert "Counterexample" in claim.note
