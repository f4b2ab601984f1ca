"""The reference transformer against a second one in loops, in sixty-digit decimal arithmetic.

Derivatives are compared with central differences of the loops. With sixty digits the step can be
1e-12: truncation (step squared) and rounding (1e-60 over step cubed) are both near 1e-24, far below
float64, so the tolerance is the rounding of the float64 result alone.
"""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validation import reference

N, T, M, D, B = 4, 4, 3, 3, 2  # tokens, positions, outputs, width, sequences
SHAPES = {"W_E": (N, D), "W_P": (T, D), "W_U": (M, D)}
SQUARE = ("Phi1", "W_V2", "W_K1", "W_K2", "W_O2", "W_F")
SHAPES |= dict.fromkeys(SQUARE, (D, D))
STEP = Decimal("1e-12")
SETTINGS = [("attention", 1.0), ("residual", 0.5)]

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=5, deadline=None)


# --- the same model in loops, over exact decimals --------------------------------------------


def decimals(array):
    """Nested lists of the exact decimal values of the entries."""
    return [decimals(row) for row in array] if np.ndim(array) else Decimal(float(array))


def apply(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def plus(first, second):
    return [a + b for a, b in zip(first, second, strict=True)]


def attend(stream, t, W_K, scale):
    """Softmax over s <= t of scale stream[t]' W_K stream[s], as a list of t + 1 numbers."""
    exponentials = []
    for s in range(t + 1):
        key = apply(W_K, stream[s])
        score = sum(a * b for a, b in zip(stream[t], key, strict=True))
        exponentials.append((scale * score).exp())
    return [e / sum(exponentials) for e in exponentials]


def mix(map_row, vectors):
    return [
        sum(a * v[i] for a, v in zip(map_row, vectors, strict=True)) for i in range(len(vectors[0]))
    ]


def loop_logits(p, sequence, scale, readout):
    """Logits of one sequence, position by position; p holds nested lists of decimals."""
    scale = Decimal(scale)
    x = [plus(p["W_E"][z], p["W_P"][t]) for t, z in enumerate(sequence)]
    x1 = []
    for t in range(len(x)):
        x1.append(plus(x[t], apply(p["Phi1"], mix(attend(x, t, p["W_K1"], scale), x[: t + 1]))))
    logits = []
    for t in range(len(x)):
        values = [apply(p["W_V2"], x1[s]) for s in range(t + 1)]
        written = apply(p["W_O2"], mix(attend(x1, t, p["W_K2"], scale), values))
        h = plus(x1[t], written)
        last = written if readout == "attention" else plus(h, apply(p["W_F"], h))
        logits.append(apply(p["W_U"], last))
    return logits


def loop_loss(p, batch, scale, readout):
    total = Decimal(0)
    for sequence, targets, weights in zip(*batch, strict=True):
        logits = loop_logits(p, sequence, scale, readout)
        for row, k, w in zip(logits, targets, weights, strict=True):
            normaliser = sum(xi.exp() for xi in row).ln()
            total += Decimal(float(w)) * (normaliser - row[k])
    return total


def loop_derivative(params, directions, batch, scale, readout):
    """Mixed central difference of the loss along all the directions, one step in each."""
    with localcontext(prec=60):
        total = Decimal(0)
        for signs in itertools.product((1, -1), repeat=len(directions)):
            moved = {name: decimals(value) for name, value in params.items()}
            for sign, direction in zip(signs, directions, strict=True):
                for name, change in direction.items():
                    rows = zip(moved[name], decimals(change), strict=True)
                    moved[name] = [plus(r, [sign * STEP * c for c in change]) for r, change in rows]
            total += math.prod(signs) * loop_loss(moved, batch, scale, readout)
        return float(total / (2 * STEP) ** len(directions))


# --- drawing cases and comparing --------------------------------------------------------------


def draw(seed):
    """Random parameters, none of them zero, and a batch with weight on every position."""
    rng = np.random.default_rng(seed)
    tokens, targets = rng.integers(N, size=(B, T)), rng.integers(M, size=(B, T))
    weights = rng.uniform(1, 2, size=(B, T))
    return rng, matrices(rng, *SHAPES), (tokens, targets, weights / weights.sum())


def matrices(rng, *names):
    """Random orthogonal columns of norm 1/2, whose products neither vanish nor saturate a softmax.

    Otherwise a gradient may be far smaller than the terms that it is the sum of, and the rounding
    of those is the larger error.
    """
    return {name: np.linalg.qr(rng.normal(size=SHAPES[name])).Q / 2 for name in names}


def assert_same(measured, expected, *, terms, size):
    """Equality up to the rounding of a sum of that many terms whose absolute values add to size."""
    tolerance = terms * np.finfo(float).eps * size
    error = np.max(np.abs(np.asarray(measured) - np.asarray(expected, dtype=float)))
    assert error <= tolerance, f"differs by {error:.1e}, more than rounding ({tolerance:.1e})"


def assert_slope(gradient, probe, along, params, batch, scale, readout):
    """The gradient's slope along a probe equals the mixed central difference of the loops."""
    products = np.concatenate([(gradient[name] * probe[name]).ravel() for name in probe])
    expected = loop_derivative(params, [probe, *along], batch, scale, readout)
    # an entry sums over sequences, queries and keys a product with two vectors of the stream
    assert_same(products.sum(), expected, terms=B * T * T * D * D, size=np.abs(products).sum())


# --- values ------------------------------------------------------------------------------------


@few
@given(seed=seeds)
@pytest.mark.parametrize(("readout", "scale"), SETTINGS)
def test_forward_and_loss_equal_the_loops(readout, scale, seed):
    _, params, batch = draw(seed)
    exact = {name: decimals(value) for name, value in params.items()}
    expected = np.array([loop_logits(exact, z, scale, readout) for z in batch[0]], dtype=float)
    logits = reference.forward(params, batch[0], scale=scale, readout=readout)
    size = np.abs(expected).max()
    assert_same(logits, expected, terms=T * D * D, size=size)
    total = reference.loss(params, *batch, scale=scale, readout=readout)
    exact_loss = float(loop_loss(exact, batch, scale, readout))
    assert_same(total, exact_loss, terms=B * T * D * D, size=exact_loss)
    for wrong in (params | {"Phi1": params["Phi1"].T}, params | {"W_K1": params["W_K1"].T}):
        wrong_logits = reference.forward(wrong, batch[0], scale=scale, readout=readout)
        with pytest.raises(AssertionError, match="more than rounding"):
            assert_same(wrong_logits, expected, terms=T * D * D, size=size)


def one_hot_parameters(n_tokens, length, n_outputs, **learned):
    """Every atom its own coordinate: tokens, positions, their images under Phi1, outputs."""
    n_inputs = n_tokens + length
    atoms = np.eye(2 * n_inputs + n_outputs)
    Phi1 = np.zeros_like(atoms)
    Phi1[n_inputs : 2 * n_inputs, :n_inputs] = np.eye(n_inputs)
    return reference.parameters(
        W_E=atoms[:n_tokens],
        W_P=atoms[n_tokens:n_inputs],
        W_U=atoms[2 * n_inputs :],
        Phi1=Phi1,
        W_V2=np.eye(len(atoms)),
        **learned,
    )


def test_three_positions_by_hand():
    """One token, three positions, outputs that read the first position and its image under Phi1.

    Coordinates: 0 the token, 1..3 the positions, 4 the image of the token, 5..7 those of the
    positions, 8 and 9 the outputs. Layer 1: query p_2 and key p_0 score ln 2, all else 0, so that
    row 2 is (2, 1, 1)/4, row 1 is (1, 1)/2 and row 0 is (1). Layer 2 is uniform.
    """
    W_K1, W_O2 = np.zeros((10, 10)), np.zeros((10, 10))
    W_K1[3, 1] = math.log(2)
    W_O2[8, 1] = W_O2[9, 5] = 1
    params = one_hot_parameters(1, 3, 2, W_K1=W_K1, W_O2=W_O2)
    tokens = np.zeros((1, 3), dtype=int)

    half, third, quarter = Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)
    first = [[1, 0, 0], [half, half, 0], [2 * quarter, quarter, quarter]]
    second = [[1, 0, 0], [half, half, 0], [third, third, third]]
    # p_0 is in the stream at position 0 only; its image is there with weights 1, 1/2, 1/2
    logits = [[1, 1], [half, half * (1 + half)], [third, third * (1 + half + half)]]
    maps = reference.attention(params, tokens)
    assert_same(maps[0][0], first, terms=3, size=1)
    assert_same(maps[1][0], second, terms=3, size=1)
    assert_same(reference.forward(params, tokens)[0], logits, terms=9, size=1)

    # the loss at the last position, target 0: ln(1 + exp(2/3 - 1/3))
    targets, weights = np.array([[-1, -1, 0]]), np.array([[0.0, 0.0, 1.0]])
    expected = math.log1p(math.exp(1 / 3))
    assert_same(reference.loss(params, tokens, targets, weights), expected, terms=9, size=expected)


@few
@given(seed=seeds)
def test_attention_is_causal_and_sums_to_one(seed):
    _, params, (tokens, _, _) = draw(seed)
    for attention in reference.attention(params, tokens, scale=2.0):
        assert_same(attention.sum(axis=-1), np.ones((B, T)), terms=T * D * D, size=1)
        assert np.all(attention[:, *np.triu_indices(T, k=1)] == 0)
        assert np.all(attention[:, *np.tril_indices(T)] > 0)
    logits = reference.forward(params, tokens)
    for t in range(T - 1):
        changed = tokens.copy()
        changed[:, t + 1] = (tokens[:, t + 1] + 1) % N
        after = reference.forward(params, changed)
        assert np.array_equal(after[:, : t + 1], logits[:, : t + 1])
        assert not np.any(np.all(after[:, t + 1] == logits[:, t + 1], axis=-1))  # it can fail


def test_extreme_scores_do_not_overflow():
    _, params, batch = draw(0)
    huge = params | {"W_K1": 1e6 * params["W_K1"], "W_O2": 1e6 * params["W_O2"]}
    with np.errstate(invalid="raise", divide="raise", over="raise"):
        with pytest.raises(FloatingPointError, match="overflow"):
            np.exp(np.abs(reference.forward(huge, batch[0])))
        assert np.isfinite(reference.loss(huge, *batch))
        for gradient in reference.gradients(huge, *batch).values():
            assert np.all(np.isfinite(gradient))


# --- derivatives -------------------------------------------------------------------------------

EVERY_MATRIX = [
    (readout, scale, name)
    for readout, scale in SETTINGS
    for name in SHAPES
    if (readout, name) != ("attention", "W_F")  # not part of that readout
]


@few
@given(seed=seeds)
@pytest.mark.parametrize(("readout", "scale", "name"), EVERY_MATRIX)
def test_gradient_of_every_matrix(readout, scale, name, seed):
    rng, params, batch = draw(seed)
    gradient = reference.gradients(params, *batch, wrt=[name], scale=scale, readout=readout)
    probe = matrices(rng, name)
    assert_slope(gradient, probe, [], params, batch, scale, readout)
    with pytest.raises(AssertionError, match="more than rounding"):
        assert_slope({name: -gradient[name]}, probe, [], params, batch, scale, readout)


ALONG = [
    ("W_K2", ["W_O2"]),
    ("W_K1", ["W_O2"]),
    ("W_K1", ["W_O2", "W_K2"]),
]


@few
@given(seed=seeds)
@pytest.mark.parametrize("zero", [(), ("W_O2",), ("W_K1", "W_K2", "W_O2")])
@pytest.mark.parametrize(("name", "moved"), ALONG)
@pytest.mark.parametrize(("readout", "scale"), SETTINGS)
def test_gradient_differentiated_along_directions(readout, scale, name, moved, zero, seed):
    rng, params, batch = draw(seed)
    params |= {other: np.zeros((D, D)) for other in zero}
    along = [matrices(rng, other) for other in moved]
    options = {"wrt": [name], "scale": scale, "readout": readout}
    derivative = reference.gradients(params, *batch, along=along, **options)
    probe = matrices(rng, name)
    assert_slope(derivative, probe, along, params, batch, scale, readout)
    for wrong in (along[:-1], [*along[:-1], {"W_O2": along[0]["W_O2"].T}]):
        with pytest.raises(AssertionError, match="more than rounding"):
            assert_slope(derivative, probe, wrong, params, batch, scale, readout)


# --- errors ------------------------------------------------------------------------------------


def test_wrong_arguments_are_named():
    _, params, (tokens, targets, weights) = draw(0)
    with pytest.raises(ValueError, match=r"readout: expected .* got 'logits'"):
        reference.forward(params, tokens, readout="logits")
    with pytest.raises(ValueError, match="expected one shape"):
        reference.loss(params, tokens, targets[:, -1], weights)
    with pytest.raises(ValueError, match=r"targets: expected 0 to 2 wherever the weight is not 0"):
        reference.loss(params, tokens, np.full_like(targets, -1), weights)
    with pytest.raises(ValueError, match=r"learned: expected some of .* got .*W_Q"):
        reference.parameters(*(params[name] for name in list(SHAPES)[:5]), W_Q=params["W_F"])
