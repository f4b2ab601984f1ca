"""The families of atoms that the blocks of a table belong to, and the classes of their tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from assocmem._checks import Array, Ints, checked_array, checked_reals, renamed
from assocmem.tasks import InductionTask

# The families of vectors that the atoms of a block belong to: attributes of `FrozenEmbeddings`.
OUTPUTS, TOKENS, POSITIONS = "outputs", "tokens", "positions"
REMAPPED_TOKENS, REMAPPED_POSITIONS = "remapped_tokens", "remapped_positions"
ATOMS = (TOKENS, POSITIONS, REMAPPED_TOKENS, REMAPPED_POSITIONS)

_NAMES_OF_BEFORE = {
    "w_U": OUTPUTS,
    "w_E": TOKENS,
    "p": POSITIONS,
    "Phi1 w_E": REMAPPED_TOKENS,
    "Phi1 p": REMAPPED_POSITIONS,
}


class TokenBlock(NamedTuple):
    """A block of coefficients between tokens, which depend only on the classes of the tokens.

    Parameters
    ----------
    different : array, shape (classes, classes)
        Entry [a, b] is for two different tokens of the classes a and b.
    same : array, shape (classes,)
        Entry [a] is for one token of class a with itself.
    """

    different: Array
    same: Array


def checked_block(task: InductionTask, name: tuple[str, str], block: Any) -> TokenBlock | Array:
    """The block, of the shape that its atoms have by class, without NaN or infinity."""
    classes = 1 if task.random_triggers else 2
    sides = [task.length if atom in (POSITIONS, REMAPPED_POSITIONS) else classes for atom in name]
    if not {*name} & {POSITIONS, REMAPPED_POSITIONS}:
        if not isinstance(block, TokenBlock):
            raise TypeError(
                f"blocks[{name}]: expected a TokenBlock, as both atoms are of tokens; got "
                f"{type(block).__name__}. Write TokenBlock(different=..., same=...)."
            )
        shapes = {"different": (classes, classes), "same": (classes,)}
        return TokenBlock(
            *(
                _checked_part(f"blocks[{name}].{part}", getattr(block, part), shape)
                for part, shape in shapes.items()
            )
        )
    return _checked_part(f"blocks[{name}]", block, tuple(sides))


def _checked_part(name: str, given: Any, shape: tuple[int, ...]) -> Array:
    """An array of this shape, of finite numbers or SymPy expressions."""
    array = checked_array(name, given)
    if array.dtype != object:
        array = checked_reals(name, array)
    if array.shape != shape:
        raise ValueError(
            f"{name}: expected shape {shape}, by the classes (trigger, content), or one if they "
            f"are random, and the positions of the task; got {array.shape}."
        )
    return array


def count(task: InductionTask, family: str) -> int:
    """How many atoms a family has."""
    if family in (POSITIONS, REMAPPED_POSITIONS):
        return task.length
    return int(task.n_outputs if family == OUTPUTS else task.n_tokens)


def tokens_of(task: InductionTask, family: str) -> Ints:
    """The tokens (or positions) that the atoms of a family stand for."""
    return task.outputs if family == OUTPUTS else np.arange(count(task, family))


def classes(task: InductionTask, tokens: Ints) -> Ints:
    """The class of each token: trigger or content, or a single one when triggers are random."""
    if task.random_triggers:
        return np.zeros(len(tokens), dtype=np.int64)
    return (tokens >= task.n_triggers).astype(np.int64)


def members(task: InductionTask, family: str) -> Array:
    """1 where an atom of the family is of a class: (classes, tokens), or one per position."""
    if family in (POSITIONS, REMAPPED_POSITIONS):
        return np.eye(task.length)
    n_classes = 1 if task.random_triggers else 2
    return np.eye(n_classes)[classes(task, tokens_of(task, family))].T


def new_name(name: Any) -> Any:
    """The name of a block, also of one that goes by its name of before."""
    if not isinstance(name, tuple) or not all(isinstance(part, str) for part in name):
        return name
    if not any(part in _NAMES_OF_BEFORE for part in name):
        return name
    new = tuple(_NAMES_OF_BEFORE.get(part, part) for part in name)
    renamed(f"the block {name}", f"{new}", stacklevel=4)
    return new


def check_alike(task: InductionTask, other: InductionTask) -> None:
    """Refuse a task with other positions or other classes of tokens."""
    kinds = [(each.length, each.predict, each.random_triggers) for each in (task, other)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"task: expected tasks that differ in their numbers of tokens only; got {task} and "
            f"{other}. Keep length, predict and the kind of triggers."
        )


def axes(matrix: str, with_tokens: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the families of the rows and of the columns; W_K1 may be its position block alone."""
    if matrix == "W_O2":
        return (OUTPUTS,), ATOMS
    if matrix == "W_K2":
        return ATOMS, ATOMS
    inputs = (TOKENS, POSITIONS) if with_tokens else (POSITIONS,)
    return inputs, inputs


def sizes(task: InductionTask, family: str) -> Array:
    """Return how many atoms of the family are in each class; each position is its own."""
    if family in (POSITIONS, REMAPPED_POSITIONS):
        return np.ones(task.length)
    if task.random_triggers:
        return np.array([float(task.n_tokens)])
    triggers = 0 if family == OUTPUTS and task.predict == "content" else task.n_triggers
    return np.array([triggers, task.n_content], dtype=float)


def class_means(
    task: InductionTask, small: InductionTask, name: tuple[str, str], part: Array
) -> TokenBlock | Array:
    """Share the sums of one block over (pairs of) classes of atoms among all those of a task."""
    row, column = name
    by_row, by_column = members(small, row), members(small, column)
    n_rows, n_columns = sizes(task, row), sizes(task, column)

    def mean(sums: Array, number: Array) -> Array:
        return np.divide(sums, number, out=np.zeros_like(sums), where=number > 0)

    if {row, column} & {POSITIONS, REMAPPED_POSITIONS}:
        return mean(by_row @ part @ by_column.T, np.outer(n_rows, n_columns))
    equal = tokens_of(small, row)[:, None] == tokens_of(small, column)
    return TokenBlock(
        different=mean(
            by_row @ np.where(equal, 0, part) @ by_column.T,
            np.outer(n_rows, n_columns) - np.diag(n_rows),
        ),
        same=mean(by_row @ np.where(equal, part, 0).sum(axis=1), n_rows),
    )
