"""Check of W7: the normal law, layer by layer, predicts the width that the induction head needs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from math import hypot, log
from typing import Any

import numpy as np

import assocmem as am
from assocmem.width.attention import AttentionLaw
from validation.runner import tolerances
from validation.runner.cases import Case, Context
from validation.width.head import NEAR, crossing, mean_recall
from validation.width.written import written

# d_90 of draws as stated, by T at N = 16, to 5 %: two digits, one sequence for each place, and a
# probit line between two widths for the curve.
WIDTHS = {48: 8.8e2, 64: 3.7e3, 96: 3.6e4}


STATED = log(1.05)


NORMAL = log(1.1)  # how far off the normal law may put ln d_90, from T = 48 on


class InductionHead:
    """The whole head on sequences of a task, the trigger at every place but the first.

    Given ``places``, at as many: the middles of strata of one size.
    """

    def __init__(
        self, task: am.InductionTask, rng: np.random.Generator, *, places: int | None = None
    ) -> None:
        self.task = task
        self.memories = am.top_down(task, evaluate_on=None).memories
        batch = task.sample(task.length - 2, rng=rng)  # K = 1: every place once
        late = np.argsort(batch.trigger_position)[1:]
        places = places or len(late)
        chosen = late[((np.arange(places) + 0.5) / places * len(late)).astype(int)]
        self.tokens, self.outputs = batch.tokens[chosen], batch.output_position[chosen]

    @cached_property
    def laws(self) -> list[AttentionLaw]:
        """One for each sequence."""
        return [AttentionLaw(self.task, self.memories, one) for one in self.tokens]

    def predicted(self, d: float, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Fraction of the sequences where the output gets most attention, by the normal law."""
        return np.mean([law.attends(d, draws, rng=rng) for law in self.laws], axis=0)

    def measured(self, d: float, draws: int, rng: np.random.Generator) -> np.ndarray:
        """The same fraction in draws of the embeddings."""
        found = []
        for _ in range(draws):
            emb = am.FrozenEmbeddings.random(self.task, width=int(d), compressed=True, rng=rng)
            weights: Any = {name: written(W, name, emb) for name, W in self.memories.items()}
            attention = am.FrozenTransformer(emb, **weights).attention(self.tokens, positions=[-1])
            found.append(np.mean(attention[1][:, 0].argmax(axis=1) == self.outputs))
        return np.array(found)


def check(context: Context) -> Iterator[Case]:
    """W7: d_90 as stated against draws and against the normal law, and its local exponents."""
    lengths = list(WIDTHS) if context.full else [48, 64]
    draws, normals = (400, 200) if context.full else (120, 200)
    by_law, places = (lengths, None) if context.full else (lengths[:1], 9)  # five places a stratum
    tests = 2 * len(lengths) - 1 + len(by_law)
    within = tolerances.standard_errors(tests, freedom=min(draws, normals) - 1)
    found = {}
    for length in lengths:
        task, widths = am.InductionTask(16, length), np.round(WIDTHS[length] * NEAR)
        name, stated = f"N = 16, T = {length}", log(WIDTHS[length])
        head = InductionHead(task, context.rng)
        recall = [head.measured(d, draws, context.rng) for d in widths]
        found[length] = measured, error = crossing(widths, *mean_recall(recall, len(head.tokens)))
        case = f"ln d_90, {name}"
        yield Case(case, stated, measured, STATED + within * error, evidence="range").of("a")
        if length in by_law:
            head = InductionHead(task, context.rng, places=places)
            recall = [head.predicted(d, normals, context.rng) for d in widths]
            law, error = crossing(widths, *mean_recall(recall, len(head.tokens)))
            yield Case(
                f"ln d_90 by the normal law, {name}",
                stated,
                law,
                NORMAL + within * error,
                evidence="range",
            ).of("b")
    for one, other in pairwise(lengths):
        apart = log(other / one)
        error = hypot(found[one][1], found[other][1]) / apart
        yield Case(
            f"local exponent of d_90, T = {one} to {other} (± {error:.1g})",
            log(WIDTHS[other] / WIDTHS[one]) / apart,
            (found[other][0] - found[one][0]) / apart,
            2 * STATED / apart + within * error,
            evidence="range",
        ).of("a")
