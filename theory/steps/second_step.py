"""J₂ at any length: all 16 blocks in T, H_T and H_T^{(2)}, from who stands where.

Given (q, o, τ) the free positions hold independent content tokens. What a token holds of the
positions and what the first step reads there split into a mean, by the roles of positions, and a
fluctuation at each free position, with the covariance 1{i=j}/C - 1/C² of one-hot tokens.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from assocmem.model.blocks import BlockTable
from assocmem.model.families import (
    POSITIONS,
    REMAPPED_POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    TokenBlock,
)
from theory.algebra import rational
from theory.algebra.population import FAMILIES
from theory.algebra.telescoping import (
    CONTENT,
    FIELD,
    HERE,
    KINDS,
    LAST_BUT_ONE,
    LENGTH,
    RECIPROCAL,
    RING,
    ROLES,
    SECOND,
    TAIL,
    TRIGGERS,
    X,
    at_length,
    column_sum,
    covariances,
    covariances_of_free,
    covariances_with_tails,
    mean_over_tau,
    total,
)
from theory.steps.any_length import readouts, surplus_of_labels, task

# A token is q, o or another one of the content, c (or a trigger that does not occur): how many
# there are, how often each occurs, and what it holds on average of the output's and the triggers'
# positions. Shares sum to 1, so that the free positions count as minus the two others.
NUMBER = {"q": FIELD.one, "o": FIELD.one, "c": CONTENT - 1}


COUNT = {"q": FIELD(2), "o": 1 + (LENGTH - 3) / CONTENT, "c": (LENGTH - 3) / CONTENT}


HOLDS = {
    "q": np.array([FIELD.zero, FIELD.one]),
    "o": np.array([1 - 1 / CONTENT, -1 / CONTENT]),
    "c": np.array([-1 / CONTENT, -1 / CONTENT]),
}


FREE = np.array([-1, -1])


def meets(i: str, j: str, *, same: bool) -> Any:
    """The covariance of two one-hot tokens at a free position."""
    return FIELD.zero if "q" in (i, j) else int(same) / CONTENT - 1 / CONTENT**2


class Column(NamedTuple):
    """One of the two families of token columns: w_E or Φ₁ w_E."""

    reads: np.ndarray  # T³ Cov_s of the mean of u_s with what stands at output and triggers
    free: np.ndarray  # the same for the fluctuations of u_s, summed over the free positions
    keys: dict[str, Any]  # T³ E Cov_s(u_s, share of a token), by role

    def asked(self, i: str, j: str, *, same: bool) -> Any:
        """T³ J₂ in the row w_E(i)."""
        return self.keys[j] * int(i == "q")

    def counted(self, i: str, j: str, *, same: bool) -> Any:
        """T³ J₂ in the row Φ₁ w_E(i): the number of tokens i is a factor.

        It fluctuates with u_s and with the share of j; with both at once the mean is 0, over o.
        """
        with_reading = meets("o", i, same=i == "o") * (self.free @ HOLDS[j])
        with_share = meets(i, j, same=same) * (self.reads @ FREE)
        return (COUNT[i] * self.keys[j] + with_reading + with_share) / LENGTH


class SecondStep:
    """T³ J₂, with T, x = H_T, y = H_T^{(2)}, C and K symbols."""

    def __init__(self, vocabulary: str) -> None:
        self.vocabulary = vocabulary
        # What u_s reads at output and triggers, beyond free ones; what o at a free position adds.
        self.mean: dict[str, np.ndarray] = {}
        self.gain: dict[str, Any] = {}
        for kind, readout in readouts(vocabulary).items():
            output, trigger, free = map(FIELD.from_expr, readout.at_roles.values())
            self.mean[kind] = np.array([output - free, trigger - free])
            self.gain[kind] = FIELD.from_expr(readout.same - readout.other)
        self.surplus = FIELD.from_expr(surplus_of_labels(vocabulary))
        random = vocabulary == "random"
        self.classes = ["qoc"] if random else ["q", "oc"]
        self.sizes = [CONTENT + 1] if random else [TRIGGERS, CONTENT]

    def column(self, kind: str) -> Column:
        reads = covariances_with_tails(kind) * self.surplus
        reads = reads + sum(self.mean[u] @ covariances(u, kind) for u in KINDS)
        free = np.asarray(sum(FREE @ covariances(u, kind) * self.gain[u] for u in KINDS))
        both = sum(covariances_of_free(u, kind) * self.gain[u] for u in KINDS)
        keys = {j: reads @ HOLDS[j] + meets("o", j, same=j == "o") * both for j in HOLDS}
        return Column(reads, free, keys)

    # Columns that are positions.

    @cached_property
    def places(self) -> dict[str, Any]:
        """T² E(u_s - mean) at s = 1, between, at T - 1 and T."""
        n, zero, one = LENGTH - 2, FIELD.zero, FIELD.one
        stands = {  # output and triggers at s; in the past of s; the mean of h_r over r <= s
            "1": ([zero, 1 / n], [zero, 1 / n], X),
            "s": ([RING(1 / n)] * 2, [(1 - RECIPROCAL) / n, RING(1 / n)], 1 + TAIL - RECIPROCAL),
            "T-1": ([1 / n, zero], [1 / (LENGTH - 1)] * 2, 1 + 1 / LENGTH),
            "T": ([zero, one], [1 / LENGTH, 2 / LENGTH], one),
        }
        found = {}
        for place, (*shares, tails) in stands.items():
            found[place] = self.surplus * (LENGTH * tails - (2 * LENGTH - X))
            for kind, share in zip(KINDS, shares, strict=True):
                for reads, own, at in zip(self.mean[kind], share, ROLES.values(), strict=True):
                    mean = mean_over_tau(sum(column_sum(kind, a) for a in at))
                    found[place] += reads * (LENGTH * own - mean)
        return found

    @cached_property
    def past_places(self) -> dict[str, Any]:
        """The sum of the same times 1/s over s >= r, at r = 1, between, at T - 1 and T."""
        last = self.places["T"] / LENGTH
        before = last + self.places["T-1"] / (LENGTH - 1)
        between = RING(self.places["s"]) * RECIPROCAL
        return {
            "1": self.places["1"] + total(between, SECOND, LAST_BUT_ONE) + before,
            "s": total(between, HERE, LAST_BUT_ONE) + before,
            "T-1": before,
            "T": last,
        }

    # Averages over the names of tokens.

    def by_class(self, of_role: dict[str, Any]) -> np.ndarray:
        sums = [sum(NUMBER[i] * of_role[i] for i in roles) for roles in self.classes]
        return np.array([e / size for e, size in zip(sums, self.sizes, strict=True)])

    def by_pair(self, value: Any) -> TokenBlock:
        """Sums over the pairs of tokens that occur, over the number of pairs of their classes."""

        def different(a: int, b: int) -> Any:
            pairs = [(i, j) for i in self.classes[a] for j in self.classes[b]]
            terms = [NUMBER[i] * (NUMBER[j] - (i == j)) * value(i, j, same=False) for i, j in pairs]
            return sum(terms) / (self.sizes[a] * (self.sizes[b] - (a == b)))

        n = range(len(self.sizes))
        return TokenBlock(
            np.array([[different(a, b) for b in n] for a in n]),
            self.by_class({i: value(i, i, same=True) for i in NUMBER}),
        )

    @cached_property
    def of_tokens(self) -> dict[str, np.ndarray]:
        """What x¹_T holds of the two atoms of a token."""
        is_trigger = {i: FIELD(int(i == "q")) for i in NUMBER}
        share = {i: count / LENGTH for i, count in COUNT.items()}
        return {TOKENS: self.by_class(is_trigger), REMAPPED_TOKENS: self.by_class(share)}

    @cached_property
    def token_columns(self) -> dict[tuple[str, str], Any]:
        """T³ J₂ for the rows w_E, Φ₁ w_E and p_T, of which Φ₁ p_r has 1/T."""
        found: dict[tuple[str, str], Any] = {}
        for kind, (tokens, _) in zip(KINDS, FAMILIES, strict=True):
            column = self.column(kind)
            found[TOKENS, tokens] = self.by_pair(column.asked)
            found[REMAPPED_TOKENS, tokens] = self.by_pair(column.counted)
            found[POSITIONS, tokens] = self.by_class(column.keys)
        return found

    def table(self, length: int) -> BlockTable:
        """All 16 blocks at a number T."""

        def number(block: np.ndarray) -> np.ndarray:
            flat = [at_length(value, length) for value in block.ravel()]
            return np.array(flat).reshape(block.shape)

        regime = {1: "1", length - 1: "T-1", length: "T"}
        numbers, unit = range(1, length + 1), length**3
        shares = {row: number(share) for row, share in self.of_tokens.items()}
        shares[POSITIONS] = np.eye(length, dtype=int)[-1]
        shares[REMAPPED_POSITIONS] = np.full(length, rational.FIELD(1) / length)
        blocks: dict[tuple[str, str], Any] = {}
        for (tokens, positions), at in zip(FAMILIES, (self.places, self.past_places), strict=True):
            profile = [at_length(at[regime.get(s, "s")], length, s) / unit for s in numbers]
            key = number(self.token_columns[POSITIONS, tokens]) / unit
            for row, share in shares.items():
                blocks[row, positions] = np.outer(share, profile)
                blocks[row, tokens] = np.outer(share, key)
            for row in self.of_tokens:  # a token may meet itself
                different, same = map(number, self.token_columns[row, tokens])
                blocks[row, tokens] = TokenBlock(different / unit, same / unit)
        return BlockTable(task(length, self.vocabulary), "W_K2", blocks)
