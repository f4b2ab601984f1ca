"""W1 to W4 hold, and each check fails once the error its claim excludes is planted."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

import assocmem as am
from assocmem.model import embeddings
from assocmem.vectors import bartlett
from assocmem.width import moments as step_noise
from assocmem.width import wick
from theory import CLAIMS
from validation import width
from validation.runner.cases import run


def failures(claim_id, seed):
    """The cases that fail, one after the other: the first is found without running the rest."""
    claim = CLAIMS[claim_id]
    for case in run(claim, width.CHECKS[claim_id], seed, "quick"):
        if not case.passed(claim.kind):
            yield case


@pytest.fixture
def seed():
    return secrets.randbits(32)  # shown by a failing assertion


@pytest.mark.parametrize("claim_id", ["W1", "W2", "W3", "W4"])
def test_the_claim_holds_at_any_seed(claim_id, seed):
    assert list(failures(claim_id, seed)) == [], f"{seed=}"


# --- W1


def fresh_gaussians(draw):
    """The tempting wrong version: n x n matrices with entries of variance 1/d."""

    def altered(n_inputs, n_outputs, d, *, family, rng):
        rng = np.random.default_rng(rng)
        parts = draw(n_inputs, n_outputs, d, family=family, rng=rng)
        n = len(parts["Phi1"])
        fresh = {name: rng.standard_normal((n, n)) / np.sqrt(d) for name in ("Phi1", "W_V2")}
        return parts | fresh

    return altered


def same_images(draw):
    """W_V2 acts as Phi1 does, instead of on its own."""

    def altered(n_inputs, n_outputs, d, *, family, rng):
        parts = draw(n_inputs, n_outputs, d, family=family, rng=rng)
        return parts | {"W_V2": parts["Phi1"]}

    return altered


@pytest.mark.parametrize("error", [fresh_gaussians, same_images])
def test_W1_sees(error, monkeypatch, seed):
    monkeypatch.setattr(embeddings, "compressed_draw", error(bartlett.compressed_draw))
    assert any(failures("W1", seed)), f"{seed=}"


@pytest.mark.parametrize(
    "error",
    [
        lambda L, n, d: L * np.sqrt(1.5),
        lambda L, n, d: np.tril(L, -1) + np.eye(n),
        lambda L, n, d: L + np.triu(L.T, 1),
    ],
    ids=["scale", "norms that do not vary", "not triangular"],
)
def test_W1_sees_another_factor(error, monkeypatch, seed):
    right = bartlett.bartlett
    monkeypatch.setattr(
        bartlett, "bartlett", lambda n, d, *, rng: error(right(n, d, rng=rng), n, d)
    )
    assert any(failures("W1", seed)), f"{seed=}"


# --- W2


@pytest.mark.parametrize(
    "error",
    [
        lambda powers: {power + 1: count for power, count in powers.items()},
        lambda powers: {power: 2 * count for power, count in powers.items()},
        lambda powers: {p: count / 2 if p == 1 else count for p, count in powers.items()},
        lambda powers: {power: -count for power, count in powers.items()},
    ],
    ids=["power", "factor", "half the noise", "sign"],
)
def test_W2_sees_wrong_counts_of_pairings(error, monkeypatch, seed):
    right = wick.expansion
    monkeypatch.setattr(
        wick,
        "expansion",
        lambda segments: {
            pairing: error(powers) if len(pairing) == 4 else powers
            for pairing, powers in right(segments).items()
        },
    )
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_sees_images_taken_for_independent_vectors(monkeypatch, seed):
    """The crosstalk of images is twice that of independent keys, which AM2 would predict."""
    right = step_noise.recall_terms

    def independent(name, task, coefficients):
        short = {"Vv": "", "Vvf": "f", "Ff": "", "": "", "f": "f"}
        return [
            term._replace(
                left=term.left._replace(word=short[term.left.word]),
                right=term.right._replace(word=short[term.right.word]),
            )
            for term in right(name, task, coefficients)
        ]

    monkeypatch.setattr(step_noise, "recall_terms", independent)
    assert any(failures("W2", seed)), f"{seed=}"


def test_W2_sees_scores_that_are_scaled(monkeypatch, seed):
    right = am.AssociativeMemory.scores
    monkeypatch.setattr(
        am.AssociativeMemory, "scores", lambda W, *a, **kw: 1.2 * right(W, *a, **kw)
    )
    assert any(failures("W2", seed)), f"{seed=}"


# --- W3


@pytest.mark.parametrize("factor", [0.1, 10])
def test_W3_sees_another_variance(factor, monkeypatch, seed):
    """The width is then wrong by this factor."""
    right = step_noise.margin_moments

    def altered(*arguments):
        mean, variance = right(*arguments)
        return mean, factor * variance

    monkeypatch.setattr(step_noise, "margin_moments", altered)
    assert any(failures("W3", seed)), f"{seed=}"


def test_W3_sees_in_draws_a_width_that_is_tenfold(monkeypatch, seed):
    right = width.all_recalled
    monkeypatch.setattr(
        width, "all_recalled", lambda task, memories, d, *a: right(task, memories, 10 * d, *a)
    )
    assert any("all recalled" in case.case for case in failures("W3", seed)), f"{seed=}"


def test_W3_sees_memories_that_recall_nothing(monkeypatch, seed):
    monkeypatch.setattr(am.Probe, "recall", lambda *arguments: 0.0)
    assert any(failures("W3", seed)), f"{seed=}"


def test_W3_is_exact_where_cantelli_is():
    """Cantelli is attained by two values; of one cue and one rival the bound is the probability."""
    p = 0.2  # the margin is 0 with probability p, and m otherwise
    m, mean, variance = 3.0, 3.0 * (1 - p), 9.0 * p * (1 - p)
    moments = wick.Moments(
        np.array([[[mean, 0.0]]]),
        np.array([[[[mean**2 + variance, 0.0], [0.0, 0.0]]]]),
    )
    bound = step_noise.cantelli_failure(moments, 1.0, np.array([0]))
    assert bound == pytest.approx(p, rel=1e-12)
    assert m > 0
    among = np.array([[True], [False]])
    assert step_noise.cantelli_failure(moments, 1.0, np.array([0]), among) == 0
    assert step_noise.cantelli_failure(moments, 1.0, np.array([1])) == 1  # a negative margin


# --- W4


@pytest.mark.parametrize("factor", [1.4, 1 / 1.4])
def test_W4_sees_widths_that_are_all_wrong_by_one_factor(factor, monkeypatch, seed):
    """Which no exponent would tell."""
    measured = width.Head.measured
    monkeypatch.setattr(
        width.Head, "measured", lambda head, d, *a: measured(head, round(d * factor), *a)
    )
    assert any("ln d*, " in case.case for case in failures("W4", seed)), f"{seed=}"


def test_W4_sees_a_normal_law_with_too_much_noise(monkeypatch, seed):
    right = step_noise.gaussian_recall
    monkeypatch.setattr(
        step_noise,
        "gaussian_recall",
        lambda moments, d, *a, **named: right(moments, d / 2, *a, **named),
    )
    assert any("normal law" in case.case for case in failures("W4", seed)), f"{seed=}"


def test_W4_sees_coefficients_whose_rows_are_equally_large(monkeypatch, seed):
    """What grows with T is the size of the largest rows over the median one."""
    measured = width.Head.measured

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

    monkeypatch.setattr(width.Head, "measured", equalised)
    assert any(failures("W4", seed)), f"{seed=}"
