"""Planted errors that the check and the derivation of L3 must see."""

from __future__ import annotations

import numpy as np
import pytest

from assocmem import _statistics, gradients
from tests.controls import altered_result, derivation_fails, failures, plant
from tests.lemmas.planting import ascent, with_table


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


def test_the_check_sees_another_gradient(monkeypatch):
    plant(monkeypatch, gradients, "attention_step", altered_result(lambda memory: 2 * memory))
    assert any(failures("L3", seed=0))


@pytest.mark.parametrize("error", [ascent, uncentred_keys, first_input_as_query])
def test_the_derivation_fails_when_the_closed_form_is_altered(error, monkeypatch):
    plant(monkeypatch, gradients, "attention_step", error)
    derivation_fails("L3", ".*differ by")
