"""C1 to C5 follow from the library's scores, and fail once a term of them is altered."""

from __future__ import annotations

import pytest

import assocmem as am
from assocmem import capacity as library
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations import capacity
from theory.derivations.capacity import DERIVATIONS


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_the_derivation_holds(claim_id):
    steps = derive(CLAIMS[claim_id], DERIVATIONS[claim_id]).steps
    assert any(step.checked for step in steps)


def fails(claim_id, monkeypatch, name, error, owner=library):
    monkeypatch.setattr(owner, name, error(getattr(owner, name)))
    with pytest.raises(DerivationError, match=rf"^{claim_id}: "):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


def scaled(by):
    """The second result of moments, altered."""

    def error(moments):
        def altered(*args, **kw):
            mean, variance = moments(*args, **kw)
            return mean, variance * by

        return altered

    return error


@pytest.mark.parametrize("name", ["score_moments", "margin_moments"])
def test_C1_fails_for_another_variance(name, monkeypatch):
    fails("C1", monkeypatch, name, scaled(2))


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_C1_fails_for_another_law_of_the_entries(family, monkeypatch):
    """Fourth moments a tenth too large; the second ones are unchanged."""
    moment = getattr(capacity, f"{family}_moment")
    monkeypatch.setattr(
        capacity,
        f"{family}_moment",
        lambda powers: moment(powers) * (11 if sum(powers) == 4 else 10) / 10,
    )
    with pytest.raises(DerivationError, match=rf"^C1: .*\({family}\).*differ"):
        derive(CLAIMS["C1"], DERIVATIONS["C1"])


def doubled(scores):
    return lambda self: 2 * scores(self)


def squared(scores):
    def altered(self):
        coefficients = self.coefficients**2 + 1
        return scores(
            am.AssociativeMemory(keys=self.keys, values=self.values, coefficients=coefficients)
        )

    return altered


@pytest.mark.parametrize("claim_id", ["C1", "C2", "C4"])
@pytest.mark.parametrize("error", [doubled, squared])
def test_the_derivation_fails_for_other_scores(claim_id, error, monkeypatch):
    fails(claim_id, monkeypatch, "scores", error, owner=am.AssociativeMemory)


@pytest.mark.parametrize("claim_id", ["C2", "C3"])
def test_the_derivation_fails_for_other_moments_of_scores(claim_id, monkeypatch):
    fails(claim_id, monkeypatch, "score_moments", scaled(2))


def test_C3_fails_for_another_limit(monkeypatch):
    fails("C3", monkeypatch, "zipf_recall", lambda f: lambda x, a: f(x, a) * (1 + 1e-9))


@pytest.mark.parametrize("rule", ["pseudo-inverse", "gradient step"])
def test_C4_fails_for_another_rule(rule, monkeypatch):
    def error(memorise):
        return lambda *args, rule: memorise(*args, rule="outer products")

    fails("C4", monkeypatch, "memorise", error)


def test_C4_fails_for_other_moments_of_margins(monkeypatch):
    fails("C4", monkeypatch, "margin_moments", scaled(2))


@pytest.mark.parametrize("error", [-1, 1])
def test_C5_fails_for_another_bound(error, monkeypatch):
    fails("C5", monkeypatch, "storage_bound", lambda bound: lambda d: bound(d) + error)
