"""What the functions on finite width are given, checked at once: task, memories, width, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    MOST_BYTES,
    Array,
    at_least,
    checked_array,
    checked_kind,
    checked_mapping,
    checked_number,
    checked_option,
    checked_reals,
    require_room,
)
from assocmem.memory import AssociativeMemory
from assocmem.tasks import InductionTask

NAMES = ("W_O2", "W_K2", "W_K1")


def numeric_task(task: Any) -> InductionTask:
    """An InductionTask, refused if its sizes are symbols."""
    if checked_kind("task", task, InductionTask).is_symbolic:
        raise TypeError(
            f"task: expected an InductionTask with numeric sizes; got {task!r}. Build it with "
            f"integers."
        )
    atoms = task.n_tokens + task.length
    require_room("task", "tables of tokens and positions", 8 * atoms**2, "Take fewer tokens.")
    return task


def checked_coefficients(name: str, task: InductionTask, given: Any) -> Array:
    """The coefficients of a memory over the atoms of the task; of W_K1, over positions."""
    n_atoms = 2 * (task.n_tokens + task.length)
    shape = {
        "W_O2": (task.n_outputs, n_atoms),
        "W_K2": (n_atoms, n_atoms),
        "W_K1": (task.length, task.length),
    }[name]
    coefficients = checked_reals("coefficients", given)
    if coefficients.shape != shape:
        raise ValueError(
            f"coefficients: expected shape {shape}, {name} over the atoms of {task}; got "
            f"{coefficients.shape}. Take those of `top_down` with blocks='position'."
        )
    return coefficients


def checked_memories(
    task: InductionTask, memories: Any, *, whole: bool = False
) -> Mapping[str, AssociativeMemory]:
    """Some of the three memories of the task by name, or all of them."""
    for name, memory in checked_mapping("memories", memories).items():
        checked_option("memories", name, NAMES)
        checked_kind(f"memories[{name!r}]", memory, AssociativeMemory)
        checked_coefficients(name, task, memory.coefficients)
    if whole and set(memories) != set(NAMES):
        raise ValueError(
            f"memories: expected {', '.join(NAMES)}; got {', '.join(memories) or 'none'}. Take "
            f"those of a run without failure."
        )
    return memories


def checked_width(d: Any, least: int = 1) -> float:
    """A width, which need not be an integer."""
    return checked_number(
        "d", d, f"a width of at least {least}", lambda d: d >= least, "Take a larger one."
    )


def integer_width(d: Any, least: int) -> int:
    """A width whose degrees of freedom are counted, up to the integers that floats tell apart."""
    number: int = at_least("d", d, least)
    if number > 2**53:
        raise ValueError(f"d: expected at most 2^53; got {number}. Take the limit of `top_down`.")
    return number


def checked_draws(draws: Any, entries: int) -> int:
    """How many draws of so many entries, refused when they do not fit into memory."""
    number: int = at_least("draws", draws, 1)
    if (needed := 8 * number * entries) > MOST_BYTES:
        raise ValueError(
            f"draws: expected draws that take at most {MOST_BYTES:.2g} bytes; got {number}, which "
            f"take {needed:.2g}. Take fewer."
        )
    return number


def checked_one_sequence(task: InductionTask, tokens: ArrayLike) -> NDArray[np.int64]:
    """One sequence (T,) of the task."""
    array = checked_array("tokens", tokens)
    inside = array.dtype.kind in "iu" and array.shape == (task.length,)
    if not inside or array.min() < 0 or array.max() >= task.n_tokens:
        raise ValueError(
            f"tokens: expected one sequence of {task.length} integers from 0 to "
            f"{task.n_tokens - 1}; got shape {array.shape} of {array.dtype}. Take a row of "
            f"task.sample(...).tokens."
        )
    return array.astype(np.int64)
