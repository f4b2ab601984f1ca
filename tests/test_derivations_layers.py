"""L1 to L3 follow from the cross-entropy, and stop to follow once a term of the library changes."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import exp
from theory.derivations.layers import DERIVATIONS

import assocmem as am
from assocmem import _statistics
from theory import CLAIMS
from theory.derivation import DerivationError, derive


def with_table(memory, **changed):
    """The memory with its keys, values or coefficients replaced."""
    tables = {"keys": memory.keys, "values": memory.values, "coefficients": memory.coefficients}
    return am.AssociativeMemory(**(tables | changed))


def ascent(closed_form):
    return lambda *args, **kw: -closed_form(*args, **kw)


def at_zero(closed_form):
    """The matrix is forgotten: right only for the first step."""
    return lambda *args, matrix=None, **kw: closed_form(*args, **kw)


def unweighted_labels(noisy_linear):
    def closed_form(*args, **kw):
        memory = noisy_linear(*args, **kw)
        return with_table(memory, coefficients=np.eye(memory.n_keys, dtype=int))

    return closed_form


def uncentred_keys(attention):
    """x_t in place of x_t - x̄."""

    def closed_form(x, targets, outputs, Phi2, *, weights):
        read = x @ (outputs @ Phi2).T
        predicted = _statistics.softmax(read.mean(axis=1))
        residual = np.eye(len(outputs), dtype=int)[targets] - predicted
        worth = (read * residual[:, None, :]).sum(axis=2) / x.shape[1]
        keys = (worth[:, :, None] * x).sum(axis=1)
        return with_table(attention(x, targets, outputs, Phi2, weights=weights), keys=keys)

    return closed_form


def first_input_as_query(attention):
    def closed_form(x, *args, **kw):
        return with_table(attention(x, *args, **kw), values=x[:, 0])

    return closed_form


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_the_derivation_holds(claim_id):
    derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


@pytest.mark.parametrize(
    ("claim_id", "name", "error"),
    [
        ("L1", "linear_step", ascent),
        ("L1", "linear_step", at_zero),
        ("L2", "noisy_linear_step", unweighted_labels),
        ("L2", "noisy_linear_step", at_zero),
        ("L3", "attention_step", ascent),
        ("L3", "attention_step", uncentred_keys),
        ("L3", "attention_step", first_input_as_query),
    ],
)
def test_the_derivation_fails_when_the_closed_form_is(claim_id, name, error, monkeypatch):
    monkeypatch.setattr(am.gradients, name, error(getattr(am.gradients, name)))
    with pytest.raises(DerivationError, match=rf"^{claim_id}: .*differ by"):
        derive(CLAIMS[claim_id], DERIVATIONS[claim_id])


def test_the_derivation_fails_when_the_softmax_is_not_normalised(monkeypatch):
    monkeypatch.setattr(
        _statistics,
        "softmax",
        lambda scores, axis=-1: 1 / (1 + np.vectorize(exp, otypes=[object])(-scores)),
    )
    with pytest.raises(DerivationError, match=r"^L1: By the logits"):
        derive(CLAIMS["L1"], DERIVATIONS["L1"])
