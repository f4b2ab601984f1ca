"""D6: made-up runs that confirm and refute it."""

import pytest

from tests.dynamics.planting import rising, runs, verdicts
from validation.dynamics import experiments


@pytest.mark.parametrize(
    ("previous", "output", "accuracy", "expected"),
    [
        (80, 120, 0.99, [True, True]),
        (120, 80, 0.99, [False, True]),
        (80, 120, 0.8, [True, False]),
    ],
)
def test_every_part_is_seen(previous, output, accuracy, expected):
    columns = {"recall_W_K1": rising(1.0, previous), "recall_W_O2": rising(1.0, output)}
    found = {experiments.REFERENCE: runs(0, accuracy=accuracy, **columns)}
    assert verdicts("D6", found) == expected
