"""D5: made-up runs that confirm, refute and leave it open."""

import pytest

from tests.dynamics.planting import runs, verdicts


def found(uu, ub, bu, bb):
    """Accuracies: trained on uniform or bigram outputs, tested on uniform or bigram ones."""
    return {
        "uniform outputs": runs(0, accuracy_uniform=uu, accuracy_bigram=ub),
        "bigram outputs": runs(1, accuracy_uniform=bu, accuracy_bigram=bb),
    }


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ((0.93, 0.92, 0.74, 0.96), [True, True, True]),
        ((0.60, 0.59, 0.74, 0.96), [False, True, True]),
        ((0.93, 0.92, 0.74, 0.60), [True, False, False]),
        ((0.93, 0.50, 0.74, 0.96), [True, True, False]),
        ((0.90, 0.90, 0.90, 0.96), [None, True, True]),
    ],
)
def test_every_part_is_seen(accuracies, expected):
    assert verdicts("D5", found(*accuracies)) == expected
