"""AM1 to AM3 follow from the library's scores, and fail once a term of them is altered."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations import memory, recall, recall_limits

DERIVATIONS = memory.DERIVATIONS | recall.DERIVATIONS


def without_the_last_pair(scores):
    """One coefficient is forgotten."""

    def altered(self):
        coefficients = self.coefficients.copy()
        coefficients[-1, -1] = 0
        return scores(
            am.AssociativeMemory(keys=self.keys, values=self.values, coefficients=coefficients)
        )

    return altered


def coefficients_squared(scores):
    return lambda self: scores(
        am.AssociativeMemory(
            keys=self.keys, values=self.values, coefficients=self.coefficients**2 + 1
        )
    )


def doubled(scores):
    return lambda self: 2 * scores(self)


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_the_derivation_holds(claim_id):
    derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


@pytest.mark.parametrize("claim_id", DERIVATIONS)
@pytest.mark.parametrize("error", [without_the_last_pair, coefficients_squared, doubled])
def test_the_derivation_fails_for_other_scores(claim_id, error, monkeypatch):
    monkeypatch.setattr(am.AssociativeMemory, "scores", error(am.AssociativeMemory.scores))
    with pytest.raises(DerivationError, match=rf"^{claim_id}: .*differ"):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


def test_AM1_fails_for_another_matrix(monkeypatch):
    matrix = am.AssociativeMemory.matrix.fget
    monkeypatch.setattr(am.AssociativeMemory, "matrix", property(lambda self: matrix(self).T))
    with pytest.raises(DerivationError, match=r"^AM1: The same over orthonormal keys"):
        derive(CLAIMS["AM1"], DERIVATIONS["AM1"])


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_AM2_fails_for_another_law_of_the_entries(family, monkeypatch):
    """Fourth moments a tenth too large; the second ones, and with them NO1, are unchanged."""
    name = f"{family}_moment"
    moment = getattr(memory, name)
    monkeypatch.setattr(
        memory, name, lambda powers: moment(powers) * (11 if sum(powers) == 4 else 10) / 10
    )
    with pytest.raises(DerivationError, match=r"^AM2: .*differ"):
        derive(CLAIMS["AM2"], DERIVATIONS["AM2"])


@pytest.mark.parametrize(
    "error",
    [
        lambda X, X_0, moved: (X, X_0, moved / 2),
        lambda X, X_0, moved: (X + 0.1 * moved * (1 + abs(X_0)), X_0, moved),
    ],
    ids=["half the shift", "another right score"],
)
def test_AM3_fails_for_a_bound_that_the_draws_break(error, monkeypatch):
    right = recall_limits.right_scores_drawn
    monkeypatch.setattr(recall_limits, "right_scores_drawn", lambda: error(*right()))
    with pytest.raises(DerivationError, match=r"^AM3: As \$L \\ge"):
        derive(CLAIMS["AM3"], DERIVATIONS["AM3"])


def test_a_bound_for_large_right_scores_only_is_broken_by_the_draws():
    """(X₀ - η) / (1 + η) <= X holds where X₀ >= η, and not below."""
    X, X_0, moved = recall_limits.right_scores_drawn()
    below = (X_0 - moved) / (1 + moved) - 1e-9 > X
    assert below.sum() > 100
    assert np.all(X_0[below] < moved[below])
