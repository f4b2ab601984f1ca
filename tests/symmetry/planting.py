"""Errors that are planted in the counts of symmetric populations."""

from __future__ import annotations

from types import SimpleNamespace

from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import symmetry as tasks_symmetry
from tests.controls import alter


def no_multiplicity(self, batch, wrt, multiplicities=None, original=FrozenTransformer._sums):
    return original(self, batch, wrt)


def drawn_with_replacement(monkeypatch):
    """Count b draws of any content token, not of different ones; the weights keep their sum."""
    monkeypatch.setattr(tasks_symmetry, "math", SimpleNamespace(perm=lambda c, b: c**b))
    alter(monkeypatch, tasks_symmetry, "_probabilities", lambda weights: weights / weights.sum())
