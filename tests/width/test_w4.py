"""Planted errors that the check and the derivation of W4 must see."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am
from assocmem.width import moments as step_noise
from tests.controls import failures, seen, swap
from tests.width.planting import at_another_width
from validation.width import head as head_module


@pytest.mark.parametrize("factor", [1.4, 1 / 1.4])
def test_W4_sees_widths_that_are_all_wrong_by_one_factor(factor, monkeypatch, seed):
    """Which no exponent would tell."""
    swap(monkeypatch, head_module.HeadAtWidth, "measured", at_another_width(factor))
    assert seen("W4", "ln d*", seed), f"{seed=}"


def test_W4_sees_a_normal_law_with_too_much_noise(monkeypatch, seed):
    def noisier(recall):
        return lambda moments, d, *a, **named: recall(moments, d / 2, *a, **named)

    swap(monkeypatch, step_noise, "gaussian_recall", noisier)
    assert seen("W4", "normal law", seed), f"{seed=}"


def test_W4_sees_coefficients_whose_rows_are_equally_large(monkeypatch, seed):
    """What grows with T is the size of the largest rows over the median one."""
    measured = head_module.HeadAtWidth.measured

    def equalised(head, d, draws, rng):
        C = head.memory.coefficients
        norms = np.linalg.norm(C, axis=1, keepdims=True)
        scaled = am.AssociativeMemory(
            keys=head.memory.keys,
            values=head.memory.values,
            coefficients=C * np.median(norms) / np.maximum(norms, np.median(norms)),
        )
        kept, head.memory = head.memory, scaled
        try:
            return measured(head, d, draws, rng)
        finally:
            head.memory = kept

    monkeypatch.setattr(head_module.HeadAtWidth, "measured", equalised)
    assert any(failures("W4", seed)), f"{seed=}"
