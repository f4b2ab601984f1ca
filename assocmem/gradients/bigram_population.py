"""The moments of `BigramTask` under one predictor: chains, their ends, and control variates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from assocmem._checks import Array
from assocmem.gradients.bigram_moments import GradientAt, Matrix, moments_of
from assocmem.gradients.chains import Chains
from assocmem.gradients.draws import Draws, all_draws, draw_set, is_enumerated
from assocmem.tasks import BigramTask

CHUNK_NUMBERS = 2**22  # floats in one array over times, tokens and chains


@dataclass(frozen=True)
class _Responses:
    """What each chain contributes: `columns` (C, rows, columns), the moments of its M ends or of
    all queries; the `residual` (C, M, N) of each end; and `mass` (C,), E Σ_t w_t."""

    columns: Array
    residual: Array
    mass: Array

    def __getitem__(self, part: slice) -> _Responses:
        return _Responses(self.columns[part], self.residual[part], self.mass[part])


class Population:
    """The moments of a task under one predictor."""

    def __init__(
        self, task: BigramTask, predictor: Array, sets: int, rng: np.random.Generator
    ) -> None:
        self.task, self.predictor, self.sets, self.rng = task, predictor, sets, rng
        off = np.setdiff1d(task.outputs, task.trigger_tokens)
        residual = predictor[..., off, :] - task.language.bigram[off]
        # a residual that is rounding off the triggers makes every token asked: right, but slower
        silent = not task.random_triggers and not residual.any()
        self.every_token = task.loss == "all" and not silent
        self.exact = is_enumerated(task)

    def step(self, gradient: GradientAt) -> tuple[Array, Array | None]:
        """The mean over all draws; or over sets, as a ratio of means with linearised replicates.

        G₁ is by default the step on W_O2, from draws of its own for each set.
        """
        if gradient.matrix in ("W_K2", "W_K1") and gradient.first is None:
            table, replicates = self.step(GradientAt("W_O2"))
            gradient = replace(gradient, first=table if replicates is None else replicates)
        if self.exact:
            draws = all_draws(self.task, every_token=self.every_token)
            total, mass = self._total(gradient, draws, self._responses(gradient, draws))
            return total / mass, None
        totals, masses = self._sampled(gradient)
        mass = masses.mean()
        coefficients = totals.mean(axis=0) / mass
        replicates = coefficients + (totals - masses[:, None, None] * coefficients) / mass
        return coefficients, replicates

    def _sampled(self, gradient: GradientAt) -> tuple[Array, Array]:
        """The unnormalised gradient and E Σ_t w_t, from each set of draws."""
        effects, matrix = None, gradient.matrix
        if matrix in ("W_F", "W_O2") and not self.every_token and not self.task.random_triggers:
            effects = ControlVariates(self.task, matrix)
        sets = [
            draw_set(self.task, every_token=self.every_token, rng=self.rng)
            for _ in range(self.sets)
        ]
        totals, masses = [], []
        for draws, found in zip(sets, self._responses_of(gradient, sets), strict=True):
            if effects is not None:
                found = replace(found, columns=found.columns - effects.of(draws)[:, None])
            total, mass = self._total(gradient, draws, found)
            totals.append(total)
            masses.append(mass)
        return np.array(totals), np.array(masses)

    def _responses_of(self, gradient: GradientAt, sets: list[Draws]) -> Iterator[_Responses]:
        """Of each set, all of one size; of small ones, many at once."""
        size, atoms = len(sets[0]), self.task.n_tokens + self.task.length
        at_once = max(1, min(self._at_once, CHUNK_NUMBERS // atoms**2) // size)
        for start in range(0, len(sets), at_once):
            part = slice(start, start + at_once)
            first, joined = gradient.first, Draws.joined(sets[part])
            if first is not None and first.ndim == 3:  # a table for each set
                first = first[part]
            found = self._responses(replace(gradient, first=first), joined)
            for begin in range(0, len(joined), size):
                yield found[begin : begin + size]

    def _total(self, gradient: GradientAt, draws: Draws, found: _Responses) -> tuple[Array, float]:
        """Σ over chains and ends of weight · row ⊗ moments, (rows, columns), and E Σ_t w_t."""
        weighted = found.columns * draws.weights[:, None, None]
        mass = float(found.mass @ draws.weights)
        if gradient.matrix in ("W_F", "W_O2"):
            return np.tensordot(found.residual, weighted, axes=((0, 1), (0, 1))), mass
        if draws.asked is None or not gradient.rows_are_asked:
            return weighted.sum(axis=0), mass
        table = np.zeros((self.task.n_tokens, weighted.shape[-1]))
        np.add.at(table, draws.of_asked(draws.triggers), weighted[:, 0])
        return table, mass

    def _responses(self, gradient: GradientAt, draws: Draws) -> _Responses:
        """Of all chains, a chunk at a time."""
        parts = [
            self._part(gradient, draws[start : start + self._at_once])
            for start in range(0, len(draws), self._at_once)
        ]
        names = ("columns", "residual", "mass")
        return _Responses(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    @property
    def _at_once(self) -> int:
        """How many chains are a chunk."""
        columns = self.task.n_tokens if self.every_token or self.predictor.ndim == 3 else 1
        return max(1, CHUNK_NUMBERS // (self.task.length * self.task.n_tokens * columns))

    def _part(self, gradient: GradientAt, draws: Draws) -> _Responses:
        task = self.task
        ends, residual = self._ends(draws)
        chains = chains_of(task, draws)
        laws = chains.laws(task.length)
        asked = None if draws.asked is None else draws.of_asked(draws.triggers)
        moments = moments_of(gradient, task, chains, laws, ends, residual, asked)
        # where triggers are asked, the mass of a sequence is counted once for each of them
        mass = np.full(len(draws), task.length / (1 if asked is None else task.n_triggers))
        if asked is not None and task.loss == "triggers":  # not those without an earlier visit
            taboo = chains_of(task, draws, taboo=True)
            once = taboo.laws(task.length)
            moments = moments - moments_of(gradient, task, taboo, once, ends, residual, asked)
            mass = (laws - once)[:, asked, np.arange(len(draws))].sum(axis=0)
        return _Responses(moments, residual, mass)

    def _ends(self, draws: Draws) -> tuple[Array, Array]:
        """The ends e_t(z_t), (T, N, C, M), and the residual (C, M, N) of each as outputs go.

        An end says that z_t is the token that is asked, and its residual is known: M = 1, or M = N
        if every token is asked. With a predictor by position M = N ends carry an output's each.
        """
        task, n, size = self.task, self.task.n_tokens, len(draws)
        rows, each = np.arange(n), np.arange(size)
        kernel = np.tile(task.language.bigram, (size, 1, 1))
        kernel[each[:, None], draws.triggers] = np.eye(n)[draws.outputs]
        residual = kernel - self.predictor[..., None, :, :]  # ([T,] C, N, N)
        admitted = np.ones((size, n))
        if draws.asked is not None:
            admitted[:] = rows == draws.of_asked(draws.triggers)[:, None]
        shape = (task.length, n, size)
        if self.predictor.ndim == 3:
            ends = np.moveaxis(residual * admitted[:, :, None], 1, 2)
            return ends, np.broadcast_to(np.eye(n), (size, n, n))
        if draws.asked is None:
            ends = np.eye(n)[:, None, :]
            return np.broadcast_to(ends, (*shape, n)), residual
        asked = draws.of_asked(draws.triggers)
        return np.broadcast_to(admitted.T[:, :, None], (*shape, 1)), residual[each, asked][:, None]


class ControlVariates:
    """Control variates: what one output does where all other triggers draw anew at each visit.

    With the mean output law in the rows of the other triggers a sequence is a chain again, so that
    the response X to one output at a time, its own (X_j) or another trigger's (X^o), is exact.
    Another's output acts through how often the asked trigger comes back, a factor 1 + r(o) on all
    responses, and beyond it on the keys that it makes frequent. The variate of a chain is

        X_j (Π (1 + r(o)) - 1) + Σ (X^o - (1 + r(o)) X̄),     products and sums over the others,

    whose expectation is 0, as r and X^o - X̄ have mean 0 under the law of o.
    """

    def __init__(self, task: BigramTask, matrix: Matrix) -> None:
        self.triggers = task.trigger_tokens
        law = task.output_law(self.triggers[None])[0]
        kernel = task.language.bigram.copy()
        kernel[self.triggers] = law
        k, n = law.shape
        width = 2 * (n + task.length)
        self.own, self.others = np.zeros((k, n, width)), np.zeros((k, k, n, width))
        self.factor = np.ones((k, k, n))
        for place, asked in enumerate(self.triggers):
            end = np.eye(n)[:, [asked]][:, None, :]
            for other, trigger in enumerate(self.triggers):
                outputs = np.flatnonzero(law[other])
                rows = np.full((len(outputs), 1), trigger)
                alive = Chains(task.language.unigram, kernel, rows, outputs[:, None])
                response = _at_end(task, matrix, alive, end)
                if task.loss == "triggers":
                    ended = kernel.copy()
                    ended[asked] = 0
                    to = np.full_like(rows, -1) if other == place else outputs[:, None]
                    taboo = Chains(task.language.unigram, ended, rows, to)
                    response -= _at_end(task, matrix, taboo, end)
                if other == place:
                    self.own[place, outputs] = response
                    continue
                mean = law[other, outputs] @ response
                factor = response[:, asked] / mean[asked]
                self.factor[place, other, outputs] = factor
                self.others[place, other, outputs] = response - factor[:, None] * mean

    def of(self, draws: Draws) -> Array:
        """The variate of each chain, (C, 2(N+T))."""
        assert draws.asked is not None
        own = self.own[draws.asked, draws.of_asked(draws.outputs)]
        factor, rest = np.ones(len(draws)), np.zeros_like(own)
        for other in range(len(self.triggers)):
            output = draws.outputs[:, other]
            factor *= self.factor[draws.asked, other, output]
            rest += self.others[draws.asked, other, output]
        return own * (factor - 1)[:, None] + rest


def _at_end(task: BigramTask, matrix: Matrix, chains: Chains, end: Array) -> Array:
    laws = chains.laws(task.length)
    ends = np.broadcast_to(end, (*laws.shape, 1))
    none = np.empty((laws.shape[2], 1, 0))
    return moments_of(GradientAt(matrix), task, chains, laws, ends, none, None)[:, 0]


def chains_of(task: BigramTask, draws: Draws, *, taboo: bool = False) -> Chains:
    """The chains of the draws; with a taboo they end after the asked trigger's first visit."""
    to = draws.outputs.copy()
    if taboo:
        assert draws.asked is not None
        to[np.arange(len(draws)), draws.asked] = -1
    return Chains(task.language.unigram, task.language.bigram, draws.triggers, to)
