"""Two samples of embeddings, direct and without their width: what is compared, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement
from math import log, sqrt
from typing import Any, NamedTuple

import numpy as np

import assocmem as am
from validation.runner.cases import FALSE_ALARM, ROUNDING, Case
from validation.width.written import with_coefficients

Draw = Callable[[], am.FrozenEmbeddings]


TASK = am.InductionTask(n_tokens=12, length=8)  # n = 51: at least 55 pairs of every kind


def blocks(gram: np.ndarray, kinds: dict[str, slice]) -> Iterator[tuple[str, np.ndarray]]:
    """The entries of a Gram matrix, by the kinds of their two vectors."""
    for (a, i), (b, j) in combinations_with_replacement(kinds.items(), 2):
        block = gram[i, j]
        if a == b:
            yield f"|{a}|^2", np.diagonal(block)
            block = block[np.tri(len(block), k=-1, dtype=bool)]
        yield f"<{a}, {b}'>", block


class Samples(NamedTuple):
    """Of each kind, draw by draw: the noise of its first entry, and the mean square of all.

    A variance that is wrong in every entry shows in few draws once the entries are pooled.
    """

    first: dict[str, np.ndarray]
    pooled: dict[str, np.ndarray]


class FixedModel:
    """Coefficients of three memories, and sequences: the same for every draw of embeddings."""

    def __init__(self, rng: np.random.Generator) -> None:
        n_inputs, n_outputs = TASK.n_tokens + TASK.length, len(TASK.outputs)
        self.coefficients = {  # attention whose scores are large would be saturated: insensitive
            "W_K1": rng.standard_normal((TASK.length, TASK.length)) / sqrt(TASK.length),
            "W_K2": rng.standard_normal((2 * n_inputs, 2 * n_inputs)) / sqrt(2 * n_inputs),
            "W_O2": rng.standard_normal((n_outputs, 2 * n_inputs)),
        }
        self.tokens = TASK.sample(16, rng=rng).tokens
        self.limit = self.quantities(am.FrozenEmbeddings.orthonormal(TASK))

    def quantities(self, emb: am.FrozenEmbeddings) -> dict[str, np.ndarray]:
        """Inner products, scores and logits, kind by kind."""
        memories: dict[str, Any] = {
            name: with_coefficients(C, name, emb) for name, C in self.coefficients.items()
        }
        model = am.FrozenTransformer(emb, readout="residual", **memories)
        stack, values = am.gram(np.vstack([emb.atoms, emb.outputs])), am.gram(emb.values)
        n = len(emb.inputs)
        x, image, output = slice(n), slice(n, 2 * n), slice(2 * n, None)
        return {
            **dict(blocks(stack, {"x": x, "Phi x": image, "u": output})),
            **dict(blocks(values, {"W_V x": x, "W_V Phi x": image})),
            "<Phi x, Phi x'> - <x, x'>": stack[image, image] - stack[x, x],
            "values against atoms": values - stack[: 2 * n, : 2 * n],
            **{f"scores of {name}": memory.scores() for name, memory in memories.items()},
            "logits": model.logits(self.tokens, positions=[-1]),
        }

    def noise(self, emb: am.FrozenEmbeddings) -> dict[str, np.ndarray]:
        """What differs from infinite width."""
        return {name: found - self.limit[name] for name, found in self.quantities(emb).items()}

    def samples(self, draw: Draw, count: int) -> Samples:
        """The noise of so many draws of embeddings."""
        rows = [self.noise(draw()) for _ in range(count)]
        return Samples(
            first={name: np.array([row[name].flat[0] for row in rows]) for name in self.limit},
            pooled={
                name: np.array([np.mean(row[name] ** 2) for row in rows]) for name in self.limit
            },
        )


def same_mean(case: str, one: np.ndarray, other: np.ndarray, *, tests: int) -> Case:
    """Means of two samples of one size, without any assumption on their law.

    If the two laws are one, then the differences D have random signs given |D|, and the sum of D
    exceeds z times the root of the sum of D^2 with probability at most 2 exp(-z^2 / 2): [H1963],
    Theorem 2.
    """
    difference = other - one
    z = sqrt(2 * log(2 * tests / FALSE_ALARM))
    allowed = z * float(np.linalg.norm(difference)) / len(difference)
    return Case(case, one.mean(), other.mean(), allowed + ROUNDING, evidence="statistics")
