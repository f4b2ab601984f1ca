"""Population gradients at zero attention on in-context bigrams: what slows an induction head down.

`BigramTask` has neither of the symmetries of `InductionTask`: frequencies differ, every position
can carry loss, several triggers share a sequence, and W_F has global bigrams to learn. With w_t = 1
(loss on all) or the indicator of a repeated trigger, p̂ any predictor that knows the current token
(and position) only, and the residual ρ_t(k) = 1{z_{t+1} = k} - p̂_t(k|z_t), the gradients at zero
attention are, each over E Σ_t w_t,

    -∇W_F  = E Σ_t w_t Σ_k ρ_t(k) w_U(k) (x¹_t)ᵀ
    -∇W_O2 = E Σ_t w_t Σ_k ρ_t(k) w_U(k) o_tᵀ                                         = G₁
    -∇W_K2 = η E Σ_t w_t Σ_k ρ_t(k) x¹_t Cov_s(u^k_s, x¹_s)ᵀ + O(η²)                  at W_O2 = η G₁
    -∇W_K1 = η (A + B) + O(η²) + η O(λ²)                            at W_O2 = η G₁, W_K2 = λ J

with x¹_s = x_s + (1/s) Σ_{r<=s} Φ₁ x_r, o_t = (1/t) Σ_{s<=t} W_V² x¹_s, s uniform on 1..t in the
covariance, and u^k_s = w_U(k)ᵀ G₁ W_V² x¹_s what G₁ reads. Of W_K1 it is the block of positions:
with e_s = λ w_E(z_t)ᵀ J x¹_s, all queries of J being tokens, means ū and ē over s <= t, and

    V_sr = E Σ_{t>=s} (w_t/t) Σ_k ρ_t(k) w_U(k)ᵀ G₁ W_V² Φ₁ x_r                      value path, A
    V'_sr = the same with (e_s - ē) / t for 1/t                                      value path, B
    K_sr = E Σ_{t>=s} (w_t/t) Σ_k ρ_t(k) (u^k_s - ū^k) λ w_E(z_t)ᵀ J Φ₁ x_r          key path, B

the entry (p_s, p_r) is (1/s) (V + V' + K)_sr minus its mean over r <= s. Given the triggers and
their outputs all of these are moments of a Markov chain (`assocmem.gradients.chains`), exact in
O(T N²) for each trigger asked, in O(T N³) or O(T² N²) for the other queries of W_K2 and in O(T² N²)
for W_K1; "has occurred before" is the chain minus the one that ends after its first visit. Over
triggers and outputs they are averaged exactly where those are few, else over independent sets of
draws (`assocmem.gradients.draws`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    Array,
    Seed,
    at_least,
    checked_integers,
    checked_kind,
    checked_option,
    checked_reals,
    generator,
)
from assocmem.gradients.bigram_moments import GradientAt, Matrix, Queries, columns_of
from assocmem.gradients.bigram_population import Population, chains_of
from assocmem.gradients.draws import all_draws, draw_set, is_enumerated
from assocmem.memory import AssociativeMemory
from assocmem.model import FrozenEmbeddings
from assocmem.model.families import ATOMS, REMAPPED_TOKENS, TOKENS
from assocmem.tasks import BigramTask


@dataclass(frozen=True, eq=False)
class BigramStep:
    """A population gradient step on a `BigramTask`: a coefficient for every pair of atoms.

    Parameters
    ----------
    task : BigramTask
        Whose population the gradient is over.
    matrix : {"W_F", "W_O2", "W_K2", "W_K1"}
        Rows are w_U for W_F and W_O2, and the `queries` for W_K2; columns are the four kinds of
        atoms of the key (for W_O2 their images under W_V²). Of W_K1 the position block alone.
    coefficients : array, shape (rows, columns)
        Columns in the order w_E, p, Φ₁ w_E, Φ₁ p. With W_K2 they multiply η. Of W_K1 (T, T).
    replicates : array, shape (R, rows, columns), or None
        Independent estimates, one from each set of draws, linearised around the mean; None where
        all triggers and outputs were averaged over, and the coefficients are exact.
    queries : {"tokens", "positions", "remapped_tokens", "remapped_positions"}
        The kind of atoms that the rows of W_K2 stand for.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(length=16, n_triggers=1)
    >>> am.gradients.bigram_step(task, "W_O2")
    BigramStep(W_O2, exact, lead=..., recall=...)
    """

    task: BigramTask
    matrix: Matrix
    coefficients: Array
    replicates: Array | None = None
    queries: Queries = "tokens"

    def __getitem__(self, column: str) -> Array:
        """The columns of one kind of atoms, "tokens" for w_E, and so on as in a `BlockTable`."""
        checked_option("column", column, ("positions",) if self.matrix == "W_K1" else ATOMS)
        if self.matrix == "W_K1":
            return self.coefficients
        return self.coefficients[:, columns_of(self.task)[column]]

    @property
    def standard_errors(self) -> Array:
        """Standard errors of the coefficients, from the spread of the sets; 0 if they are exact."""
        if self.replicates is None:
            return np.zeros_like(self.coefficients)
        spread = self.replicates.std(axis=0, ddof=1)
        return np.asarray(spread / np.sqrt(len(self.replicates)))

    @property
    def cues(self) -> NDArray[np.int64]:
        """The cues over which `lead` and `recall` are taken.

        Possible outputs for W_O2, triggers for W_K2, and for W_K1 all positions but the first and
        the last.
        """
        if self.matrix == "W_K1":
            return np.arange(1, self.task.length - 1)
        if self.matrix == "W_K2":
            return self.task.trigger_tokens
        if self.task.random_triggers:
            return self.task.outputs
        law = self.task.output_law(self.task.trigger_tokens[None])
        return np.flatnonzero(law.any((0, 1)))

    @property
    def leads(self) -> Array:
        """Wanted coefficient minus its largest competitor for the same cue, by token or position.

        W_O2: cue the key W_V² w_E(k), answers the outputs. W_K2: cue the query w_E(q), answers all
        keys Φ₁ w_E(i). W_K1: cue p_t, answers p_s with s <= t; the one to come first has none.
        """
        return self._leads(self.coefficients)

    @property
    def lead(self) -> float:
        """Median lead over the `cues`."""
        return float(np.median(self.leads[self.cues]))

    @property
    def recall(self) -> float:
        """Share of the cues with a positive lead."""
        return float(np.mean(self.leads[self.cues] > 0))

    def lead_error(self, cues: ArrayLike | None = None) -> tuple[float, float]:
        """Return the standard error of the median lead over the cues, and the bias of its maximum.

        A maximum over noisy competitors is biased upwards, hence a lead downwards.

        Parameters
        ----------
        cues : array_like of int, optional
            Those of the property `cues` when left out.

        Returns
        -------
        error : float
            The jackknife's, over the sets; 0 where the step is exact.
        bias : float
            Of order 1 / sets, by what half as many sets give; `lead` contains it. The jackknife's
            would have five times the noise, because a median and a maximum are not smooth.
        """
        chosen = self.cues if cues is None else checked_integers("cues", cues)
        answers = len(self.leads)
        if chosen.ndim != 1 or not np.isin(chosen, range(answers)).all() or not len(chosen):
            raise ValueError(
                f"cues: expected tokens, or of W_K1 positions, from 0 to {answers - 1}; got "
                f"{chosen!r}. Leave them out for those of the step."
            )
        if self.replicates is None:
            return 0.0, 0.0
        n = len(self.replicates)
        without = (n * self.coefficients - self.replicates) / (n - 1)
        medians = np.array([np.median(self._leads(each)[chosen]) for each in without])
        error = np.sqrt((n - 1) * medians.var())
        half = n // 2
        halves = [np.roll(self.replicates, -k, axis=0)[:half].mean(axis=0) for k in range(n)]
        fewer = np.mean([np.median(self._leads(each)[chosen]) for each in halves])
        bias = (fewer - np.median(self.leads[chosen])) * half / (n - half)
        return float(error), float(bias)

    def memory(self, embeddings: FrozenEmbeddings | None = None) -> AssociativeMemory:
        """Write the step with embeddings.

        Parameters
        ----------
        embeddings : FrozenEmbeddings, optional
            That fit the task; the orthonormal ones when left out.

        Returns
        -------
        AssociativeMemory
            Over the atoms that the rows and columns stand for.

        Raises
        ------
        TypeError, ValueError
            For embeddings that do not fit the task.
        """
        emb = FrozenEmbeddings.orthonormal(self.task) if embeddings is None else embeddings
        checked_kind("embeddings", emb, FrozenEmbeddings).check_fits(self.task)
        if self.matrix == "W_K1":
            positions = emb.positions
            return AssociativeMemory(
                keys=positions, values=positions, coefficients=self.coefficients
            )
        queries = emb.atoms[columns_of(self.task)[self.queries]]
        return AssociativeMemory(
            keys=emb.values if self.matrix == "W_O2" else emb.atoms,
            values=queries if self.matrix == "W_K2" else emb.outputs,
            coefficients=self.coefficients,
        )

    def _leads(self, coefficients: Array) -> Array:
        if not self._has_leads:
            raise ValueError(
                "leads: expected W_O2, or W_K2 by tokens, whose memories pair a token with itself; "
                f"got {self.matrix} by {self.queries}. Of W_F compare columns with the rows of "
                "language.bigram."
            )
        if self.matrix == "W_K1":
            length = len(coefficients)
            others = np.tri(length, dtype=bool) & ~np.eye(length, k=-1, dtype=bool)
            wrong = np.where(others, coefficients, -np.inf).max(axis=1)
            wanted = np.append(np.nan, coefficients.diagonal(-1))
            return wanted - wrong
        kind = TOKENS if self.matrix == "W_O2" else REMAPPED_TOKENS
        table = coefficients[:, columns_of(self.task)[kind]]
        by_cue = table.T if self.matrix == "W_O2" else table  # row: cue
        wrong = np.where(np.eye(len(by_cue), dtype=bool), -np.inf, by_cue).max(axis=1)
        return np.asarray(by_cue.diagonal() - wrong)

    @property
    def _has_leads(self) -> bool:
        return self.matrix != "W_F" and self.queries == TOKENS

    def __repr__(self) -> str:
        how = "exact" if self.replicates is None else f"{len(self.replicates)} sets"
        if self.queries != TOKENS:
            how = f"queries={self.queries!r}, {how}"
        if not self._has_leads:
            return f"BigramStep({self.matrix}, {how})"
        return f"BigramStep({self.matrix}, {how}, lead={self.lead:.3g}, recall={self.recall:.2f})"


def bigram_step(
    task: BigramTask,
    matrix: Matrix,
    *,
    predictor: Literal["uniform", "bigrams"] | ArrayLike = "uniform",
    queries: Queries = "tokens",
    first: BigramStep | ArrayLike | None = None,
    second: BigramStep | ArrayLike | None = None,
    sets: int = 16,
    rng: Seed = None,
) -> BigramStep:
    r"""Return the step on any matrix at zero attention, for in-context bigrams at infinite width.

    Parameters
    ----------
    task : BigramTask
        Its loss on all tokens, or on repeated triggers.
    matrix : {"W_F", "W_O2", "W_K2", "W_K1"}
        For W_F and W_O2, the rows w_U; for W_K2, the rows that `queries` names; for W_K1, the
        position block. The last two are derivatives at η = 0, at W_O2 = η G₁. With the readout
        "residual" and :math:`W_F = \sum F_{ki} w_U(k) w_E(i)^\top`, the gradient on W_O2 also has
        rows w_E, which are :math:`F^\top` times those of w_U.
    predictor : "uniform", "bigrams" or array_like, shape (N, N) or (T, N, N)
        The law p̂(k | current token i) in row i and column k, at each position if there are T
        tables. "uniform" is W_F = 0. "bigrams" is π_b for tokens that are not triggers and the mean
        output law for triggers; with random triggers it is the mixture of the two by P(i is a
        trigger | z_t = i).
    queries : {"tokens", "positions", "remapped_tokens", "remapped_positions"}
        The rows of W_K2: w_E, p, Φ₁ w_E or Φ₁ p, the four kinds of atoms of x¹_t.
    first : BigramStep or array_like, shape (N, 2(N+T)), optional
        G₁ for W_K2 and W_K1. By default it is the step on W_O2 with the same predictor, from
        separate draws in each set, because the result is bilinear. If it is given, the standard
        errors are those at this G₁.
    second : BigramStep or array_like, shape (N, 2(N+T)), optional
        For W_K1: the matrix W_K2 = λ J, with queries w_E, at which the step is taken to first order
        in λ. By default it is 0, which leaves only the value path A. For finite λ, use
        `previous_token_step`.
    sets : int
        Number of independent sets of draws, at least 2. They are used if there are more than 5 000
        combinations of triggers and outputs; otherwise all of these are averaged over.
    rng : int, generator of NumPy or None
        Where the draws come from; None draws anew each time.

    Returns
    -------
    BigramStep
        Exact, or with an estimate for each set.

    Raises
    ------
    ValueError
        For an unknown matrix, queries or predictor, tables that are no laws or of the wrong shape,
        an argument on which the matrix does not depend, fewer than two sets, and a predictor by
        position with W_K2 or W_K1.

    Notes
    -----
    A chain costs O(T N²) for each trigger as a query, O(T N³) with queries Φ₁ w_E, and O(T² N²)
    with queries p or Φ₁ p and for W_K1. At N = 65, T = 256 this is about 1 (W_O2), 4 (W_K2, queries
    w_E), 430 (queries Φ₁ w_E), 480 (queries p or Φ₁ p) and 90 (W_K1) milliseconds on one core, and
    twice as much with loss on repeated triggers. If the residual does not vanish at tokens that are
    not triggers (loss on all tokens with a uniform predictor, or with random triggers), every token
    is a query, at N times the cost per chain. The 16 sets of the default give the median lead of
    W_O2 of the default task with a standard error of 2 to 3 % in 3 to 6 seconds, 64 sets with one
    below 1.5 % in 10 to 21.

    References
    ----------
    [BCBJB2023], Sections 5 and 6; the closed forms on this task are derived here.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(length=32, n_triggers=1, loss="all")
    >>> for predictor in "uniform", "bigrams":  # global before in-context
    ...     print(am.gradients.bigram_step(task, "W_O2", predictor=predictor))
    BigramStep(W_O2, exact, lead=-0.000358, recall=0.08)
    BigramStep(W_O2, exact, lead=0.000217, recall=1.00)
    """
    checked_kind("task", task, BigramTask)
    checked_option("matrix", matrix, get_args(Matrix))
    checked_option("queries", queries, get_args(Queries))
    sets, rng = _checked_sets(sets), generator(rng)
    table = bigram_predictor(task, predictor, rng=rng)
    for name, given, fitting in (
        ("first", first, ("W_K2", "W_K1")),
        ("second", second, ("W_K1",)),
        ("queries", None if queries == TOKENS else queries, ("W_K2",)),
    ):
        if given is not None and matrix not in fitting:
            raise ValueError(
                f"{name}: expected none with {matrix}, which does not depend on it; got one. It is "
                f"for {' and '.join(fitting)}."
            )
    if matrix in ("W_K2", "W_K1") and table.ndim == 3:
        raise ValueError(
            f"predictor: expected an (N, N) table with {matrix}, whose readings would change with "
            f"the position; got shape {table.shape}. Average it over positions."
        )
    tables = (_given("first", "W_O2", task, first), _given("second", "W_K2", task, second))
    found = Population(task, table, sets, rng).step(GradientAt(matrix, queries, *tables))
    return BigramStep(task, matrix, *found, queries)


def _checked_sets(sets: int) -> int:
    number: int = at_least("sets", sets, 2)
    if number > 10**6:
        raise ValueError(
            f"sets: expected at most 10^6; got {number}. Their errors fall as 1/√sets."
        )
    return number


def bigram_predictor(
    task: BigramTask,
    predictor: Literal["uniform", "bigrams"] | ArrayLike,
    *,
    rng: Seed = None,
) -> Array:
    """Return the table p̂(k|i), with a row for each token i, of a predictor by name, or a given one.

    "bigrams" with random triggers needs how often a token is a trigger where it stands, averaged
    over positions: exact for few draws, else from 64 sets of them.

    Parameters
    ----------
    task : BigramTask
        The language and its triggers.
    predictor : "uniform", "bigrams" or array_like, shape (N, N) or (T, N, N)
        As in `bigram_step`.
    rng : int, generator of NumPy or None
        Where the draws come from; None draws anew each time.

    Returns
    -------
    array, shape (N, N) or (T, N, N)
        Rows are laws over the next token.

    Raises
    ------
    TypeError, ValueError
        For an unknown name, and tables that are no laws or of another shape.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(am.Language.uniform(4), length=8, n_triggers=1)
    >>> bigram_predictor(task, "bigrams").round(2)[:2]  # the trigger is 0
    array([[0.  , 0.33, 0.33, 0.33],
           [0.25, 0.25, 0.25, 0.25]])
    """
    rng = generator(rng)
    n, language = checked_kind("task", task, BigramTask).n_tokens, task.language
    if not isinstance(predictor, str):
        return _checked_laws(task, predictor)
    checked_option("predictor", predictor, ("uniform", "bigrams"))
    if predictor == "uniform":
        return np.full((n, n), 1 / n)
    table = language.bigram.copy()
    if not task.random_triggers:
        table[task.trigger_tokens] = task.output_law(task.trigger_tokens[None])[0]
        return table
    exact = is_enumerated(task)
    seen, moved = np.zeros(n), np.zeros((n, n))
    for _ in range(1 if exact else 64):
        draws = (
            all_draws(task, every_token=True)
            if exact
            else draw_set(task, every_token=True, rng=rng)
        )
        occupancy = chains_of(task, draws).laws(task.length).sum(axis=0) * draws.weights
        seen += occupancy.sum(axis=1)
        law = task.output_law(draws.triggers) - language.bigram[draws.triggers]
        rows = np.arange(len(draws))[:, None]
        np.add.at(moved, draws.triggers, law * occupancy.T[rows, draws.triggers][:, :, None])
    return table + np.divide(moved, seen[:, None], out=moved * 0, where=seen[:, None] > 0)


def _checked_laws(task: BigramTask, given: ArrayLike) -> Array:
    laws = checked_reals("predictor", given)
    n = task.n_tokens
    if laws.shape not in ((n, n), (task.length, n, n)):
        raise ValueError(
            f"predictor: expected 'uniform', 'bigrams' or laws of shape ({n}, {n}) or "
            f"({task.length}, {n}, {n}), a row per current token; got {laws.shape}."
        )
    if laws.min() < 0 or np.abs(laws.sum(axis=-1) - 1).max() > n * np.finfo(float).eps * 4:
        raise ValueError(
            "predictor: expected rows that are laws, at least 0 with the sum 1; got others. Row i "
            "holds p(k | current token i), column k; transpose it or divide by the sums."
        )
    return laws


def _given(
    name: str, matrix: Matrix, task: BigramTask, given: BigramStep | ArrayLike | None
) -> Array | None:
    if given is None:
        return None
    if isinstance(given, BigramStep):
        if given.matrix != matrix or given.queries != TOKENS:
            raise ValueError(
                f"{name}: expected a step on {matrix}, by tokens; got {given!r}. Take "
                f"bigram_step(task, {matrix!r})."
            )
        given = given.coefficients
    table = checked_reals(name, given)
    expected = (task.n_tokens, 2 * (task.n_tokens + task.length))
    if table.shape != expected:
        raise ValueError(
            f"{name}: expected a step on {matrix}, coefficients of shape {expected}; got "
            f"{table.shape}. Take bigram_step(task, {matrix!r})."
        )
    return table
