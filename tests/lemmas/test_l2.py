"""Planted errors that the check and the derivation of L2 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem import gradients
from tests.controls import altered_result, derivation_fails, failures, plant
from tests.lemmas.planting import at_zero, with_table


def unweighted(memory):
    return am.AssociativeMemory(keys=memory.keys, values=memory.values)


def unweighted_labels(noisy_linear):
    def closed_form(*args, **kw):
        memory = noisy_linear(*args, **kw)
        return with_table(memory, coefficients=np.eye(memory.n_keys, dtype=int))

    return closed_form


def test_the_check_sees_another_gradient(monkeypatch):
    plant(monkeypatch, gradients, "noisy_linear_step", altered_result(unweighted))
    assert any(failures("L2", seed=0))


@pytest.mark.parametrize("error", [unweighted_labels, at_zero])
def test_the_derivation_fails_when_the_closed_form_is_altered(error, monkeypatch):
    plant(monkeypatch, gradients, "noisy_linear_step", error)
    derivation_fails("L2", ".*differ by")
