"""Hypothesis strategies and assertions about random vectors and memories, for your own tests.

Needs Hypothesis (``pip install assocmem[testing]``); ``import assocmem`` does not load this module.

How often does such a test fail by chance? `assert_near_orthogonal` fails for vectors of the family
it names with probability at most ``delta``. A property-based test that runs 100 examples can fail
in each of them: give it ``delta / 100``. That holds whatever seeds Hypothesis picks, as it picks
them without knowing the vectors; a seed that it tries in every run, such as 0, fails always or
never. `assert_recalls` leaves nothing to chance: what may fail by chance is the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Array,
    Seed,
    at_least,
    checked_probability,
    checked_rows,
    checked_size,
    generator,
    required,
)
from assocmem.memory import AssociativeMemory
from assocmem.tasks import InductionTask
from assocmem.testing.gram import eigenvalue_bound, mean_cosine_bound
from assocmem.vectors.families import (
    coherence,
    coherence_bound,
    directions,
    family_named,
    require_dimensions,
)

if TYPE_CHECKING:
    from hypothesis import strategies as st
else:
    st = required("hypothesis.strategies", "testing")

__all__ = [
    "assert_near_orthogonal",
    "assert_recalls",
    "embeddings",
    "induction_tasks",
    "memories",
    "random_memory",
]

Sizes: TypeAlias = "int | range | st.SearchStrategy[int]"
Family: TypeAlias = "str | Callable[..., ArrayLike]"
SEEDS = st.integers(0, 2**64 - 1)
# Of delta, what the mean and the spectrum may take. Their bounds hardly depend on it, and nearly
# all is left to the largest cosine, whose bound is sharp.
SHARE = 1e-3


def embeddings(
    family: Family = "sphere", n: Sizes = range(2, 9), d: Sizes = range(64, 129)
) -> st.SearchStrategy[Array]:
    """Strategy: n random vectors of a family in dimension d, an (n, d) array.

    Parameters
    ----------
    family : str or callable
        A name, or a function of yours: it is called as ``family(n, d, rng=seed)``.
    n, d : int, range or strategy
        The sizes. For "orthonormal", dimensions below n are left out.

    Returns
    -------
    SearchStrategy
        Of arrays of shape (n, d). Hypothesis draws the seed, so a failing example is reported as a
        call to repeat, such as ``rademacher(n=4, d=8, rng=0)``.

    Raises
    ------
    TypeError, ValueError
        For an unknown family and for sizes that are not positive, and where a function returns
        anything but n finite vectors in dimension d.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=10, deadline=None)
    ... @given(u=embeddings("rademacher", n=4, d=range(8, 17)))
    ... def test(u):
    ...     assert u.shape[0] == 4 and 8 <= u.shape[1] <= 16
    >>> test()
    """
    draw, sizes = _drawing(family), st.tuples(_sizes("n", n), _sizes("d", d))
    if family == "orthonormal":
        require_dimensions(_extremes(n)[0], _extremes(d)[1])
        sizes = sizes.filter(lambda size: size[0] <= size[1])

    def drawn(size: tuple[int, int]) -> st.SearchStrategy[Array]:
        return st.builds(draw, n=st.just(size[0]), d=st.just(size[1]), rng=SEEDS)

    return sizes.flatmap(drawn)


def memories(
    family: Family = "orthonormal",
    n: Sizes = range(2, 9),
    d: Sizes = range(16, 33),
    m: Sizes | None = None,
) -> st.SearchStrategy[AssociativeMemory]:
    """Strategy: memories over n random keys and as many values, all from one family.

    Parameters
    ----------
    family : str or callable
        As in `embeddings`.
    n, d : int, range or strategy
        The number of keys, and the width.
    m : int, range or strategy, optional
        The number of values; without it pair i is (key i, value i). With it the coefficients (m, n)
        are independent standard normals.

    Returns
    -------
    SearchStrategy
        Of memories. A failing example is reported as a call of `random_memory`.

    Raises
    ------
    TypeError, ValueError
        As `embeddings`.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=10, deadline=None)
    ... @given(W=memories(n=range(2, 6)))
    ... def test(W):
    ...     assert W.recall() == 1  # orthonormal keys and values: always
    >>> test()
    """
    _drawing(family)
    values: st.SearchStrategy[int | None] = st.none() if m is None else _sizes("m", m)
    sizes = st.tuples(_sizes("n", n), _sizes("d", d), values)
    if family == "orthonormal":
        for count in (n,) if m is None else (n, m):
            require_dimensions(_extremes(count)[0], _extremes(d)[1])
        sizes = sizes.filter(lambda size: max(size[0], size[2] or 0) <= size[1])

    def drawn(size: tuple[int, int, int | None]) -> st.SearchStrategy[AssociativeMemory]:
        arguments = dict(zip(("n", "d", "m"), map(st.just, size), strict=True))
        return st.builds(random_memory, **arguments, family=st.just(family), rng=SEEDS)

    return sizes.flatmap(drawn)


def random_memory(
    n: int, d: int, *, m: int | None = None, family: Family = "sphere", rng: Seed = None
) -> AssociativeMemory:
    """Draw a memory over random keys and values.

    Parameters
    ----------
    n, d : int
        The number of keys, and the width.
    m : int, optional
        The number of values, with coefficients (m, n) that are independent standard normals;
        without it n values, paired one to one.
    family : str or callable
        As in `embeddings`.
    rng : int, generator of NumPy or None
        Where the draws come from; None draws anew each time.

    Returns
    -------
    AssociativeMemory
        In float64.

    Raises
    ------
    TypeError, ValueError
        As `gaussian`.

    Examples
    --------
    >>> random_memory(3, 8, rng=0)
    AssociativeMemory(3 keys in R^8 -> 3 values in R^8, float64)
    """
    draw, rng = _drawing(family), generator(rng)
    if m is not None:
        checked_size("m", m)
    keys, values = draw(n, d, rng=rng), draw(n if m is None else m, d, rng=rng)
    coefficients = None if m is None else rng.standard_normal((m, n))
    return AssociativeMemory(keys=keys, values=values, coefficients=coefficients)


def induction_tasks(
    *, max_sequences: int = 2000, max_tokens: int = 8, max_length: int = 8
) -> st.SearchStrategy[InductionTask]:
    """Strategy: small induction tasks of every kind, simplest first.

    Parameters
    ----------
    max_sequences : int
        The most sequences that a task may have, so that `enumerate` is cheap.
    max_tokens, max_length : int
        The largest sizes, at most 32.

    Returns
    -------
    SearchStrategy
        Of tasks with every number of triggers, fixed and random, and both vocabularies.

    Raises
    ------
    TypeError, ValueError
        For sizes out of range, and when there are no such tasks.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=10, deadline=None)
    ... @given(task=induction_tasks(max_sequences=100))
    ... def test(task):
    ...     assert len(task.enumerate()) <= 100
    >>> test()
    """
    for name, most in (
        ("max_sequences", max_sequences),
        ("max_tokens", max_tokens),
        ("max_length", max_length),
    ):
        at_least(name, most, 1)
    if max(max_tokens, max_length) > 32:
        raise ValueError(
            f"max_tokens, max_length: expected at most 32, as every task is listed; got "
            f"{max_tokens} and {max_length}. Build larger tasks by hand."
        )
    tasks = []
    for n, length in product(range(3, max_tokens + 1), range(3, max_length + 1)):
        for triggers in range(1, n - 1):
            tasks.append(InductionTask(n, length, triggers, "content"))
            tasks.append(InductionTask(n, length, triggers, "all"))
        tasks.append(InductionTask(n, length, "random", "all"))
    small = [task for task in tasks if task.n_sequences <= max_sequences]
    if not small:
        raise ValueError(
            f"max_sequences: expected at least 2, with max_tokens and max_length at least 3; got "
            f"{max_sequences}, {max_tokens} and {max_length}. The smallest task has two sequences."
        )
    return st.sampled_from(sorted(small, key=lambda task: task.n_sequences))


def assert_near_orthogonal(u: ArrayLike, *, delta: float = 1e-9, family: str = "sphere") -> None:
    """Assert that the rows of u overlap no more than random vectors do, in pairs and together.

    Three numbers are held against bounds, and rounding: the largest |cos| over all pairs (the sharp
    `coherence_bound`, from the exact law of a pair); the mean cosine, which a common direction
    raises; and the largest eigenvalue of the Gram matrix, which is large where the rows lean to few
    directions. Norms are not looked at. The source of the last two is `assocmem.testing.gram`.

    Parameters
    ----------
    u : array_like, shape (n, d)
        At least two vectors, one a row.
    delta : float
        The probability, at most, that rows fail which are independent draws of the family, all
        three numbers together. In a test that runs many examples, divide it by their number.
    family : {"sphere", "gaussian", "rademacher", "orthonormal"}
        The law that the rows are held against.

    Raises
    ------
    AssertionError
        With the rows, or the number, that are too large.
    TypeError, ValueError
        For arrays that are no vectors, and where the assertion could not fail: fewer than two rows,
        or so few dimensions that the bound is 1.

    Examples
    --------
    >>> import assocmem as am
    >>> u = am.sphere(98, 1000, rng=0)
    >>> assert_near_orthogonal(u)
    >>> u[7] = -u[3]
    >>> assert_near_orthogonal(u)
    Traceback (most recent call last):
    ...
    AssertionError: u: rows 3 and 7 have cosine -1; 98 vectors of the family "sphere" ...
    """
    __tracebackhide__ = True
    rows = checked_rows("u", u)
    n, d = rows.shape
    if n < 2:
        raise ValueError("u: expected at least two rows, as one vector has no pairs; got one.")
    delta = checked_probability("delta", delta)
    bound = coherence_bound(n, d, delta=delta * (1 - 2 * SHARE), family=family, sharp=True)
    rounding = _rounding(rows, family)
    allowed = bound + rounding
    if allowed >= 1:
        raise ValueError(
            f"u: expected more dimensions; got {n} vectors in dimension {d}, where parallel "
            f"vectors are no surprise at delta = {delta}. Test fewer or wider vectors, or raise "
            f"delta."
        )
    rows = rows.astype(float)
    measured = coherence(rows)
    if measured > allowed:
        i, j, cosine = _worst_pair(rows)
        raise AssertionError(
            f'u: rows {i} and {j} have cosine {cosine:.6g}; {n} vectors of the family "{family}" '
            f"in dimension {d} stay within {bound:.6g} with probability 1 - {delta:g}. These are "
            f"not independent draws: look for rows that are repeated, negated or correlated."
        )
    if family != "orthonormal":  # of which the largest cosine says all
        _assert_spread(directions(rows), delta, family, rounding)


def _assert_spread(unit: Array, delta: float, family: str, rounding: float) -> None:
    """Fail when the mean cosine or the largest eigenvalue of the Gram matrix is too large."""
    __tracebackhide__ = True
    n, d = unit.shape
    total = unit.sum(axis=0)
    smaller = unit @ unit.T if n < d else unit.T @ unit  # their largest eigenvalues are equal
    for what, measured, bound, error, look in (
        (
            "mean cosine",
            float(total @ total - n) / (n * (n - 1)),
            mean_cosine_bound(n, d, SHARE * delta, family),
            rounding,
            "a direction that all rows share; subtract their mean",
        ),
        (
            "largest eigenvalue of the Gram matrix",
            float(np.linalg.eigvalsh(smaller)[-1]),
            eigenvalue_bound(n, d, SHARE * delta, family),
            n * rounding,
            "rows that lie near a space of few dimensions, or in groups",
        ),
    ):
        if measured > bound + error:
            raise AssertionError(
                f'u: the {what} is {measured:.6g}; that of {n} vectors of the family "{family}" in '
                f"dimension {d} stays below {bound:.6g} with probability 1 - {delta:g}. These are "
                f"not independent draws: look for {look}."
            )


def assert_recalls(
    memory: AssociativeMemory,
    targets: ArrayLike | None = None,
    among: ArrayLike | None = None,
    *,
    keys: ArrayLike | None = None,
    values: ArrayLike | None = None,
) -> None:
    """Assert that every key scores its right value strictly above every wrong one.

    A tie fails. Nothing is random here: for a memory of random vectors, `coherence_bound` tells how
    likely recall is (see the guide on testing).

    Parameters
    ----------
    memory : AssociativeMemory
        Of numbers.
    targets, among, keys, values
        As in `AssociativeMemory.margin`.

    Raises
    ------
    AssertionError
        With the wrong keys, the worst first, their scores and margins.
    TypeError
        For what is not a memory, and as `AssociativeMemory.margin`.
    ValueError
        As there, and where the assertion could not fail: no key has a wrong value to choose.

    Examples
    --------
    >>> import numpy as np
    >>> W = AssociativeMemory(keys=np.eye(3), values=np.eye(3))
    >>> assert_recalls(W)
    >>> assert_recalls(W, targets=[0, 2, 2])
    Traceback (most recent call last):
    ...
    AssertionError: memory: 1 of 3 keys is not recalled. Key 1: value 2 scores 0, value 1 ...
    """
    __tracebackhide__ = True
    if not isinstance(memory, AssociativeMemory):
        raise TypeError(
            f"memory: expected an AssociativeMemory; got {type(memory).__name__}. Read a matrix as "
            f"one by AssociativeMemory.from_matrix."
        )
    margin = memory.margin(targets, among, keys=keys, values=values)
    if np.isinf(margin).all():
        raise ValueError(
            "values: expected at least two admissible values for some key; got one for each. "
            "There is nothing to tell apart."
        )
    if (margin > 0).all():
        return
    scores = np.asarray(memory.scores(keys, values), dtype=float)
    chosen = np.arange(len(margin)) if targets is None else np.asarray(targets)
    columns = np.arange(len(margin))
    rivals = np.ones(scores.shape, dtype=bool) if among is None else np.array(among)
    rivals[chosen, columns] = False
    best_wrong = np.where(rivals, scores, -np.inf).argmax(axis=0)
    wrong = np.flatnonzero(~(margin > 0))
    worst = wrong[np.argsort(margin[wrong], kind="stable")][:5]
    told = [
        f"Key {i}: value {chosen[i]} scores {scores[chosen[i], i]:.6g}, value {best_wrong[i]} "
        f"scores {scores[best_wrong[i], i]:.6g}, margin {margin[i]:.3g}."
        for i in worst
    ]
    more = [f"And {len(wrong) - len(worst)} more."] if len(wrong) > len(worst) else []
    verb = "is" if len(wrong) == 1 else "are"
    raise AssertionError(
        " ".join([f"memory: {len(wrong)} of {len(margin)} keys {verb} not recalled.", *told, *more])
    )


def _drawing(family: Family) -> Callable[..., Any]:
    """A family by its name, or a function under its own, of which each draw is checked."""
    if not callable(family):
        return family_named(family)

    @wraps(family)
    def draw(n: int, d: int, *, rng: Seed) -> Any:
        rows = family(n, d, rng=rng)
        if checked_rows("family", rows).shape != (n, d):
            raise ValueError(
                f"family: expected a function of n, d and rng that returns an (n, d) array; got "
                f"shape {np.shape(rows)} for n = {n} and d = {d}. A vector is a row."
            )
        return rows

    return draw


def _sizes(name: str, sizes: Sizes) -> st.SearchStrategy[int]:
    """A size, a range of sizes or a strategy, as a strategy of positive integers."""
    if isinstance(sizes, st.SearchStrategy):
        return sizes.map(lambda size: checked_size(name, size))
    if isinstance(sizes, range):
        if not sizes:
            raise ValueError(f"{name}: expected a range with an element; got {sizes}. Widen it.")
        checked_size(name, min(sizes))
        return st.sampled_from(sizes)
    return st.just(checked_size(name, sizes))


def _extremes(sizes: Sizes) -> tuple[int, int]:
    """The smallest and the largest size; of a strategy, no more is known than that it is valid."""
    if isinstance(sizes, st.SearchStrategy):
        return 1, 2**63
    return (min(sizes), max(sizes)) if isinstance(sizes, range) else (sizes, sizes)


def _rounding(rows: NDArray[Any], family: str) -> float:
    """How far rounding can move a cosine: of the entries, and of norms and sums in float64."""
    n, d = rows.shape
    eps = float(np.finfo(float).eps)
    entries = float(np.finfo(rows.dtype).eps) if rows.dtype.kind == "f" else 0.0
    steps = 2 * (d + 2) * eps  # two norms and one sum of d products
    if family == "orthonormal":
        steps *= 4 * n  # and n Householder reflections made the rows
    return 2 * entries + steps


def _worst_pair(rows: Array) -> tuple[int, int, float]:
    unit = directions(rows)
    best = 0, 1, float(unit[0] @ unit[1])
    for i in range(len(unit) - 1):  # one row at a time: the memory of a row
        cosines = unit[i + 1 :] @ unit[i]
        j = int(np.abs(cosines).argmax())
        if abs(cosines[j]) > abs(best[2]):
            best = i, i + 1 + j, float(cosines[j])
    return best
