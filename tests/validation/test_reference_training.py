"""The trained reference against a second one in loops, in sixty-digit decimal arithmetic.

As in `test_reference`, whose helpers it takes: central differences of the loops are exact to far
below float64, so tolerances are the rounding of the float64 result alone.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from autograd import grad
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.rounding import PRODUCTS
from tests.validation.test_reference import STEP, apply, assert_same, decimals, mix, plus
from validation import reference
from validation.reference import training as reference_training

N, T, D, H, M, B = 4, 3, 4, 2, 3, 2  # tokens, positions, width, heads, hidden neurons, sequences
FULL = reference_training.Architecture(N, T, D, n_heads=H, hidden=M)
PLAIN = FULL._replace(hidden=0, layer_norm=False)
ARCHITECTURES = [FULL, PLAIN, FULL._replace(layer_norm=False), FULL._replace(hidden=0)]

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5, deadline=None)


# --- the same model in loops, over exact decimals --------------------------------------------


def loop_norm(x, gain):
    if gain is None:
        return x
    mean = sum(x) / len(x)
    centred = [a - mean for a in x]
    deviation = (sum(a * a for a in centred) / len(x) + Decimal("1e-5")).sqrt()
    return [g * a / deviation for g, a in zip(gain, centred, strict=True)]


def loop_head(p, layer, head, normed, t):
    """What a head adds at position t."""
    size = D // H
    rows = slice(head * size, (head + 1) * size)
    W_Q, W_K, W_V = (p[f"{name}.{layer}"][rows] for name in ("W_Q", "W_K", "W_V"))
    query = apply(W_Q, normed[t])
    exponentials = []
    for s in range(t + 1):
        score = sum(a * b for a, b in zip(query, apply(W_K, normed[s]), strict=True))
        exponentials.append((score / Decimal(size).sqrt()).exp())
    attention = [e / sum(exponentials) for e in exponentials]
    value = mix(attention, [apply(W_V, normed[s]) for s in range(t + 1)])
    return apply([row[rows] for row in p[f"W_O.{layer}"]], value)


def loop_logits(p, sequence):
    stream = [plus(p["W_E"][z], p["W_P"][t]) for t, z in enumerate(sequence)]
    for layer in range(2):
        normed = [loop_norm(x, p.get(f"gain_A.{layer}")) for x in stream]
        for head in range(H):
            stream = [plus(x, loop_head(p, layer, head, normed, t)) for t, x in enumerate(stream)]
        if f"W_1.{layer}" in p:
            for t, x in enumerate(stream):
                inputs = apply(p[f"W_1.{layer}"], loop_norm(x, p.get(f"gain_F.{layer}")))
                neurons = [max(a, Decimal(0)) for a in plus(inputs, p[f"b_1.{layer}"])]
                stream[t] = plus(x, plus(apply(p[f"W_2.{layer}"], neurons), p[f"b_2.{layer}"]))
    return [apply(p["W_U"], loop_norm(x, p.get("gain"))) for x in stream]


def loop_loss(p, batch):
    total = Decimal(0)
    for sequence, targets, weights in zip(*batch, strict=True):
        for row, k, w in zip(loop_logits(p, sequence), targets, weights, strict=True):
            total += Decimal(float(w)) * (sum(a.exp() for a in row).ln() - row[k])
    return total


def draw(architecture, seed):
    """Initial parameters, with gains and biases that matter, and a batch with weight everywhere."""
    rng = np.random.default_rng(seed)
    params = reference_training.initial(architecture, rng)
    for name, value in params.items():
        if value.ndim == 1:
            params[name] = rng.uniform(0.5, 1.5, size=value.shape)
    tokens, targets = rng.integers(N, size=(2, B, T))
    weights = rng.uniform(1, 2, size=(B, T))
    return rng, params, (tokens, targets, weights / weights.sum())


def loss(architecture, params, batch):
    logits, _ = reference_training.run(architecture, params, batch[0])
    return reference.cross_entropy(logits, *batch[1:])


# An entry passes two layers of sums over positions and over the width; the layer norm divides by a
# deviation, which is 0.1 or more of the norm for all but few draws of four numbers.
TERMS = 10 * B * T * T * D * D


@few
@given(seed=seeds)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_and_loss_equal_the_loops(architecture, seed):
    _, params, batch = draw(architecture, seed)
    exact = {name: decimals(value) for name, value in params.items()}
    expected = np.array([loop_logits(exact, z) for z in batch[0]], dtype=float)
    logits, _ = reference_training.run(architecture, params, batch[0])
    assert_same(logits, expected, terms=TERMS, size=np.abs(expected).max())
    assert_same(
        loss(architecture, params, batch), float(loop_loss(exact, batch)), terms=TERMS, size=1
    )
    for wrong in "W_V.0", "W_O.1":  # the control: rows and columns exchanged
        other, _ = reference_training.run(architecture, params | {wrong: params[wrong].T}, batch[0])
        with pytest.raises(AssertionError, match="more than rounding"):
            assert_same(other, expected, terms=TERMS, size=np.abs(expected).max())


NAMES = list(reference_training.initial(FULL, np.random.default_rng(0)))


@few
@given(seed=seeds)
@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_of_every_parameter(name, seed):
    """Its slope along a random direction is the central difference of the loops."""
    rng, params, batch = draw(FULL, seed)
    gradient = grad(lambda value: loss(FULL, params | {name: value}, batch))(params[name])
    direction = rng.standard_normal(params[name].shape)
    with localcontext(prec=60):
        sides = []
        for sign in 1, -1:
            exact = {other: decimals(value) for other, value in params.items()}
            change = np.vectorize(lambda a, s=sign: s * STEP * Decimal(float(a)))(direction)
            exact[name] = (np.array(exact[name]) + change).tolist()
            sides.append(loop_loss(exact, batch))
        expected = float((sides[0] - sides[1]) / (2 * STEP))
    slope = (gradient * direction).sum()
    size = np.abs(gradient * direction).sum() + 1
    assert_same(slope, expected, terms=TERMS, size=size)
    assume(slope != 0)  # in a layer whose neurons are all silent no parameter has a slope
    with pytest.raises(AssertionError, match="more than rounding"):
        assert_same(-slope, expected, terms=TERMS, size=size)


@few
@given(seed=seeds)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attention_is_causal_and_sums_to_one(architecture, seed):
    _, params, (tokens, _, _) = draw(architecture, seed)
    logits, maps = reference_training.run(architecture, params, tokens)
    for attention in maps:
        assert attention.shape == (B, H, T, T)
        assert_same(attention.sum(axis=-1), np.ones((B, H, T)), terms=TERMS, size=1)
        assert np.all(attention[..., *np.triu_indices(T, k=1)] == 0)
    for t in range(T - 1):
        changed = tokens.copy()
        changed[:, t + 1] = (tokens[:, t + 1] + 1) % N
        after, _ = reference_training.run(architecture, params, changed)
        assert np.array_equal(after[:, : t + 1], logits[:, : t + 1])
        assert not np.any(np.all(after[:, t + 1] == logits[:, t + 1], axis=-1))  # it can fail


@few
@given(seed=seeds)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_matrices_of_a_head(architecture, seed):
    """Scores and values of each layer, from the stream divided by its deviation alone."""
    rng, params, _ = draw(architecture, seed)
    x = rng.standard_normal((B, T, D))
    for layer in range(2):
        written, attention = reference_training.attend(architecture, params, layer, x)
        scores, values = reference_training.head_matrices(architecture, params, layer)
        assert scores.shape == values.shape == (H, D, D)
        deviation = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        n = x / deviation if architecture.layer_norm else x
        logs = np.einsum("bti,hij,bsj->bhts", n, scores, n) / np.sqrt(D // H)
        logs = np.where(np.tri(T, dtype=bool), logs, -np.inf)
        expected = np.exp(logs) / np.exp(logs).sum(axis=-1, keepdims=True)
        # the exponential of a score is off by the score's error, relative to itself
        assert_same(attention, expected, terms=TERMS, size=1 + np.abs(logs[logs > -np.inf]).max())
        mixed = np.einsum("bhts,hij,bsj->bti", attention, values, n)
        assert_same(written, mixed, terms=TERMS, size=np.abs(mixed).max())
        with pytest.raises(AssertionError, match="more than rounding"):
            assert_same(written, mixed[..., ::-1], terms=TERMS, size=np.abs(mixed).max())


# --- training ----------------------------------------------------------------------------------


@few
@given(seed=seeds)
def test_steps_are_those_of_adamw(seed):
    """Moments as explicit sums over all gradients so far, which start from nothing."""
    rng, params, _ = draw(FULL, seed)
    batches = [draw(FULL, int(s))[2] for s in rng.integers(2**32, size=4)]
    rate, (beta1, beta2), decay = 0.01, (0.8, 0.9), 0.1
    options = {"rate": rate, "betas": (beta1, beta2), "decay": decay}
    run = list(reference_training.train(FULL, params, batches, **options))
    past = {name: [] for name in params}
    for n, ((before, value), batch) in enumerate(zip(run, batches, strict=True), start=1):
        assert_same(value, loss(FULL, before, batch), terms=TERMS, size=max(1, abs(value)))
        gradient = grad(lambda p, batch=batch: loss(FULL, p, batch))(before)
        for name, w in before.items():
            past[name].append(gradient[name])
            fade = np.arange(n)[::-1].reshape(-1, *[1] * w.ndim)
            m, v = (
                (b**fade * np.array(past[name]) ** power).sum(axis=0) / (b**fade).sum()
                for b, power in ((beta1, 1), (beta2, 2))
            )
            change = m / (np.sqrt(v) + 1e-8) + decay * w
            if n < len(run):
                after = run[n][0][name]
                np.testing.assert_allclose(after, w - rate * change, rtol=0, atol=PRODUCTS)
                assert not np.allclose(after, w - rate * m, rtol=0, atol=1e-6)  # it can fail
    assert all(np.array_equal(run[0][0][name], params[name]) for name in params)


def test_training_fits_a_batch():
    architecture = reference_training.Architecture(6, 8, 16, n_heads=2, hidden=16)
    rng = np.random.default_rng(1)
    tokens, targets = rng.integers(6, size=(2, 4, 8))
    batches = [(tokens, targets, np.full((4, 8), 1 / 32))] * 60
    params = reference_training.initial(architecture, rng)
    losses = [
        value for _, value in reference_training.train(architecture, params, batches, rate=0.01)
    ]
    assert losses[0] > np.log(6) / 2
    assert losses[-1] < losses[0] / 4


# --- errors and independence -------------------------------------------------------------------


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="n_heads: expected a divisor of the width 4; got 3"):
        reference_training.initial(FULL._replace(n_heads=3), np.random.default_rng(0))
