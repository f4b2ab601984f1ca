"""Errors that are planted in the counts of symmetric populations."""

from __future__ import annotations

from types import SimpleNamespace

from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import symmetry as tasks_symmetry


def with_replacement(c: int, b: int) -> int:
    """The tempting wrong count: b draws of any content token, not of different ones."""
    return c**b


def no_multiplicity(self, batch, wrt, multiplicities=None, original=FrozenTransformer._sums):
    return original(self, batch, wrt)


def normalised(function):
    """Keep the weights a distribution, so that nothing but the check can notice."""

    def probabilities(task, different):
        weights = function(task, different)
        return weights / weights.sum()

    return probabilities


def drawn_with_replacement(monkeypatch):
    """Count b draws of any content token, not of different ones."""
    monkeypatch.setattr(tasks_symmetry, "math", SimpleNamespace(perm=with_replacement))
    monkeypatch.setattr(tasks_symmetry, "_probabilities", normalised(tasks_symmetry._probabilities))
