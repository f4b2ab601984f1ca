"""Coefficient tables of memories over the atoms, stored by class of token instead of by token.

A population gradient of a symmetric task treats all triggers alike and all content tokens alike.
Its coefficient between two atoms then depends on the classes of the two tokens, on whether they are
the same token, and on the positions: a handful of numbers, however many tokens there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from assocmem._checks import (
    Array,
    checked_array,
    checked_bytes,
    checked_kind,
    checked_mapping,
    checked_option,
    checked_reals,
    checked_scalar,
)
from assocmem.memory import AssociativeMemory
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.families import (
    OUTPUTS,
    POSITIONS,
    REMAPPED_POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    TokenBlock,
    axes,
    check_alike,
    checked_block,
    class_means,
    classes,
    count,
    new_name,
    tokens_of,
)
from assocmem.tasks import InductionTask


class BlockTable:
    """The coefficients of one learned matrix over the frozen atoms, block by block.

    Parameters
    ----------
    task : InductionTask
        Whose tokens and positions the atoms belong to.
    matrix : {"W_O2", "W_K2", "W_K1"}
        The learned matrix. Rows are ``"outputs"`` for W_O2 and the query's atoms otherwise;
        columns are the key's atoms (for W_O2: their images under W_V²). Atoms are ``"tokens"``,
        ``"positions"``, ``"remapped_tokens"`` and ``"remapped_positions"``, as `FrozenEmbeddings`
        names them.
    blocks : mapping from (row, column) to a block
        Token by token: `TokenBlock`. Otherwise an array, (classes, T), (T, classes) or (T, T).
        Classes are (trigger, content), or a single one when triggers are random. A block that is
        absent is zero. W_K1 without a token block is its position block alone.

    Raises
    ------
    ValueError
        For an unknown matrix, a block of atoms that the matrix does not have or of another shape,
        NaN or infinity.
    TypeError
        For a block of tokens that is no `TokenBlock`, and for what is no array of numbers.

    Notes
    -----
    Tokens and positions count from 0. Coefficients are those at infinite width. Tables of one
    matrix and task are added, subtracted and scaled, and ``np.asarray(table)`` is `coefficients`.

    References
    ----------
    [BCBJB2023], Section 6: gradients as sums of outer products; the classes are the symmetry of the
    task.

    Examples
    --------
    >>> import assocmem as am
    >>> table = am.gradients.first_step(am.InductionTask(4, 6, n_triggers="random", predict="all"))
    >>> block = table["outputs", "tokens"]
    >>> print(f"{48 * block.same[0]:.3f} {144 * block.different[0, 0]:.3f}")
    1.000 -1.000
    """

    def __init__(
        self, task: InductionTask, matrix: str, blocks: Mapping[tuple[str, str], TokenBlock | Array]
    ) -> None:
        checked_option("matrix", matrix, ("W_O2", "W_K2", "W_K1"))
        self.task, self.matrix = checked_kind("task", task, InductionTask), matrix
        rows, columns = axes(matrix, with_tokens=True)
        self._blocks: dict[tuple[str, str], TokenBlock | Array] = {}
        for name, block in checked_mapping("blocks", blocks).items():
            name = new_name(name)
            if name not in product(rows, columns):
                raise ValueError(
                    f"blocks: expected names (row, column) from {rows} and {columns}, those of "
                    f"{matrix}; got {name!r}. Leave out what is zero."
                )
            self._blocks[name] = checked_block(task, name, block)

    def __getitem__(self, block: tuple[str, str]) -> Any:
        block = new_name(block)
        if not isinstance(block, tuple) or block not in self._blocks:
            raise KeyError(
                f"block: expected one of {list(self._blocks)} in this table of {self.matrix}; got "
                f"{block!r}. Name row and column, as in table['positions', 'positions']."
            )
        return self._blocks[block]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._blocks)

    @classmethod
    def from_coefficients(
        cls, task: InductionTask, matrix: str, coefficients: ArrayLike
    ) -> BlockTable:
        """Return the table of a full coefficient array; the inverse of `coefficients`.

        Parameters
        ----------
        task : InductionTask
            Whose tokens and positions the atoms belong to.
        matrix : {"W_O2", "W_K2", "W_K1"}
            The learned matrix.
        coefficients : array_like, shape (rows, columns)
            Over the atoms, in the order of `coefficients`.

        Returns
        -------
        BlockTable
            The same numbers by class of token.

        Raises
        ------
        ValueError
            For coefficients that tell two tokens of a class apart, or of the wrong shape.

        Examples
        --------
        >>> import assocmem as am
        >>> task = am.InductionTask(n_tokens=4, length=6)
        >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
        >>> _, memories = model.loss_and_memories(task.enumerate())
        >>> gradient = am.BlockTable.from_coefficients(task, "W_O2", memories["W_O2"].coefficients)
        >>> print(f"{gradient.lead:.4f} {-am.gradients.first_step(task).lead:.4f}")
        -0.0556 -0.0556
        """
        given = checked_reals("coefficients", coefficients)
        table = cls.averaged(task, matrix, given, task)
        gap, largest = np.abs(table.coefficients() - given).max(), np.abs(given).max()
        # an average of n entries rounds by n eps / 2 of the largest, and so may the entries
        if not gap <= given.size * np.finfo(float).eps * largest:
            raise ValueError(
                f"coefficients: expected the same for all tokens of a class, as the symmetry of "
                f"the task has it; got {matrix} entries that differ by {gap:.3g} from their mean. "
                f"Average them with BlockTable.averaged, or keep them as an AssociativeMemory."
            )
        return table

    @classmethod
    def averaged(
        cls,
        task: InductionTask,
        matrix: str,
        coefficients: ArrayLike,
        representatives: InductionTask,
    ) -> BlockTable:
        """Return the mean of a coefficient array over all renamings of the tokens of each class.

        Its sum over a class, or over pairs of tokens, is shared equally by all of ``task``. With
        ``representatives`` equal to ``task`` this is the plain mean.

        Parameters
        ----------
        task : InductionTask
            Whose tokens share the sums.
        matrix : {"W_O2", "W_K2", "W_K1"}
            The learned matrix.
        coefficients : array_like, shape (rows, columns)
            Over the atoms of ``representatives``, and zero on the tokens of ``task`` beyond them.
        representatives : InductionTask
            A task with the same classes of tokens and no more of them.

        Returns
        -------
        BlockTable
            A pair of classes that does not exist gets 0.

        Raises
        ------
        TypeError, ValueError
            For another matrix, tasks of different kinds, and coefficients of another shape.
        """
        array = checked_array("coefficients", coefficients)
        checked_option("matrix", matrix, ("W_O2", "W_K2", "W_K1"))
        checked_kind("task", task, InductionTask)
        checked_kind("representatives", representatives, InductionTask)
        blocks = dict[tuple[str, str], Any]()
        check_alike(task, representatives)
        with_tokens = array.ndim == 2 and len(array) > task.length
        rows, columns = axes(matrix, with_tokens=with_tokens)
        heights, lengths = (
            [count(representatives, name) for name in names] for names in (rows, columns)
        )
        if array.shape != (sum(heights), sum(lengths)):
            raise ValueError(
                f"coefficients: expected shape {(sum(heights), sum(lengths))}, {matrix} over the "
                f"atoms of {representatives}; got {array.shape}. Take those of a memory that the "
                f"model returns."
            )
        for row, band in zip(rows, np.split(array, np.cumsum(heights)[:-1]), strict=True):
            for column, part in zip(
                columns, np.split(band, np.cumsum(lengths)[:-1], axis=1), strict=True
            ):
                blocks[row, column] = class_means(task, representatives, (row, column), part)
        return cls(task, matrix, blocks)

    def on(self, task: InductionTask) -> BlockTable:
        """Return the table with the same coefficients by class, for another task of the same kind.

        Parameters
        ----------
        task : InductionTask
            It differs from the table's in its numbers of tokens only.

        Returns
        -------
        BlockTable
            With the same blocks.

        Raises
        ------
        TypeError, ValueError
            For a task of another kind.

        Examples
        --------
        >>> import assocmem as am
        >>> table = am.gradients.first_step(am.InductionTask(n_tokens=10**6, length=6))
        >>> table.on(am.InductionTask(n_tokens=7, length=6)).coefficients().shape
        (6, 26)
        """
        check_alike(self.task, checked_kind("task", task, InductionTask))
        return BlockTable(task, self.matrix, self._blocks)

    # NumPy scalars on the left of * leave the product to __rmul__
    __array_ufunc__ = None

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError(
                "copy: expected True or None, as the coefficients are spread out from the blocks; "
                "got False. Use np.asarray(table)."
            )
        return np.asarray(self.coefficients(), dtype=dtype)

    def __mul__(self, factor: Any) -> BlockTable:
        checked_scalar("*", factor)
        blocks: dict[tuple[str, str], TokenBlock | Array] = {
            name: TokenBlock(block.different * factor, block.same * factor)
            if isinstance(block, TokenBlock)
            else block * factor
            for name, block in self._blocks.items()
        }
        return BlockTable(self.task, self.matrix, blocks)

    def __neg__(self) -> BlockTable:
        return self * -1

    def __add__(self, other: BlockTable) -> BlockTable:
        if not isinstance(other, BlockTable):
            return NotImplemented
        if (self.matrix, self.task) != (other.matrix, other.task):
            raise ValueError(
                f"+: expected two tables of one matrix and one task; got {self!r} and {other!r}. "
                f"BlockTable.on gives the coefficients of a task to another of its kind."
            )
        blocks = dict(self._blocks)
        for name, block in other._blocks.items():
            own = blocks.get(name)
            if isinstance(own, TokenBlock) and isinstance(block, TokenBlock):
                block = TokenBlock(own.different + block.different, own.same + block.same)
            elif own is not None:
                block = np.asarray(own + block)
            blocks[name] = block
        return BlockTable(self.task, self.matrix, blocks)

    def __radd__(self, other: Any) -> BlockTable:
        # the start of sum()
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: BlockTable) -> BlockTable:
        return self + -other if isinstance(other, BlockTable) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> BlockTable:
        checked_scalar("/", divisor)
        return self * (1 / divisor)

    def __repr__(self) -> str:
        return f"BlockTable({self.matrix}, {self.task}, blocks={list(self._blocks)})"

    @property
    def lead(self) -> Any:
        """The wanted coefficient minus the largest that competes for the same cue.

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
    def strength(self) -> Any:
        """The unit in which `top_down` measures the size of a step, its margin.

        It is the lead, or for W_K1 the median over t = 2..T-1 of the wanted coefficient itself.
        """
        if self.matrix != "W_K1":
            return self.lead
        return np.median(np.diagonal(self[POSITIONS, POSITIONS], offset=-1)[:-1])

    @property
    def _heads(self) -> range:
        return range(1, self.task.length - 1)

    def block(self, row: str, column: str, *, max_bytes: int = 2**30) -> Array:
        """Return one block as a full array, with a coefficient for every pair of atoms.

        Parameters
        ----------
        row, column : str
            The families of the atoms, such as "outputs" and "tokens".
        max_bytes : int
            What the block may take.

        Returns
        -------
        array
            A row for each atom of the row's family, a column for each of the column's.

        Raises
        ------
        ValueError
            For a row or column that this matrix does not have, and a block that would take more.
        TypeError
            For SymPy sizes.
        """
        row, column = new_name((row, column))
        named = isinstance(row, str) and isinstance(column, str)
        if not named or row not in self._axes[0] or column not in self._axes[1]:
            raise ValueError(
                f"block: expected a row of {self._axes[0]} and a column of {self._axes[1]}; got "
                f"{(row, column)!r}."
            )
        block = self._blocks.get((row, column))
        if {POSITIONS, REMAPPED_POSITIONS} >= {row, column} and block is not None:
            return np.asarray(block)  # it is stored in full
        self._require_room([row], [column], max_bytes)
        rows, columns = tokens_of(self.task, row), tokens_of(self.task, column)
        if block is None:
            return np.zeros((len(rows), len(columns)))
        if isinstance(block, TokenBlock):
            a, b = classes(self.task, rows), classes(self.task, columns)
            equal = rows[:, None] == columns[None, :]
            return np.where(equal, block.same[a][:, None], block.different[np.ix_(a, b)])
        if row in (POSITIONS, REMAPPED_POSITIONS):
            return block[:, classes(self.task, columns)]
        return block[classes(self.task, rows)]

    def coefficients(self, *, max_bytes: int = 2**30) -> Array:
        """Return the full coefficient array over the atoms, in the order `FrozenEmbeddings` stacks.

        Parameters
        ----------
        max_bytes : int
            What the array may take.

        Returns
        -------
        array, shape (rows, columns)
            A coefficient for every pair of atoms.

        Raises
        ------
        ValueError
            If it would take more than ``max_bytes``.
        TypeError
            For SymPy sizes.
        """
        rows, columns = self._axes
        self._require_room(rows, columns, max_bytes)
        return np.block(
            [[self.block(row, column, max_bytes=max_bytes) for column in columns] for row in rows]
        )

    def _require_room(self, rows: Iterable[str], columns: Iterable[str], max_bytes: int) -> None:
        """Refuse to write out what does not fit, by its size alone."""
        if self.task.is_symbolic:
            raise TypeError(
                f"task: expected integers for n_tokens and n_triggers, to write out coefficients; "
                f"got {self.task!r}. Read single blocks instead, table[row, column]."
            )
        n, m = (sum(count(self.task, name) for name in names) for names in (rows, columns))
        if 8 * n * m > checked_bytes("max_bytes", max_bytes):
            raise ValueError(
                f"max_bytes: expected room for the {n} x {m} coefficients of {self.matrix}, "
                f"{8 * n * m:.3g} bytes; got {max_bytes}. Read them by class of token instead, "
                f"table[row, column]."
            )

    def memory(self, embeddings: FrozenEmbeddings) -> AssociativeMemory:
        r"""Return the memory :math:`\sum_{ji} C_{ji} v_j u_i^\top` over given embeddings.

        Parameters
        ----------
        embeddings : FrozenEmbeddings
            That fit the task.

        Returns
        -------
        AssociativeMemory
            Over the atoms; for W_K1 over the positions alone where no block is of tokens.

        Raises
        ------
        TypeError, ValueError
            For other embeddings, and coefficients of more than 1 GiB.
        """
        checked_kind("embeddings", embeddings, FrozenEmbeddings).check_fits(self.task)
        coefficients = self.coefficients()
        if self.matrix == "W_O2":
            keys, values = embeddings.values, embeddings.outputs
        elif self.matrix == "W_K2":
            keys = values = embeddings.atoms
        else:
            with_tokens = TOKENS in self._axes[0]
            keys = values = embeddings.inputs if with_tokens else embeddings.positions
        return AssociativeMemory(keys=keys, values=values, coefficients=coefficients)

    @property
    def _axes(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return axes(self.matrix, with_tokens=any(TOKENS in name for name in self))
