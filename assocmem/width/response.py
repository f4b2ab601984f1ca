"""Noise of any quantity of a wide model, to first order in 1/d: its linear response.

By W1 the model of width d is made of two triangular factors,

    L = 1 + E / √d ,   H = 1 + E' / √d ,

whose entries are independent: N(0, 1) below the diagonal and, in the limit, N(0, 1/2) on it, as
√d (χ_{d-i} / √d - 1) is normal with half the variance. For a smooth quantity Q of the model

    √d (Q - Q(∞)) = Σ_e E_e ∂Q/∂E_e + O(1/√d) ,

the derivatives at L = H = 1, the orthonormal embeddings: normal in the limit, with covariance RᵀR,
R_e = σ_e ∂Q/∂E_e. All that is needed is a function from embeddings to numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from assocmem._checks import Array, checked_number, checked_option
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.tasks import InductionTask
from assocmem.vectors.bartlett import FROM_GAUSSIAN_ROWS, from_factors
from assocmem.width.arguments import numeric_task

Quantities = Callable[[FrozenEmbeddings], Mapping[str, Array]]

DIAGONAL = 0.5**0.5  # σ of the entries on the diagonal; it is 1 below
STEP = 2.0**-17  # of central differences: errors of order STEP^2 and 2^-52 / STEP are balanced


def linear_response(
    quantities: Quantities,
    task: InductionTask,
    *,
    family: str = "gaussian",
    step: float = STEP,
) -> dict[str, Array]:
    r"""Limit law, as the width grows, of smooth quantities of the model, by linear response.

    It is :math:`\sqrt{d} (Q - Q(\infty)) \to N(0, R^\top R)` for any quantity Q, as a function of
    the embeddings. Rows of R are the entries of L, then of H, the two factors of claim W1, on and
    below the diagonal, row by row.

    Parameters
    ----------
    quantities : function of FrozenEmbeddings
        It returns numbers or arrays by name, such as `true_steps`.
    task : InductionTask
        Whose embeddings are meant.
    family : {"gaussian", "sphere", "orthonormal"}
        The law of the embeddings.
    step : float
        Of the central differences.

    Returns
    -------
    dict of str to array, shape (entries of the factors, size)
        R of each quantity by name.

    Raises
    ------
    TypeError, ValueError
        For what is no function or task, and a family without factors.

    References
    ----------
    Claim W5.

    Examples
    --------
    >>> task = InductionTask(n_tokens=3, length=3)
    >>> R = linear_response(lambda emb: {"|x|^2": emb.tokens[0] @ emb.tokens[0]}, task)["|x|^2"]
    >>> (R.T @ R).round(6)  # |x|^2 ~ χ²_d / d has variance 2 / d
    array([[2.]])
    """
    if not callable(quantities):
        raise TypeError(
            f"quantities: expected a function of embeddings; got {type(quantities).__name__}. See "
            f"true_steps."
        )
    step = checked_number("step", step, "a positive number", lambda step: 0 < step < np.inf)
    n_atoms = 2 * (numeric_task(task).n_tokens + task.length)
    sizes = n_atoms + task.n_outputs, n_atoms
    rows: dict[str, list[Array]] = {}
    for which, size in enumerate(sizes):
        for i, j in zip(*np.tril_indices(size), strict=True):
            sigma = DIAGONAL if i == j else 1.0
            sides = []
            for change in (step, -step):
                L, H = map(np.eye, sizes)
                (L, H)[which][i, j] += sigma * change
                sides.append(quantities(_embeddings(task, L, H, family)))
            for name, ahead in sides[0].items():
                difference = np.ravel(np.asarray(ahead) - sides[1][name])
                rows.setdefault(name, []).append(difference / (2 * step))
    return {name: np.array(table) for name, table in rows.items()}


def _embeddings(task: InductionTask, L: Array, H: Array, family: str) -> FrozenEmbeddings:
    """The embeddings that W1 makes of two factors."""
    remedy = "They are made of Gaussian rows; of others, draw embeddings and count."
    checked_option("family", family, FROM_GAUSSIAN_ROWS, remedy)
    parts = from_factors(L, H, family=family)
    tokens, positions = np.split(parts.pop("inputs"), [task.n_tokens])
    return FrozenEmbeddings.from_matrices(tokens=tokens, positions=positions, **parts)
