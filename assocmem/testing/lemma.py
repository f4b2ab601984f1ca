"""Check a lemma of your own: prediction, measurement with its standard error, and verdict.

`check_mean` compares a predicted expectation with draws; `check_gradient` compares the coefficients
of a predicted step with the gradient of a model, that of this library or an independent one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    Array,
    Seed,
    checked_array,
    checked_mapping,
    checked_option,
    checked_probability,
    checked_reals,
    checked_size,
    generator,
)
from assocmem._statistics import standard_errors
from assocmem.model.blocks import BlockTable
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import Batch, Task

__all__ = ["Comparison", "GradientFunction", "check_gradient", "check_mean", "reference_gradient"]


# A model's gradient: embeddings, batch and the name of a learned matrix to ∂L/∂matrix, all learned
# matrices being zero.
GradientFunction = Callable[[FrozenEmbeddings, Batch, str], Array]

ROUNDING = 2.0**10 * float(np.finfo(float).eps)  # of an entry that about 1000 operations produce
PIECES = 32


@dataclass(frozen=True, eq=False)
class Comparison:
    """A prediction compared with a measurement, entry by entry.

    Parameters
    ----------
    predicted, measured : array
        Of one shape.
    standard_error : array of that shape
        Standard error of the measurement; 0 where nothing is random.
    tolerance : array of that shape
        How far apart the two may be: rounding, and as many standard errors as a correct prediction
        exceeds in any entry with probability at most `delta`.
    delta : float
        Probability of a false alarm; 0 for a whole population.
    """

    predicted: Array
    measured: Array
    standard_error: Array
    tolerance: Array
    delta: float

    @property
    def holds(self) -> bool:
        """Whether all entries agree."""
        return bool((np.abs(self.measured - self.predicted) <= self.tolerance).all())

    @property
    def power(self) -> float:
        """The smallest error of a single entry that this comparison is certain to catch."""
        return float(np.max(self.tolerance + np.abs(self.measured - self.predicted)))

    def __repr__(self) -> str:
        """The entry that is farthest off in units of its tolerance."""
        off = np.abs(self.measured - self.predicted)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(off == 0, 0.0, off / self.tolerance)
        worst = np.unravel_index(int(np.argmax(relative)), relative.shape)
        numbers = f"predicted {self.predicted[worst]:.6g}, measured {self.measured[worst]:.6g}"
        if self.standard_error.any():
            numbers += f" ± {self.standard_error[worst]:.2g}"
        numbers += f", tolerance {self.tolerance[worst]:.2g}"
        where = f" at {tuple(map(int, worst))} of {self.measured.shape}" if worst else ""
        verdict = "holds" if self.holds else "FAILS"
        return f"Comparison({verdict}: {numbers}{where}, delta={self.delta:g})"


def check_mean(predicted: ArrayLike, draws: ArrayLike, *, delta: float = 1e-6) -> Comparison:
    """Compare a predicted expectation with the mean of independent draws.

    Parameters
    ----------
    predicted : number or array
        The expectation of a single draw.
    draws : array (draws, ...)
        At least two independent draws of the quantity.
    delta : float
        Upper bound on the probability that a correct prediction is said to fail.

    Returns
    -------
    Comparison
        Its ``holds`` is the verdict.

    Raises
    ------
    ValueError
        For draws of another shape than the prediction, fewer than two of them, or numbers that are
        not finite.

    Examples
    --------
    >>> import assocmem as am
    >>> u, v = am.rademacher(20_000, 16, rng=0), am.rademacher(20_000, 16, rng=1)
    >>> check_mean(3 / 16**2 - 2 / 16**3, (u * v).sum(axis=1) ** 4).holds
    True
    >>> check_mean(3 / 16**2, (u * v).sum(axis=1) ** 4, delta=0.01).holds
    False
    """
    found = checked_reals("draws", draws).astype(float)
    wanted = checked_reals("predicted", predicted).astype(float)
    delta = checked_probability("delta", delta)
    if found.ndim == 0 or len(found) < 2 or found.shape[1:] != wanted.shape:
        raise ValueError(
            f"draws: expected at least two along the first axis, each of shape {wanted.shape} as "
            f"predicted; got shape {found.shape}. Pass one draw a row."
        )
    scale = np.maximum(np.abs(wanted), np.abs(found).max(axis=0))
    return _compared(wanted, found, delta, scale)


def _compared(wanted: Array, found: Array, delta: float, scale: ArrayLike) -> Comparison:
    """Student's intervals, a tenth of delta shared by all entries: the tails of means of skewed
    draws reach their normal limit last. Rounding is that of numbers of this scale."""
    measured, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
    within = standard_errors(delta / (10 * max(1, wanted.size)), len(found) - 1)
    tolerance = within * error + ROUNDING * np.asarray(scale)
    return Comparison(wanted, measured, error, np.asarray(tolerance), delta)


def check_gradient(
    task: Task,
    name: str,
    predicted: BlockTable | Mapping[tuple[str, str], ArrayLike],
    *,
    sequences: int | None = None,
    gradient: GradientFunction | None = None,
    delta: float = 1e-6,
    rng: Seed = None,
) -> Comparison:
    """Compare the predicted step of a matrix from zero, -∇ of the loss, with a model's gradient.

    Parameters
    ----------
    task : Task
        With `enumerate` besides the names of a task, unless `sequences` is given.
    name : {"W_O2", "W_K2", "W_K1"}
        The learned matrix.
    predicted : BlockTable, or mapping from (row, column) to an array
        Coefficients of the step over the frozen atoms at infinite width, named as in `BlockTable`:
        ``{("outputs", "tokens"): table}``. NaN where nothing is predicted.
    sequences : int
        How many to draw; the population, all of them, when left out.
    gradient : callable
        (embeddings, batch, name) to the gradient +∇ on the d × d matrix, by another model: in a
        clone of the repository, that of `validation.reference`. Default: `FrozenTransformer`.
    delta : float
        Probability, at most, of a false alarm; for a population there is none, and it is 0.
    rng
        Seed or generator of the sequences.

    Returns
    -------
    Comparison
        Of all predicted coefficients, in a row.

    Raises
    ------
    ValueError
        For an unknown matrix or family of atoms, a table of another shape, nothing predicted, or
        too few sequences.
    TypeError
        For a gradient that is no function.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=4, length=6)
    >>> check_gradient(task, "W_O2", am.gradients.first_step(task)).holds
    True
    >>> table = am.gradients.first_step(task).block("outputs", "positions")
    >>> check_gradient(task, "W_O2", {("outputs", "positions"): table + 0.01}).holds
    False
    """
    checked_option("name", name, ("W_O2", "W_K2", "W_K1"))
    emb = FrozenEmbeddings.orthonormal(task)
    wanted, places = _predicted(predicted, name, emb)
    measure = _library if gradient is None else gradient
    if not callable(measure):
        raise TypeError(
            f"gradient: expected a function of embeddings, batch and name; got {gradient!r}. Leave "
            f"it out for that of the library."
        )

    def step(batch: Batch) -> tuple[Array, float]:
        """The predicted coefficients, and the largest entry of the whole step."""
        matrix = checked_array("gradient", measure(emb, batch, name))
        tables = [-(values @ matrix @ keys.T) for values, keys, _ in places]
        shown = [table[known] for table, (_, _, known) in zip(tables, places, strict=True)]
        return np.concatenate(shown), float(np.abs(matrix).max())

    if sequences is None:
        measured, largest = step(_population(task))
        none = np.zeros_like(measured)
        tolerance = np.full_like(measured, ROUNDING * largest)
        return Comparison(wanted, measured, none, tolerance, 0.0)
    size = checked_size("sequences", sequences)
    if size < 2 * PIECES:
        raise ValueError(
            f"sequences: expected at least {2 * PIECES}, for a standard error over {PIECES} "
            f"pieces; got {size}. Draw more, or leave it out for the population."
        )
    streams = generator(rng).spawn(PIECES)
    draws, most = zip(
        *(step(task.sample(size // PIECES, rng=stream)) for stream in streams), strict=True
    )
    delta = checked_probability("delta", delta)
    return _compared(wanted, np.array(draws), delta, max(most))


def _population(task: Any) -> Batch:
    if not hasattr(task, "enumerate"):
        raise ValueError(
            f"task: expected one with `enumerate`, as no sequences were given; got {task!r}. Pass "
            f"sequences=, to draw them."
        )
    batch: Batch = task.enumerate()
    return batch


def _library(emb: FrozenEmbeddings, batch: Batch, name: str) -> Array:
    """The gradient of this library's model with all learned matrices zero."""
    _, memories = FrozenTransformer(emb).loss_and_memories(batch, (name,))
    return memories[name].matrix


def _predicted(
    predicted: Any, name: str, emb: FrozenEmbeddings
) -> tuple[Array, list[tuple[Array, Array, Array]]]:
    """All predicted numbers in a row; for each block its values, its keys, and where they are."""
    if isinstance(predicted, BlockTable):
        predicted = {block: predicted.block(*block) for block in predicted}
    numbers, places = [], []
    for (row, column), table in checked_mapping("predicted", predicted).items():
        families = ("tokens", "positions", "remapped_tokens", "remapped_positions")
        checked_option("row", row, ("outputs",) if name == "W_O2" else families)
        checked_option("column", column, families)
        values, keys = getattr(emb, row), getattr(emb, column)
        if name == "W_O2":  # its keys are the atoms as the value map shows them
            keys = keys @ emb.W_V2.T
        given = np.asarray(table, dtype=float)
        if given.shape != (len(values), len(keys)):
            raise ValueError(
                f"predicted: expected shape {(len(values), len(keys))} for {(row, column)}; got "
                f"{given.shape}. Put NaN where nothing is predicted."
            )
        known = ~np.isnan(given)
        numbers.append(given[known])
        places.append((values, keys, known))
    if not sum(map(len, numbers)):
        raise ValueError("predicted: expected at least one number; got none. Fill in a block.")
    return np.concatenate(numbers), places


def reference_gradient(reference: Any) -> GradientFunction:
    """Return the gradient of the repository's independent transformer, for `check_gradient`.

    Parameters
    ----------
    reference : module
        The module ``validation.reference``; the library itself never imports it.

    Returns
    -------
    callable
        The gradient on one matrix, a function of embeddings, batch and name.
    """
    if not (hasattr(reference, "parameters") and hasattr(reference, "gradients")):
        raise TypeError(
            f"reference: expected the module validation.reference; got {reference!r}. Import it in "
            f"a clone of the repository."
        )

    def gradient(emb: FrozenEmbeddings, batch: Batch, name: str) -> Array:
        parameters = reference.parameters(
            emb.tokens, emb.positions, emb.outputs, emb.Phi1, emb.W_V2
        )
        data = batch.tokens, batch.targets, batch.weights
        found: Array = reference.gradients(parameters, *data, wrt=[name])[name]
        return found

    return gradient
