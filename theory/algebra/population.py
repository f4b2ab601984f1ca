"""The three steps of the population loss of `InductionTask`, summed pattern by pattern.

Only definitions are used here: the loss, the model, the law of the sequences. Nothing is shared
with the closed forms of `assocmem.gradients`, which these sums prove.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import assocmem as am
from assocmem.model.blocks import BlockTable
from assocmem.model.families import (
    ATOMS,
    OUTPUTS,
    POSITIONS,
    REMAPPED_POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    TokenBlock,
)
from theory.algebra.patterns import Pattern, objects, patterns
from theory.algebra.rational import FIELD, RING, c, k

VOCABULARIES = ("content", "all", "random")


FAMILIES = ((TOKENS, POSITIONS), (REMAPPED_TOKENS, REMAPPED_POSITIONS))


class PatternSums:
    """The three steps of the population loss, summed pattern by pattern.

    ``vocabulary``: fixed triggers and prediction over the "content" or over "all" tokens, or
    "random" triggers. The sizes are C content tokens and K triggers; N = C + K, or C + 1.
    """

    def __init__(self, length: int, vocabulary: str) -> None:
        ring_c, ring_k = RING.gens
        self.length, self.random = length, vocabulary == "random"
        self.outputs = (
            ring_c if vocabulary == "content" else ring_c + (1 if self.random else ring_k)
        )
        self.sizes = [ring_c + 1] if self.random else [ring_k, ring_c]  # tokens in each class
        self.task = am.InductionTask(
            c + (1 if self.random else k),
            length,
            "random" if self.random else k,
            "content" if vocabulary == "content" else "all",
        )
        # x¹ at W_K¹ = 0, times `unit` to stay with integers: tokens and positions, then their
        # averages over the past, which Φ₁ remaps.
        self.unit = math.lcm(*range(1, length + 1))
        self.own = self.unit * np.eye(length, dtype=int).astype(object)
        self.past = np.array(
            [[self.unit // s if r < s else 0 for r in range(length)] for s in range(1, length + 1)],
            dtype=object,
        )

    # Sums over patterns and averages over the names of tokens.

    def expectation(
        self,
        statistic: Callable[[Pattern], dict[str, np.ndarray]],
        scale: Any = 1,
        *,
        tau: int | None = None,
    ) -> dict[str, np.ndarray]:
        """E[statistic] / scale, or E[statistic | τ] / scale; statistics have entries in Z[C, K]."""
        by_content: dict[int, Any] = {}
        for pattern in patterns(self.length, tau):
            b, new = pattern.n_content, statistic(pattern)
            old = by_content.get(b)
            by_content[b] = new if old is None else {name: old[name] + new[name] for name in new}
        total: dict[str, Any] = {}
        for b, sums in by_content.items():
            weight = math.prod((RING.gens[0] - i for i in range(b)), start=RING.one)
            for name, part in sums.items():
                total[name] = total.get(name, 0) + np.asarray(part, dtype=object) * weight
        places = self.length - 2 if tau is None else 1
        divisor = FIELD(scale) * places * c ** (self.length - 2)
        return {name: exact(part) / divisor for name, part in total.items()}

    def classes(self, pattern: Pattern) -> np.ndarray:
        """1 where token i of the pattern is of a class (trigger, content; one if random)."""
        n = 1 + pattern.n_content
        rows = [[1] * n] if self.random else [[1] + [0] * (n - 1), [0] + [1] * (n - 1)]
        return np.array(rows, dtype=object)

    def pair_sums(
        self,
        name: str,
        pattern: Pattern,
        row: np.ndarray,
        column: np.ndarray,
        row_totals: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Σ row_i column_j over tokens i ≠ j of two classes, and over i = j of one.

        ``row_totals`` are the sums of row over the classes, as absent tokens may count.
        """
        classes = self.classes(pattern)
        same = classes @ (row * column)
        different = np.outer(row_totals, classes @ column) - np.diag(same)
        return {f"{name} different": different, f"{name} same": same}

    def token_block(self, name: str, sums: dict[str, np.ndarray]) -> TokenBlock:
        """From sums over pairs of tokens to averages."""
        sizes = exact(self.sizes)
        pairs = np.outer(sizes, sizes) - np.diag(sizes)
        return TokenBlock(sums[f"{name} different"] / pairs, sums[f"{name} same"] / sizes)

    # The three steps.

    def first_step(self) -> BlockTable:
        """G₁ = E[(1{y=k} - 1/M) o_T], o_T = (1/T) Σ_s x¹_s (behind W_V²)."""
        length, m = self.length, self.outputs
        weights = [matrix.sum(axis=0) for matrix in (self.own, self.past)]

        def statistic(pattern: Pattern) -> dict[str, np.ndarray]:
            label = np.array([RING(-1)] * (1 + pattern.n_content), dtype=object)
            label[pattern.output] += m  # M (1{y=k} - 1/M)
            present = self.classes(pattern)
            totals = present @ label - (np.array(self.sizes, dtype=object) - present.sum(axis=1))
            found: dict[str, np.ndarray] = {}
            for (tokens, positions), weight in zip(FAMILIES, weights, strict=True):
                occupancy = weight @ pattern.holds
                found |= self.pair_sums(tokens, pattern, label, occupancy, totals)
                found[positions] = np.outer(totals, weight)
            return found

        sums = self.expectation(statistic, m * length * self.unit)
        blocks: dict[tuple[str, str], Any] = {}
        for tokens, positions in FAMILIES:
            blocks[OUTPUTS, tokens] = self.token_block(tokens, sums)
            blocks[OUTPUTS, positions] = sums[positions] / exact(self.sizes)[:, None]
        return BlockTable(self.task, "W_O2", blocks)

    def second_step(self, first: BlockTable) -> BlockTable:
        """J₂ = E[x¹_T ⊗ Cov_s(u_s, x¹_s)]."""
        length, (read, scale) = self.length, self.cleared(first)

        def statistic(pattern: Pattern) -> dict[str, np.ndarray]:
            x = self.streams(pattern)
            u = self.stack(x) @ self.stack(self.readout(pattern, read))
            key = {name: (length * u - u.sum()) @ x[name] for name in x}
            found: dict[str, np.ndarray] = {}
            for row, query in ((row, x[row][-1]) for row in x):
                for column in x:
                    name = f"{row} to {column}"
                    if row in (TOKENS, REMAPPED_TOKENS):
                        totals = self.classes(pattern) @ query
                        if column in (TOKENS, REMAPPED_TOKENS):
                            found |= self.pair_sums(name, pattern, query, key[column], totals)
                        else:
                            found[name] = np.outer(totals, key[column])
                    elif column in (TOKENS, REMAPPED_TOKENS):
                        found[name] = np.outer(query, self.classes(pattern) @ key[column])
                    else:
                        found[name] = np.outer(query, key[column])
            return found

        sums = self.expectation(statistic, scale * self.unit**3 * length**2)
        sizes, blocks = exact(self.sizes), dict[tuple[str, str], Any]()
        for row in ATOMS:
            for column in ATOMS:
                name = f"{row} to {column}"
                if name not in sums:
                    blocks[row, column] = self.token_block(name, sums)
                elif row in (TOKENS, REMAPPED_TOKENS):
                    blocks[row, column] = sums[name] / sizes[:, None]
                elif column in (TOKENS, REMAPPED_TOKENS):
                    blocks[row, column] = sums[name] / sizes
                else:
                    blocks[row, column] = sums[name]
        return BlockTable(self.task, "W_K2", blocks)

    def third_step(self, first: BlockTable, second: BlockTable) -> tuple[BlockTable, BlockTable]:
        """S3 at W_K² = λ J₂: the value A at λ = 0 and the slope B, position by position."""
        length, unit = self.length, self.unit
        (read, scale), (match, second_scale) = self.cleared(first), self.cleared(second)

        def statistic(pattern: Pattern) -> dict[str, np.ndarray]:
            x, g = self.streams(pattern), self.readout(pattern, read)
            rows = self.stack(x)
            j = self.matches(pattern, match)
            remapped = self.remapped(pattern)
            u, scores = rows @ self.stack(g), rows @ (rows[-1] @ j)
            worth, tilt = length * u - u.sum(), length * scores - scores.sum()
            value = remapped @ self.stack(g)  # w_U(y)ᵀ G₁ Φ₁ x_r
            as_key, as_query = rows[-1] @ j @ remapped.T, remapped @ (j @ (worth @ rows))
            slope = np.outer(tilt, value) + np.outer(worth, as_key)
            slope[-1] = slope[-1] + as_query
            return {"A": np.outer([1] * length, value), "B": slope}

        sums = self.expectation(statistic)
        scales = {"A": scale * length, "B": scale * second_scale * unit**2 * length**2}
        tables = []
        for name, divisor in scales.items():
            change = sums[name] / FIELD(divisor)
            block = through_softmax(change)
            tables.append(BlockTable(self.task, "W_K1", {(POSITIONS, POSITIONS): block}))
        return tables[0], tables[1]

    # What a sequence of a given pattern sees of the atoms and of a table.

    def streams(self, pattern: Pattern) -> dict[str, np.ndarray]:
        """x¹, times `unit`: a row per position, a column per atom that occurs."""
        holds = pattern.holds
        return {
            TOKENS: self.own @ holds,
            POSITIONS: self.own,
            REMAPPED_TOKENS: self.past @ holds,
            REMAPPED_POSITIONS: self.past,
        }

    def remapped(self, pattern: Pattern) -> np.ndarray:
        """Φ₁ x_r: a row per position, columns as in `streams`."""
        holds, own = pattern.holds, self.own // self.unit
        return np.hstack([0 * holds, 0 * own, holds, own])

    @staticmethod
    def stack(by_family: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate(list(by_family.values()), axis=-1)

    def of_class(self, pattern: Pattern) -> np.ndarray:
        """The class of each token of the pattern."""
        return self.classes(pattern).argmax(axis=0)

    def readout(self, pattern: Pattern, read: dict[Any, Any]) -> dict[str, np.ndarray]:
        """w_U(y)ᵀ G₁ W_V² on the atoms that occur."""
        of, y = self.of_class(pattern), pattern.output
        found = {}
        for tokens, positions in FAMILIES:
            block = read[OUTPUTS, tokens]
            found[tokens] = block.different[of[y]][of]
            found[tokens][y] = block.same[of[y]]
            found[positions] = read[OUTPUTS, positions][of[y]]
        return found

    def matches(self, pattern: Pattern, match: dict[Any, Any]) -> np.ndarray:
        """The coefficients of J₂ between the atoms that occur."""
        of = self.of_class(pattern)

        def between(row: str, column: str) -> np.ndarray:
            block = match[row, column]
            if isinstance(block, TokenBlock):
                return np.where(
                    np.eye(len(of), dtype=bool), block.same[of], block.different[np.ix_(of, of)]
                )
            if row in (TOKENS, REMAPPED_TOKENS):
                return block[of]
            return block[:, of] if column in (TOKENS, REMAPPED_TOKENS) else block

        return np.block([[between(r, c) for c in ATOMS] for r in ATOMS])

    @staticmethod
    def cleared(table: BlockTable) -> tuple[dict[Any, Any], Any]:
        """The table times a common denominator, in Z[C, K], and the denominator."""
        entries = [entry for name in table for entry in _entries(table[name])]
        scale = RING.one
        for denominator in {e.denom for e in entries}:
            scale = scale.lcm(denominator)

        def clear(array: np.ndarray) -> np.ndarray:
            flat = [(e * scale).to_poly() for e in array.ravel()]
            return objects(flat).reshape(array.shape)

        cleared: dict[Any, Any] = {}
        for name in table:
            block = table[name]
            cleared[name] = (
                TokenBlock(clear(block.different), clear(block.same))
                if isinstance(block, TokenBlock)
                else clear(block)
            )
        return cleared, scale


def through_softmax(change: np.ndarray) -> np.ndarray:
    """From what x¹_t gains along each Φ₁ x_r to the scores of layer 1, uniform over r <= t."""
    block = 0 * change
    for t, row in enumerate(change, start=1):
        seen = row[:t]
        block[t - 1, :t] = (seen - seen.sum() / t) / t
    return block


def differences(table: BlockTable, other: BlockTable, *, rows: Any = slice(None)) -> set[Any]:
    """All differences between the coefficients of two tables: {0} when they agree."""
    found: set[Any] = set()
    for name in table:
        a, b = table[name], other[name]
        pairs = zip(a, b, strict=True) if isinstance(a, TokenBlock) else [(a, b)]
        for left, right in pairs:
            for x, y in zip(np.ravel(left[rows]), np.ravel(right[rows]), strict=True):
                found.add((FIELD(x) - FIELD(y)).as_expr())
    return found


def exact(array: Any) -> np.ndarray:
    """The array with entries in the field of fractions."""
    flat = np.asarray(array, dtype=object)
    return objects([FIELD(e) for e in flat.ravel()]).reshape(flat.shape)


def _entries(block: Any) -> list[Any]:
    parts = block if isinstance(block, TokenBlock) else [block]
    return [entry for part in parts for entry in part.ravel()]
