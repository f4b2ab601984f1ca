"""AssociativeMemory: the matrix it stands for, its arithmetic, and reading by strict maximum."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from assocmem.memory import AssociativeMemory
from tests.rounding import EPS

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)
modest = settings(max_examples=50, deadline=None)


def integer_memory(rng, n, m, d_k, d_v):
    draw = lambda *shape: rng.integers(-9, 10, size=shape)  # noqa: E731
    return AssociativeMemory(keys=draw(n, d_k), values=draw(m, d_v), coefficients=draw(m, n))


def gaussian_memory(rng, n, m, d_k, d_v):
    draw = rng.standard_normal
    return AssociativeMemory(keys=draw((n, d_k)), values=draw((m, d_v)), coefficients=draw((m, n)))


def outer_products(memory):
    """Σ_ji C_ji v_j u_iᵀ as the definition says it, one outer product at a time."""
    matrix = np.zeros((memory.values.shape[1], memory.keys.shape[1]), dtype=object)
    for j, v in enumerate(memory.values):
        for i, u in enumerate(memory.keys):
            matrix = matrix + memory.coefficients[j, i] * np.outer(v, u)
    return matrix


def product_error(*factors):
    """Bound on the rounding of any evaluation order of a product of float64 matrices.

    Entry by entry |computed - exact| <= γ |F_1| ... |F_r| with γ = p eps / (1 - p eps) and p the
    total length of the sums plus one rounding per factor (Higham 2002, sections 3.1 and 3.5).
    """
    length = sum(factor.shape[1] for factor in factors) + len(factors)
    bound = abs(factors[0])
    for factor in factors[1:]:
        bound = bound @ abs(factor)
    return length * EPS / (1 - length * EPS) * bound


def identity_scores(scores):
    """A memory whose scores are the given array."""
    scores = np.asarray(scores)
    m, n = scores.shape
    return AssociativeMemory(keys=np.eye(n), values=np.eye(m), coefficients=scores)


# --- the matrix and its scores ---------------------------------------------------------------


@modest
@given(seed=seeds, n=sizes, m=sizes, d_k=sizes, d_v=sizes)
def test_matrix_is_the_sum_of_outer_products(seed, n, m, d_k, d_v):
    memory = integer_memory(np.random.default_rng(seed), n, m, d_k, d_v)
    expected = outer_products(memory)
    np.testing.assert_array_equal(memory.matrix, expected)
    np.testing.assert_array_equal(memory.scores(), memory.values @ expected @ memory.keys.T)
    np.testing.assert_array_equal(memory.T.matrix, expected.T)
    np.testing.assert_array_equal(memory.T.scores(), memory.scores().T)
    assert (memory.n_keys, memory.n_values) == (n, m)


@modest
@given(seed=seeds, n=sizes, m=sizes, asked_keys=sizes, asked_values=sizes)
def test_scores_of_other_vectors(seed, n, m, asked_keys, asked_values):
    rng = np.random.default_rng(seed)
    memory = integer_memory(rng, n, m, 3, 4)
    u, v = rng.integers(-9, 10, (asked_keys, 3)), rng.integers(-9, 10, (asked_values, 4))
    expected = outer_products(memory)
    np.testing.assert_array_equal(memory.scores(u, v), v @ expected @ u.T)
    np.testing.assert_array_equal(memory.scores(keys=u), memory.values @ expected @ u.T)
    np.testing.assert_array_equal(memory.scores(values=v), v @ expected @ memory.keys.T)


def test_scores_do_not_form_a_wide_matrix():
    import tracemalloc

    d = 2**20  # a d x d matrix would take 8 TiB
    rng = np.random.default_rng(5)
    u = rng.integers(-1, 2, (2, d)).astype(float)
    memory = AssociativeMemory(keys=u, values=u, coefficients=[[0, 1], [2, 0]])
    tracemalloc.start()
    scores = memory.scores()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gram = u @ u.T
    np.testing.assert_array_equal(scores, gram @ np.array([[0, 1], [2, 0]]) @ gram)
    assert peak < u.nbytes


def test_without_coefficients_pair_i_is_key_i_and_value_i():
    memory = AssociativeMemory(keys=[[1, 0], [0, 1]], values=[[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(memory.matrix, [[0, 1], [0, 0], [1, 0]])


def test_repr():
    memory = AssociativeMemory(
        keys=np.ones((2, 3)), values=np.ones((4, 5)), coefficients=np.ones((4, 2), np.float32)
    )
    assert repr(memory) == "AssociativeMemory(2 keys in R^3 -> 4 values in R^5, float32)"


def test_float32_stays_float32():
    eye = np.eye(3, dtype=np.float32)
    memory = AssociativeMemory(keys=eye, values=eye)
    for array in memory.scores(), memory.matrix, memory.margin(), (2 * memory).matrix:
        assert array.dtype == np.float32
    read = AssociativeMemory.from_matrix(memory.matrix, eye, eye)
    assert read.coefficients.dtype == np.float32


def test_booleans_and_small_integers_are_counted_not_wrapped():
    on = np.ones((2, 2), dtype=bool)
    np.testing.assert_array_equal(
        AssociativeMemory(keys=on, values=on, coefficients=on).scores(), np.full((2, 2), 16)
    )
    big = np.full((1, 1), 100, dtype=np.int8)
    assert AssociativeMemory(keys=big, values=big).matrix[0, 0] == 10_000


# --- integers become floats ----------------------------------------------------------------------

wide = st.integers(-(2**63), 2**64 - 1)


@modest
@given(entries=st.lists(wide, min_size=3, max_size=3), a=wide)
def test_integers_count_as_floats_and_never_overflow(entries, a):
    u, v, c = entries
    memory = AssociativeMemory(keys=np.array([[u]]), values=np.array([[v]]), coefficients=[[c]])
    floats = AssociativeMemory(keys=[[float(u)]], values=[[float(v)]], coefficients=[[float(c)]])
    for measured, expected in [
        (memory.matrix, floats.matrix),
        (memory.scores(), floats.scores()),
        ((a * memory).matrix, (float(a) * floats).matrix),
        ((memory + memory).matrix, (floats + floats).matrix),
        ((-memory).matrix, (-floats).matrix),
        (memory @ [3], floats @ [3.0]),
    ]:
        assert measured.dtype == np.float64
        np.testing.assert_array_equal(measured, expected)


def test_integers_beside_symbols_stay_exact():
    x = sympy.Symbol("x")
    memory = AssociativeMemory(keys=[[2**40]], values=[[2**40]], coefficients=np.array([[x]]))
    assert memory.matrix[0, 0] == 2**80 * x
    assert memory.store([1], [3]).matrix[0, 0] == 2**80 * x + 3
    assert memory.scores(keys=[[2**30]]).tolist() == [[2**150 * x]]


# --- arithmetic ------------------------------------------------------------------------------


@modest
@given(seed=seeds, n=sizes, m=sizes, n2=sizes, m2=sizes, a=st.integers(-9, 9))
def test_arithmetic_is_that_of_the_matrices(seed, n, m, n2, m2, a):
    rng = np.random.default_rng(seed)
    one, other = integer_memory(rng, n, m, 3, 4), integer_memory(rng, n2, m2, 3, 4)
    same_atoms = AssociativeMemory(
        keys=one.keys.copy(), values=one.values, coefficients=rng.integers(-9, 10, (m, n))
    )
    cases = [
        (one + other, one.matrix + other.matrix),
        (one - other, one.matrix - other.matrix),
        (one + same_atoms, one.matrix + same_atoms.matrix),
        (-one, -one.matrix),
        (a * one, a * one.matrix),
        (one * a, a * one.matrix),
        (np.int64(a) * one, a * one.matrix),
        (a * (one + other) - a * other, a * one.matrix),
    ]
    for memory, matrix in cases:
        np.testing.assert_array_equal(memory.matrix, matrix)
    assert (one + same_atoms).n_keys == n
    np.testing.assert_array_equal((one / 8).matrix, one.matrix / 8)  # a power of two: exact


@pytest.mark.parametrize("sign_of_keys", [1, -1])
def test_sharing_keys_or_values_is_not_sharing_the_atoms(sign_of_keys):
    one = AssociativeMemory(keys=np.eye(2), values=np.eye(2))
    other = AssociativeMemory(keys=sign_of_keys * np.eye(2), values=-sign_of_keys * np.eye(2))
    half_shared = AssociativeMemory(keys=other.keys, values=one.values)
    np.testing.assert_array_equal((one + other).matrix, np.zeros((2, 2)))
    np.testing.assert_array_equal((one + half_shared).matrix, (1 + sign_of_keys) * np.eye(2))


def test_numpy_scalars_and_arrays_on_the_left():
    memory = AssociativeMemory(keys=np.eye(2), values=np.eye(2))
    assert isinstance(np.float64(3) * memory, AssociativeMemory)
    np.testing.assert_array_equal((np.float64(3) * memory).matrix, 3 * np.eye(2))
    for sign, product in [
        (r"\*", lambda: memory * np.ones(2)),
        (r"\*", lambda: np.ones(2) * memory),
        (r"\*", lambda: memory * memory),
        (r"\*", lambda: memory * "2"),
        ("/", lambda: memory / np.ones(2)),
        ("/", lambda: memory / memory),
    ]:
        with pytest.raises(TypeError, match=sign + r": expected a scalar; got .* with @"):
            product()
    with pytest.raises(TypeError, match="unsupported operand"):
        memory + 1
    with pytest.raises(TypeError, match="does not support ufuncs"):
        memory - np.eye(2)
    with pytest.raises(ZeroDivisionError, match="divisor other than zero"):
        memory / 0
    with pytest.raises(ValueError, match="coefficients: expected finite numbers; got nan"):
        memory * np.nan


@modest
@given(seed=seeds, pairs=sizes)
def test_store(seed, pairs):
    rng = np.random.default_rng(seed)
    memory = integer_memory(rng, 2, 2, 3, 4)
    key, value = rng.integers(-9, 10, (pairs, 3)), rng.integers(-9, 10, (pairs, 4))
    weight = rng.integers(-9, 10, pairs)
    at_once, one_by_one = memory.store(key, value, weight), memory
    for i in range(pairs):
        one_by_one = one_by_one.store(key[i], value[i], weight[i])
    expected = memory.matrix + sum(weight[i] * np.outer(value[i], key[i]) for i in range(pairs))
    np.testing.assert_array_equal(at_once.matrix, expected)
    np.testing.assert_array_equal(one_by_one.matrix, expected)
    np.testing.assert_array_equal(memory.store(key, value).matrix, memory.matrix + value.T @ key)
    assert memory.n_keys == 2  # the memory stored into is unchanged


@pytest.mark.parametrize("start", [-1, 1, 0.0, None, "0"])
def test_a_sum_starts_at_0_only(start):
    memory = AssociativeMemory(keys=E, values=E)
    np.testing.assert_array_equal(sum([memory, memory]).matrix, 2 * E)
    with pytest.raises(TypeError):
        start + memory


def test_memories_are_compared_by_identity():
    memory, twin = (AssociativeMemory(keys=E, values=E) for _ in range(2))
    assert memory == memory
    assert memory != twin
    assert len({memory, twin}) == 2


def test_a_memory_cannot_be_changed():
    memory = AssociativeMemory(keys=np.eye(2), values=np.eye(2))
    with pytest.raises(AttributeError):
        memory.coefficients = np.eye(2)


# --- symbolic coefficients -------------------------------------------------------------------


def test_sympy_coefficients():
    x, y = sympy.symbols("x y")
    third = sympy.Rational(1, 3)
    keys = np.array([[1, 2], [0, 1]])
    memory = AssociativeMemory(
        keys=keys, values=np.eye(2, dtype=int), coefficients=np.array([[x, 1], [third, y]])
    )
    assert memory.matrix.tolist() == [[x, 2 * x + 1], [third, y + 2 * third]]
    assert memory.T.matrix.tolist() == memory.matrix.T.tolist()
    expanded = np.vectorize(sympy.expand, otypes=[object])
    scores = [[5 * x + 2, 2 * x + 1], [2 * y + 5 * third, y + 2 * third]]
    assert expanded(memory.scores()).tolist() == scores
    assert (memory + memory).matrix.tolist() == expanded(2 * memory.matrix).tolist()
    assert (memory - memory).matrix.tolist() == [[0, 0], [0, 0]]
    for scaled in x * memory, memory * x:
        assert expanded(scaled.matrix).tolist() == expanded(x * memory.matrix).tolist()
    three = sympy.Integer(3)  # Python's 1 / 3 is a float
    assert expanded((memory / three).matrix).tolist() == expanded(memory.matrix / three).tolist()
    stored = memory.store([1, 0], [0, 1], y).matrix
    assert expanded(stored - memory.matrix).tolist() == [[0, 0], [y, 0]]
    other = AssociativeMemory(keys=[[1, 0]], values=[[0, 1]], coefficients=np.array([[4]], object))
    assert expanded((memory + other).matrix - memory.matrix).tolist() == [[0, 0], [4, 0]]


def test_sympy_numbers_are_recalled_and_symbols_are_refused():
    eye = np.eye(2, dtype=int)
    third = sympy.Rational(1, 3)
    memory = AssociativeMemory(
        keys=eye, values=eye, coefficients=np.array([[third, 0], [0, -third]])
    )
    assert memory.recall() == 0.5
    np.testing.assert_array_equal(memory.margin(), [1 / 3, -1 / 3])
    with pytest.raises(TypeError, match=r"scores: expected numbers.*Substitute the symbols"):
        (sympy.Symbol("x") * memory).recall()


# --- recall, margin, chance ------------------------------------------------------------------


@modest
@given(seed=seeds, n=sizes, m=sizes)
def test_recall_and_margin_against_the_definition(seed, n, m):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (m, n))  # few values, hence many ties
    targets = rng.integers(m, size=n)
    among = rng.random((m, n)) < 0.6
    among[targets, np.arange(n)] = True
    among.flags.writeable = False  # it is the caller's
    for mask in None, among:
        right, margins, guess = 0, [], Fraction(0)
        for i, y in enumerate(targets):
            admissible = [j for j in range(m) if mask is None or mask[j, i]]
            wrong = [int(scores[j, i]) for j in admissible if j != y]
            right += all(scores[y, i] > score for score in wrong)
            margins.append(scores[y, i] - max(wrong) if wrong else np.inf)
            guess += Fraction(1, len(admissible))
        memory = identity_scores(scores)
        assert memory.recall(targets, mask) == right / n
        np.testing.assert_array_equal(memory.margin(targets, mask), margins)
        # n additions and divisions, each off by eps at most
        assert abs(memory.chance(mask) - float(guess / n)) <= (n + 1) * EPS


def test_default_targets_allow_more_values_than_keys():
    memory = identity_scores([[3, 0], [0, 3], [1, 1]])
    assert memory.recall() == 1.0
    np.testing.assert_array_equal(memory.margin(), [2, 2])
    assert memory.chance() == 1 / 3
    with pytest.raises(
        ValueError, match=r"targets: expected at least as many.*got 3 keys and 2 values"
    ):
        memory.T.recall()
    assert memory.T.recall(targets=[0, 1, 1]) == 2 / 3


def test_a_causal_mask_hides_later_positions():
    """Row t of W_K1 asks for s = t - 1 among s <= t, as in the previous-token head."""
    scores = np.zeros((4, 4))
    scores[[0, 1, 2], [1, 2, 3]] = 1  # [s, t]
    scores[3, 1] = 9  # position 3 lies after position 1
    s, t = np.indices((4, 4))
    memory = identity_scores(scores)
    queries = np.eye(4)[1:]
    assert memory.recall([0, 1, 2], (s <= t)[:, 1:], keys=queries) == 1.0
    assert memory.recall([0, 1, 2], keys=queries) == 2 / 3
    assert memory.chance((s <= t)[:, 1:]) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3, rel=EPS)


# --- invariances -----------------------------------------------------------------------------


@modest
@given(seed=seeds, n=st.integers(1, 6), extra=st.integers(0, 2))
def test_permutation_equivariance(seed, n, extra):
    rng = np.random.default_rng(seed)
    memory = integer_memory(rng, n, n + extra, 4, 4)
    of_keys, of_values = rng.permutation(n), rng.permutation(n + extra)
    moved = AssociativeMemory(
        keys=memory.keys[of_keys],
        values=memory.values[of_values],
        coefficients=memory.coefficients[np.ix_(of_values, of_keys)],
    )
    targets = rng.integers(n + extra, size=n)
    moved_targets = np.argsort(of_values)[targets[of_keys]]
    np.testing.assert_array_equal(moved.matrix, memory.matrix)
    np.testing.assert_array_equal(moved.scores(), memory.scores()[np.ix_(of_values, of_keys)])
    np.testing.assert_array_equal(moved.margin(moved_targets), memory.margin(targets)[of_keys])
    assert moved.recall(moved_targets) == memory.recall(targets)


@modest
@given(seed=seeds, n=sizes, m=sizes, d=sizes)
def test_scores_do_not_change_under_rotations(seed, n, m, d):
    """Exact for signed permutations, which are rotations; to rounding for Haar ones."""
    rng = np.random.default_rng(seed)
    memory = integer_memory(rng, n, m, d, d)
    turn = np.eye(d, dtype=int)[rng.permutation(d)] * rng.choice([-1, 1], (d, 1))
    turned = AssociativeMemory(
        keys=memory.keys @ turn.T, values=memory.values, coefficients=memory.coefficients
    )
    np.testing.assert_array_equal(turned.scores(), memory.scores())
    np.testing.assert_array_equal(turned.matrix, memory.matrix @ turn.T)

    memory = gaussian_memory(rng, n, m, d, d)
    orthogonal = np.linalg.qr(rng.standard_normal((d, d)))[0]
    keys = memory.keys @ orthogonal.T
    turned = AssociativeMemory(keys=keys, values=memory.values, coefficients=memory.coefficients)
    v, c, u = memory.values, memory.coefficients, memory.keys
    # how far QᵀQ is from the identity, and the rounding of measuring it
    off = np.linalg.norm(orthogonal.T @ orthogonal - np.eye(d), 2) + d**2 * EPS
    tolerance = product_error(v, v.T, c, u, u.T) + product_error(
        v, v.T, c, u, orthogonal.T, orthogonal, u.T
    )
    tolerance = tolerance + off * abs(v @ v.T @ c) @ np.multiply.outer(
        np.linalg.norm(u, axis=1), np.linalg.norm(u, axis=1)
    )
    assert (abs(turned.scores() - memory.scores()) <= tolerance).all()


def test_a_stretch_is_not_a_rotation():
    memory = gaussian_memory(np.random.default_rng(2), 3, 3, 4, 4)
    stretched = AssociativeMemory(
        keys=memory.keys * [2, 1, 1, 1], values=memory.values, coefficients=memory.coefficients
    )
    assert not np.allclose(stretched.scores(), memory.scores())


# --- from_matrix -----------------------------------------------------------------------------


@modest
@given(seed=seeds, n=sizes, m=sizes, rank=st.integers(1, 4), dependent=st.booleans())
def test_from_matrix_keeps_the_scores(seed, n, m, rank, dependent):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((5, 4))
    if dependent:  # exactly dependent: one-hot rows, repeated
        keys, values = np.eye(4)[rng.integers(rank, size=n)], np.eye(5)[rng.integers(rank, size=m)]
    else:
        keys, values = rng.standard_normal((n, 4)), rng.standard_normal((m, 5))
    memory = AssociativeMemory.from_matrix(matrix, keys, values)
    assert memory.coefficients.shape == (m, n)
    v, c, u = values, memory.coefficients, keys
    # a pseudo-inverse is known to its condition number times eps (normwise), rank-deficient too
    stretch = condition(keys) * condition(values)
    tolerance = stretch * (
        product_error(v, v.T, c, u, u.T).max() + product_error(v, matrix, u.T).max()
    )
    assert abs(memory.scores() - values @ matrix @ keys.T).max() <= tolerance


def condition(table):
    singular = np.linalg.svd(table, compute_uv=False)
    return singular[0] / singular[singular > max(table.shape) * EPS * singular[0]][-1]


def test_from_matrix_with_nearly_dependent_keys():
    """A dependence hidden by rounding is a dependence: its direction is not divided by."""
    rng = np.random.default_rng(3)
    draw = lambda *shape: rng.standard_normal(shape, dtype=np.float32)  # noqa: E731
    keys, matrix = draw(60, 3) @ draw(3, 40), draw(40, 40)  # rank 3 up to rounding
    memory = AssociativeMemory.from_matrix(matrix, keys, np.eye(40, dtype=np.float32))
    singular = np.linalg.svd(keys, compute_uv=False)
    largest, smallest = singular[0], singular[2]
    assert singular[3] > 1e-15 * largest  # NumPy's default cut-off would count it as rank
    # the pseudo-inverse of rank 3 has norm 1 / smallest; a norm doubles at the most by rounding
    assert np.linalg.norm(memory.coefficients) <= 2 * np.linalg.norm(matrix) / smallest
    # backward error of the decomposition: its dimensions times eps, times the condition number
    relative = sum(keys.shape) * np.finfo(np.float32).eps * largest / smallest
    error = np.linalg.norm(memory.scores() - matrix @ keys.T)
    assert error <= relative * np.linalg.norm(matrix) * np.linalg.norm(keys)


def test_from_matrix_of_one_hot_atoms_is_the_matrix():
    matrix = np.arange(6).reshape(2, 3)
    memory = AssociativeMemory.from_matrix(matrix, np.eye(3, dtype=int), np.eye(2, dtype=int))
    np.testing.assert_array_equal(memory.coefficients, matrix)


def test_from_matrix_drops_what_lies_outside_the_spans():
    memory = AssociativeMemory.from_matrix(np.ones((2, 2)), keys=[[1, 0]], values=[[0, 1]])
    np.testing.assert_array_equal(memory.matrix, [[0, 0], [1, 0]])


def test_from_matrix_with_symbols():
    x = sympy.Symbol("x")
    memory = AssociativeMemory.from_matrix(np.array([[x, 0], [0, 1]]), np.eye(2), np.eye(2))
    at_two = [[float(sympy.sympify(c).subs(x, 2)) for c in row] for row in memory.scores()]
    assert at_two == [[2.0, 0.0], [0.0, 1.0]]
    with pytest.raises(TypeError, match=r"keys: expected numbers; got symbolic"):
        AssociativeMemory.from_matrix(np.eye(1), np.array([[x]]), np.eye(1))


# --- bad input -------------------------------------------------------------------------------

E = np.eye(2)
BAD_MEMORIES = [
    ({"keys": [1, 0]}, ValueError, r"keys: .*2-d array; got shape \(2,\)\. Put one"),
    ({"keys": np.zeros((0, 2))}, ValueError, r"keys: expected a non-empty 2-d"),
    ({"keys": [[1, 0], [1]]}, ValueError, r"keys: expected rows of one length"),
    ({"values": [[1, np.nan]]}, ValueError, r"values: .*finite.*got nan at \[0, 1\]"),
    ({"keys": [[np.inf]], "values": [[1]]}, ValueError, r"keys: expected finite.*got inf"),
    ({"keys": E * 1j}, TypeError, r"keys: expected real.*got dtype complex128"),
    ({"keys": [["a"]]}, TypeError, r"keys: expected real numbers or SymPy"),
    ({"values": [[1, 0]]}, ValueError, r"got 2 keys and 1 values.*shape \(1, 2\)"),
    (
        {"values": [[1, 0]], "coefficients": [[1], [2]]},
        ValueError,
        r"coefficients: expected shape \(1, 2\).*got \(2, 1\)\. Transpose them",
    ),
    (
        {"coefficients": np.ones((3, 2))},
        ValueError,
        r"coefficients: expected shape \(2, 2\).*got \(3, 2\)\.$",
    ),
    (
        {"coefficients": [[1, 0], [np.nan, 1]]},
        ValueError,
        r"coefficients: expected finite numbers; got nan at \[1, 0\]",
    ),
]


@pytest.mark.parametrize(("given", "error", "text"), BAD_MEMORIES)
def test_bad_memories(given, error, text):
    with pytest.raises(error, match=text):
        AssociativeMemory(**{"keys": E, "values": E} | given)


BAD_CALLS = [
    (lambda W: W.scores(keys=[[1]]), ValueError, r"keys: .*width 2, as in the memory; got 1"),
    (lambda W: W.scores(values=[[1, 2, 3]]), ValueError, r"values: .*width 2.*got 3.*transpose"),
    (lambda W: W.recall([0]), ValueError, r"targets: expected shape \(2,\), one per key; got \(1"),
    (lambda W: W.recall([0, 2]), ValueError, r"targets: .*from 0 to 1; got 0 to 2"),
    (lambda W: W.recall([-1, 0]), ValueError, r"targets: .*from 0 to 1; got -1 to 0"),
    (lambda W: W.recall([0.0, 1.0]), TypeError, r"targets: expected integers.*got dtype float64"),
    (lambda W: W.recall(among=E), TypeError, r"among: expected a boolean mask; got dtype float64"),
    (
        lambda W: W.margin(among=[[True, True]]),
        ValueError,
        r"among: expected shape \(2, 2\).*got \(1, 2\)",
    ),
    (
        lambda W: W.recall(among=[[True, True], [True, False]]),
        ValueError,
        r"among: .*; got a mask without the target 1 of key 1",
    ),
    (lambda W: W.chance(E), TypeError, r"among: expected a boolean mask"),
    (lambda W: W.chance([True]), ValueError, r"among: expected shape \(values, keys\)"),
    (
        lambda W: W.chance([[True, False], [True, False]]),
        ValueError,
        r"among: .*; got none for key 1\. Leave its column out",
    ),
    (lambda W: W.store([1], [1, 0]), ValueError, r"key: expected vectors of width 2.*got 1"),
    (lambda W: W.store([1, 0], [1]), ValueError, r"value: expected vectors of width 2.*got 1"),
    (lambda W: W.store(E, [1, 0]), ValueError, r"store: .*got 2 keys, 1 values"),
    (lambda W: W.store(E, E, [1, 2, 3]), ValueError, r"coefficient of shape \(3,\)"),
    (
        lambda W: W + AssociativeMemory(keys=[[1, 0, 0]], values=[[1, 0]]),
        ValueError,
        r"\+: .*got \(2, 2\) and \(2, 3\)",
    ),
    (lambda W: W @ [1, 2, 3], ValueError, r"@: expected a vector of width 2.*got shape \(3,\)"),
    (lambda W: [[1, 2, 3]] @ W, ValueError, r"@: expected a vector of width 2.*got shape \(3, 1\)"),
    (lambda W: W @ [np.nan, 0], ValueError, r"@: expected finite numbers; got nan"),
    (lambda W: W @ 2, ValueError, r"@: expected a vector of width 2.*got shape \(\)"),
    (
        lambda W: W @ AssociativeMemory(keys=[[1]], values=[[1, 0, 0]]),
        ValueError,
        r"@: expected a memory whose values have width 2.*got 3",
    ),
    (lambda W: np.array(W, copy=False), ValueError, r"copy: expected True or None.*got False"),
    (
        lambda W: AssociativeMemory.from_matrix(np.ones((2, 3)), np.ones((1, 2)), np.ones((1, 3))),
        ValueError,
        r"matrix: expected shape \(3, 2\).*got \(2, 3\)",
    ),
    (
        lambda W: AssociativeMemory.from_matrix([[np.nan]], [[1]], [[1]]),
        ValueError,
        r"matrix: expected finite numbers; got nan",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD_CALLS)
def test_bad_calls(call, error, text):
    with pytest.raises(error, match=text):
        call(AssociativeMemory(keys=E, values=E))


@pytest.mark.parametrize("entry", [None, float("nan")])
def test_objects_that_are_no_numbers(entry):
    coefficients = np.array([[entry]], dtype=object)
    with pytest.raises(ValueError, match="coefficients: expected finite real numbers or SymPy"):
        AssociativeMemory(keys=[[1]], values=[[1]], coefficients=coefficients)


@modest
@given(seed=seeds, d_k=sizes, d_v=sizes, d=sizes, p=sizes)
def test_a_memory_multiplies_like_its_matrix(seed, d_k, d_v, d, p):
    """Vectors, several of them, other memories, from both sides; and nothing of another width."""
    rng = np.random.default_rng(seed)

    def integers(*shape):
        return rng.integers(-3, 4, shape).astype(float)

    W = AssociativeMemory(
        keys=integers(3, d_k), values=integers(2, d_v), coefficients=integers(2, 3)
    )
    V = AssociativeMemory(keys=integers(2, d), values=integers(4, d_k), coefficients=integers(4, 2))
    assert W.shape == np.shape(W) == W.matrix.shape == (d_v, d_k)
    for dtype in np.float32, np.float64:
        found = np.array(W, dtype=dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, W.matrix)
    for x in (integers(d_k), integers(d_k, p)):
        np.testing.assert_array_equal(W @ x, W.matrix @ x)
    for x in (integers(d_v), integers(p, d_v)):
        np.testing.assert_array_equal(x @ W, x @ W.matrix)
    np.testing.assert_array_equal((W @ V).matrix, W.matrix @ V.matrix)
    np.testing.assert_array_equal((W.T @ W).matrix, W.matrix.T @ W.matrix)
    wrong = AssociativeMemory(keys=integers(2, d), values=integers(2, d_k + 1))
    for other in (wrong, integers(d_k + 1), integers(d_k + 1, p), integers(d_k, p, 2)):
        with pytest.raises(ValueError, match="@: expected"):
            W @ other


@modest
@given(n=sizes, m=sizes, rows=sizes, columns=sizes)
def test_coefficients_have_a_row_per_value_and_a_column_per_key(n, m, rows, columns):
    keys, values = np.ones((n, 2)), np.ones((m, 2))
    if (rows, columns) == (m, n):
        AssociativeMemory(keys=keys, values=values, coefficients=np.ones((rows, columns)))
    else:
        with pytest.raises(ValueError, match="coefficients: expected"):
            AssociativeMemory(keys=keys, values=values, coefficients=np.ones((rows, columns)))


@modest
@given(pairs=sizes, others=sizes, weights=sizes)
def test_store_takes_as_many_values_and_coefficients_as_keys(pairs, others, weights):
    memory = AssociativeMemory(keys=np.eye(2), values=np.eye(2))
    keys, values = np.ones((pairs, 2)), np.ones((others, 2))
    if others == pairs and weights in (1, pairs):
        weight = 2.0 if weights != pairs else np.full(pairs, 2.0)
        stored = memory.store(keys, values, weight)
        np.testing.assert_array_equal(stored.matrix, np.eye(2) + 2 * pairs * np.ones((2, 2)))
    else:
        with pytest.raises(ValueError, match="store: expected as many values as keys"):
            memory.store(keys, values, np.ones(weights))


def test_small_entries_beside_large_ones_are_kept():
    """Powers of two are taken out of a factor as far as its range admits, not of each entry."""
    keys = np.diag([2.0**150, 2.0**-1000])
    W = AssociativeMemory(keys=keys, values=np.eye(2), coefficients=np.eye(2))
    np.testing.assert_array_equal(np.diag(W.matrix), np.diag(keys))
