"""Exact sums over all sequences of a small independent language, its frequencies symbols."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sympy import QQ
from sympy.polys.rings import ring

Table = dict[tuple[int, int], Any]


@dataclass(frozen=True)
class Independent:
    """N tokens with frequencies f_0, ..., the first K of them triggers, and sequences of length T.

    The frequencies are free symbols but for the last, which makes their sum 1.
    """

    n_tokens: int
    n_triggers: int
    length: int

    @cached_property
    def frequencies(self) -> list[Any]:
        """f_0, ..., f_{N-1} as polynomials."""
        names = [f"f_{i}" for i in range(self.n_tokens - 1)]
        one, *free = ring(names, QQ)
        return [*free, one.one - sum(free, one.zero)]

    @property
    def n_outputs(self) -> int:
        """M = N - K."""
        return self.n_tokens - self.n_triggers

    def prefixes(self, outputs: Sequence[int]) -> Iterator[tuple[int, dict[Any, Any]]]:
        """For t = 1, ..., T the probabilities of (last token, how often each token occurred)."""
        f, n = self.frequencies, self.n_tokens
        start = {}
        for i in range(n):
            start[i, tuple(int(i == j) for j in range(n))] = f[i]
        for t in range(1, self.length + 1):
            yield t, start
            following: dict[Any, Any] = defaultdict(lambda: f[0] * 0)
            for (last, counts), p in start.items():
                for i, q in self.after(last, outputs):
                    more = tuple(c + (i == j) for j, c in enumerate(counts))
                    following[i, more] += p * q
            start = following

    def after(self, token: int, outputs: Sequence[int]) -> list[tuple[int, Any]]:
        """The tokens that can come next, with their probabilities."""
        if token < self.n_triggers:
            return [(outputs[token], 1)]
        return list(enumerate(self.frequencies))

    def all_outputs(self) -> Iterator[tuple[int, ...]]:
        """The outputs of all triggers, each as likely as the other."""
        return itertools.product(range(self.n_triggers, self.n_tokens), repeat=self.n_triggers)

    @cached_property
    def visits(self) -> list[tuple[tuple[int, ...], int, int, tuple[int, ...], Any]]:
        """All (outputs, t, last token, how often each token occurred), and their probability."""
        return [
            (outputs, t, last, counts, p)
            for outputs in self.all_outputs()
            for t, states in self.prefixes(outputs)
            for (last, counts), p in states.items()
        ]

    def first_step(self, knows_bigrams: bool) -> Table:
        """G₁[j, k], rows w_U and keys W_V² w_E, with loss on all tokens."""
        table: Table = defaultdict(lambda: self.frequencies[0] * 0)
        weight = QQ(1, self.n_outputs**self.n_triggers * self.length)
        for outputs, t, last, counts, p in self.visits:
            for j, rho in enumerate(self._residual(last, outputs, knows_bigrams)):
                for k, count in enumerate(counts):
                    if count and rho:
                        table[j, k] += p * rho * (count * weight / t)
        return table

    def _residual(self, last: int, outputs: Sequence[int], knows_bigrams: bool) -> list[Any]:
        f, n, k = self.frequencies, self.n_tokens, self.n_triggers
        law: list[Any] = [f[0] * 0 for _ in range(n)]
        for i, q in self.after(last, outputs):
            law[i] += q
        if not knows_bigrams:
            return [p - QQ(1, n) for p in law]
        if last >= k:
            return [p - p for p in law]
        return [p - (QQ(1, n - k) if i >= k else 0) for i, p in enumerate(law)]

    def mean(self, statistic: Any) -> Any:
        """(1/T) Σ_t (1/t) E[statistic(last token, counts)], averaged over outputs."""
        weight = QQ(1, self.n_outputs**self.n_triggers * self.length)
        total = self.frequencies[0] * 0
        for _, t, last, counts, p in self.visits:
            total += p * (statistic(last, counts) * weight / t)
        return total

    @property
    def repeats(self) -> Any:
        """V, the mass of repeated triggers."""
        k = self.n_triggers
        return self.mean(lambda last, counts: counts[last] - 1 if last < k else 0)
