"""Planted errors that the check and the derivation of B3-flow must see."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import assocmem as am
from tests.controls import altered_result, derivation_fails, plant, seen
from theory.bigrams import b3_flow as derivation
from validation.bigrams import b3, b3_flow


def scaled(factor):
    def change(step):
        return dataclasses.replace(step, coefficients=factor * step.coefficients)

    return altered_result(change)


@pytest.mark.parametrize(
    ("owner", "name", "error", "where"),
    [
        (am.gradients, "bigram_step", scaled(1 + 1e-11), "rows w_U and w_E"),
        (b3_flow, "resisted", altered_result(lambda H: H * (1 + 1e-11)), "what answers take off"),
        (b3_flow, "answers", lambda _: lambda S, A: A + S.T @ (S @ A), "what answers take off"),
        (b3_flow, "answers", altered_result(lambda M: M * (1 + 1e-11)), "second step"),
        (b3_flow, "curvature", altered_result(lambda f: (f[0], f[1] * (1 + 3e-8))), "curvature"),
        (b3_flow, "descended", altered_result(lambda f: (f[0] * (1 + 1e-5), f[1])), "W_O2 over t"),
        (b3_flow, "descended", altered_result(lambda f: (f[0], f[1] * (1 + 1e-5))), "W_K2 over t"),
    ],
)
def test_the_check_sees_it(owner, name, error, where, seed, monkeypatch):
    plant(monkeypatch, owner, name, error)
    assert seen("B3-flow", where, seed)


@pytest.mark.parametrize(
    ("name", "wrong", "where"),
    [
        ("log", lambda x: 2 * derivation.sympy.log(x), "One position"),
        ("exp", lambda x: 1 + x, "One position"),
    ],
)
def test_the_derivation_finds_an_altered_term(name, wrong, where, monkeypatch):
    monkeypatch.setattr(derivation, name, wrong)
    derivation_fails("B3-flow", where)


def test_a_step_of_twice_the_inverse_curvature_is_the_end_of_the_flow():
    """Of 60 steps along the stiffest answers of the characters those at 2.1 grow, those at 1.9 do
    not: what the learning rate of B3 has to stay below."""
    task = b3.characters((1,))
    batch, S = task.sample(20, rng=0), b3.bigrams(task)
    given = b3_flow.read(S, batch.tokens, batch.weights)
    stiff, curve = b3_flow.curvature(S, given)
    sizes = []
    for rate in (1.9, 2.1):
        A = stiff
        for _ in range(60):
            A = A - rate / curve * b3_flow.resisted(b3_flow.answers(S, A), given)
        sizes.append(np.linalg.norm(A))
    assert sizes[0] < 1 < sizes[1]
