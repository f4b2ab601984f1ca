"""D7: made-up runs that confirm and refute each part."""

import pytest

from tests.dynamics.planting import runs, verdicts


@pytest.mark.parametrize(
    ("alone", "whole", "recall", "expected"),
    [
        (0.9, 0.33, 0.45, [True, True, True, True, True]),
        (0.5, 0.33, 0.45, [True, False, True, True, True]),
        (0.2, 0.33, 0.45, [False, False, True, True, True]),
        (2.5, 0.33, 0.45, [True, True, False, True, True]),
        (0.9, 0.33, 0.15, [True, True, True, False, True]),
        (0.9, 0.33, 0.95, [True, True, True, True, False]),
    ],
)
def test_every_part_is_seen(alone, whole, recall, expected):
    columns = {"bigram_kl": whole, "recall_W_F": recall}
    found = runs(0, bigram_kl_W_F=1.0, **columns)
    for curves in found:
        curves["bigram_kl_W_F"] = curves["bigram_kl_W_F"].copy()
        curves["bigram_kl_W_F"][0], curves["bigram_kl_W_F"][-1] = 2.0, alone
    assert verdicts("D7", {"K = 5 fixed": found}) == expected
