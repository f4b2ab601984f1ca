"""The model at infinite width on a vocabulary of any size, for weights that share its symmetry.

A symmetric weight is a `BlockTable`: its coefficients tell classes of tokens apart, not tokens. A
sequence shows the model only the tokens that occur, so the model on the million tokens of a task is
the model on the few `representatives` of its `Patterns`, where an absent token counts in the
softmax over outputs as often as there are tokens like it. Nothing is approximated.
"""

from __future__ import annotations

from assocmem._checks import checked_kind
from assocmem.model.blocks import BlockTable
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer
from assocmem.tasks import InductionTask, Patterns

LEARNED = ("W_K1", "W_K2", "W_O2")


class SymmetricTransformer:
    """The model at infinite width with symmetric weights, exact for any number of tokens.

    Parameters
    ----------
    task : InductionTask
        With numeric sizes.
    W_K1, W_K2, W_O2 : BlockTable or None
        Learned matrices, by class of token; None is zero. Readout "attention".

    Attributes
    ----------
    weights : dict of BlockTable
    restricted : FrozenTransformer
        The same model on the ``representatives`` of ``task.patterns()``: what
        `evaluate` and `probe` take to measure attention, accuracy and recall.

    Raises
    ------
    TypeError
        For a task that is not an InductionTask with numeric sizes, and weights that are not
        BlockTables: others need not share the symmetry.
    ValueError
        For a table of another task or another matrix.

    References
    ----------
    [BCBJB2023], Section 4.2 (the architecture); the reduction by symmetry is exact.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=10**6, length=6)
    >>> model = am.SymmetricTransformer(task)
    >>> loss, gradients = model.loss_and_tables(task.patterns())
    >>> print(f"{loss:.6f}")  # no weights: the log of 999 999 classes
    13.815510
    >>> closed = am.gradients.first_step(task)
    >>> print(f"{-gradients['W_O2'].lead / closed.lead:.12f}")
    1.000000000000
    """

    def __init__(
        self,
        task: InductionTask,
        *,
        W_K1: BlockTable | None = None,
        W_K2: BlockTable | None = None,
        W_O2: BlockTable | None = None,
    ) -> None:
        if not isinstance(task, InductionTask) or task.is_symbolic:
            raise TypeError(f"task: expected an InductionTask with numeric sizes; got {task!r}.")
        given = {"W_K1": W_K1, "W_K2": W_K2, "W_O2": W_O2}
        self.task = task
        self.weights = {name: table for name, table in given.items() if table is not None}
        for name, table in self.weights.items():
            _check_table(name, table, task)
        small = task.representatives
        embeddings = FrozenEmbeddings.orthonormal(small)
        memories = {name: t.on(small).memory(embeddings) for name, t in self.weights.items()}
        self.restricted = FrozenTransformer(embeddings, **memories)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"SymmetricTransformer({self.task}, non-zero={list(self.weights)})"

    def loss_and_tables(
        self, patterns: Patterns, wrt: tuple[str, ...] = LEARNED
    ) -> tuple[float, dict[str, BlockTable]]:
        """Return the population loss and its gradients, exactly, by class of token.

        The gradient between two classes is the mean over their pairs of tokens, which all have the
        same one.

        Parameters
        ----------
        patterns : Patterns
            Of the task of this model.
        wrt : tuple of str
            The matrices to differentiate.

        Returns
        -------
        loss : float
            The cross-entropy of the population, in nats.
        gradients : dict of str to BlockTable
            +∇, by the names of the matrices.

        Raises
        ------
        TypeError
            For a batch that is not `Patterns`.
        ValueError
            For patterns of another task, and an unknown name.
        """
        if checked_kind("patterns", patterns, Patterns, "Take task.patterns().").task != self.task:
            raise ValueError(
                f"patterns: expected those of {self.task}; got those of {patterns.task}. Enumerate "
                f"the task of the model."
            )
        loss, memories = self.restricted.loss_and_memories(
            patterns.batch, wrt, multiplicities=patterns.multiplicities
        )
        return loss, {
            name: BlockTable.averaged(
                self.task, name, memory.coefficients, patterns.representatives
            )
            for name, memory in memories.items()
        }


def _check_table(name: str, table: BlockTable, task: InductionTask) -> None:
    remedy = "Make one by BlockTable.from_coefficients, of coefficients alike within a class."
    checked_kind(name, table, BlockTable, remedy)
    if table.matrix != name or table.task != task:
        raise ValueError(f"{name}: expected a table of {name} for {task}; got {table!r}.")
