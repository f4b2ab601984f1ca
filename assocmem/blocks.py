"""Coefficient tables of memories over the atoms, stored by class of token instead of by token.

A population gradient of a symmetric task treats all triggers alike and all content tokens alike.
Its coefficient between two atoms then depends on the classes of the two tokens, on whether they are
the same token, and on the positions: a handful of numbers, however many tokens there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assocmem.embeddings import FrozenEmbeddings
from assocmem.memory import AssociativeMemory
from assocmem.tasks import InductionTask

Array = NDArray[Any]

OUTPUTS, TOKENS, POSITIONS = "w_U", "w_E", "p"
REMAPPED_TOKENS, REMAPPED_POSITIONS = "Phi1 w_E", "Phi1 p"
ATOMS = (TOKENS, POSITIONS, REMAPPED_TOKENS, REMAPPED_POSITIONS)


class TokenBlock(NamedTuple):
    """A token by token block: ``different[a, b]`` for two different tokens of classes a and b,
    ``same[a]`` for one token of class a with itself."""

    different: Array
    same: Array


class BlockTable:
    """The coefficients of one learned matrix over the frozen atoms, block by block.

    >>> import assocmem as am
    >>> table = am.gradients.first_step(am.InductionTask(4, 6, n_triggers="random", predict="all"))
    >>> block = table["w_U", "w_E"]
    >>> print(f"{48 * block.same[0]:.3f} {144 * block.different[0, 0]:.3f}")
    1.000 -1.000

    Parameters
    ----------
    task : InductionTask
        Whose tokens and positions the atoms belong to.
    matrix : {"W_O2", "W_K2", "W_K1"}
        The learned matrix. Rows are ``w_U`` for W_O2 and the query's atoms otherwise; columns are
        the key's atoms (for W_O2: their images under W_V²). Atoms are ``w_E``, ``p``, ``Phi1 w_E``
        and ``Phi1 p``.
    blocks : mapping from (row, column) to a block
        Token by token: `TokenBlock`. Otherwise an array, (classes, T), (T, classes) or (T, T).
        Classes are (trigger, content), or a single one when triggers are random. A block that is
        absent is zero.

    Tokens and positions count from 0. Coefficients are those at infinite width.

    Source: [BCBJB2023], Section 6: gradients as sums of outer products; the classes are the
    symmetry of the task.
    """

    def __init__(
        self, task: InductionTask, matrix: str, blocks: Mapping[tuple[str, str], TokenBlock | Array]
    ) -> None:
        self.task, self.matrix, self._blocks = task, matrix, dict(blocks)

    def __getitem__(self, block: tuple[str, str]) -> Any:
        if block not in self._blocks:
            raise KeyError(f"no block {block} in {self.matrix}; it has {list(self._blocks)}")
        return self._blocks[block]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._blocks)

    def __mul__(self, factor: Any) -> BlockTable:
        blocks: dict[tuple[str, str], TokenBlock | Array] = {
            name: TokenBlock(block.different * factor, block.same * factor)
            if isinstance(block, TokenBlock)
            else block * factor
            for name, block in self._blocks.items()
        }
        return BlockTable(self.task, self.matrix, blocks)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> BlockTable:
        return self * (1 / divisor)

    def __repr__(self) -> str:
        return f"BlockTable({self.matrix}, {self.task}, blocks={list(self._blocks)})"

    @property
    def lead(self) -> Any:
        """The wanted coefficient minus the largest that competes with it for the same cue.

        W_O2: cue W_V² w_E(k), answers the outputs. W_K2: cue the query w_E(q) of a trigger, answers
        all Φ₁ w_E(i). W_K1: cue p_t, answers p_s with s <= t; the median over t = 2..T-1.
        """
        task = self.task
        if task.is_symbolic:
            raise TypeError(
                f"lead: expected numeric sizes, as it takes a maximum; got {task}. Compare the "
                "entries of the table yourself."
            )
        if self.matrix == "W_K1":
            table = self[POSITIONS, POSITIONS]
            rows = [(table[t, t - 1], np.delete(table[t, : t + 1], t - 1)) for t in self._heads]
            return np.median([right - max(wrong) for right, wrong in rows])
        if self.matrix == "W_O2":  # the cue is a content token, the last class
            block = self[OUTPUTS, TOKENS]
            wrong = list(block.different[:, -1])
            if not task.random_triggers and task.predict == "content":
                del wrong[0]  # triggers are not among the outputs
            return block.same[-1] - max(wrong)
        block = self[TOKENS, REMAPPED_TOKENS]  # the cue is a trigger, the first class
        wrong = list(block.different[0])
        if not task.random_triggers and task.n_triggers == 1:
            del wrong[0]  # there is no other trigger
        return block.same[0] - max(wrong)

    @property
    def _heads(self) -> range:
        return range(1, self.task.length - 1)

    def block(self, row: str, column: str) -> Array:
        """Return one block in full, a coefficient for every pair of atoms.

        Raises ValueError for a row or column that this matrix does not have.
        """
        if row not in self._axes[0] or column not in self._axes[1]:
            raise ValueError(
                f"block: expected a row of {self._axes[0]} and a column of {self._axes[1]}; got "
                f"{(row, column)!r}."
            )
        block = self._blocks.get((row, column))
        rows, columns = self._tokens(row), self._tokens(column)
        if block is None:
            return np.zeros((len(rows), len(columns)))
        if isinstance(block, TokenBlock):
            a, b = self._classes(rows), self._classes(columns)
            equal = rows[:, None] == columns[None, :]
            return np.where(equal, block.same[a][:, None], block.different[np.ix_(a, b)])
        if row in (POSITIONS, REMAPPED_POSITIONS):
            return (
                block
                if column in (POSITIONS, REMAPPED_POSITIONS)
                else block[:, self._classes(columns)]
            )
        return block[self._classes(rows)]

    def coefficients(self, *, max_bytes: int = 2**30) -> Array:
        """Return the full coefficient array over the atoms, in the order `FrozenEmbeddings` stacks.

        Raises
        ------
        ValueError
            If it would take more than ``max_bytes``.
        """
        if self.task.is_symbolic:
            raise TypeError(
                "coefficients() needs numeric n_tokens and n_triggers, got SymPy symbols"
            )
        rows, columns = self._axes
        sizes = [sum(len(self._tokens(name)) for name in names) for names in (rows, columns)]
        if 8 * sizes[0] * sizes[1] > max_bytes:
            raise ValueError(
                f"the coefficients of {self.matrix} for n_tokens={self.task.n_tokens} are a "
                f"{sizes[0]} x {sizes[1]} array of {8 * sizes[0] * sizes[1]:.3g} bytes, more than "
                f"max_bytes={max_bytes}; read single blocks instead, table[row, column]"
            )
        return np.block([[self.block(row, column) for column in columns] for row in rows])

    def memory(self, embeddings: FrozenEmbeddings) -> AssociativeMemory:
        """Return the table written with the given embeddings: Σ coefficient · value · keyᵀ."""
        coefficients = self.coefficients()
        embeddings.check_fits(self.task)
        if self.matrix == "W_O2":
            keys, values = embeddings.values, embeddings.outputs
        elif self.matrix == "W_K2":
            keys = values = embeddings.atoms
        else:
            keys = values = embeddings.positions
        return AssociativeMemory(keys=keys, values=values, coefficients=coefficients)

    @property
    def _axes(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return {
            "W_O2": ((OUTPUTS,), ATOMS),
            "W_K2": (ATOMS, ATOMS),
            "W_K1": ((POSITIONS,), (POSITIONS,)),
        }[self.matrix]

    def _tokens(self, family: str) -> NDArray[np.int64]:
        """Return the tokens (or positions) that the atoms of a family stand for."""
        if family == OUTPUTS:
            return self.task.outputs
        is_position = family in (POSITIONS, REMAPPED_POSITIONS)
        return np.arange(self.task.length if is_position else self.task.n_tokens)

    def _classes(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.task.random_triggers:
            return np.zeros(len(tokens), dtype=np.int64)
        return (tokens >= self.task.n_triggers).astype(np.int64)
