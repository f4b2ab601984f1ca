"""D2: made-up runs that confirm, refute and leave it open."""

import pytest

from tests.dynamics.planting import rising, run, verdicts
from validation.dynamics.d2 import GROUP
from validation.runner.cases import PAIRS


def found(first, second, third, last=600):
    """Recalls that reach one half at these updates, and that of W_K1 its end at ``last``."""
    late = rising(1.0, third)
    late[:-1] = late[:-1].clip(max=0.85 if last > 500 else 1)
    one = run(recall_W_O2=rising(1.0, first), recall_W_K2=rising(1.0, second), recall_W_K1=late)
    return {"all three": [one] * (GROUP * PAIRS)}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ((50, 90, 130), [True, True, True, True]),
        ((90, 50, 130), [False, True, True, True]),
        ((130, 90, 50), [False, False, True, True]),
        ((130, 90, 50, 200), [False, False, False, False]),
    ],
)
def test_every_part_is_seen(when, expected):
    assert verdicts("D2", found(*when)) == expected


def test_groups_that_disagree_leave_it_open():
    mixed = found(50, 90, 130)["all three"]
    mixed[:GROUP] = found(130, 90, 50)["all three"][:GROUP]
    assert verdicts("D2", {"all three": mixed}) == [None, None, True, True]
