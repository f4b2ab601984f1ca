"""Check of H3: detectors find the heads that are there, and only them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from assocmem import heads
from validation.heads import two_heads
from validation.runner.cases import FALSE_ALARM, Case, Context, between

DECOYS: Any = (
    "duplicate",
    "shuffled",
    "recent",
    "anti-copying",
    "wrong source",
)
N_TOKENS = LENGTH = 24


def check(context: Context) -> Iterator[Case]:
    """H3: models with planted heads and decoys, and a transformer that was trained."""
    yield from (case.of("a") for case in planted(context))
    yield from (case.of("b") for case in trained(context))


def measured(name: str, predicted: float, found: float, tolerance: float) -> Case:
    """A case that rests on draws: models, sequences, training batches."""
    return Case(name, predicted, found, tolerance, evidence="range")


def planted(context: Context) -> Iterator[Case]:
    """H3 (a): how many models are read with a mistake; and what attention on data says."""
    models = 40 if context.full else 8
    wrong, circuits, fooled, right = 0, 0, 0, 0
    for _ in range(models):
        specimen = heads.specimen(
            n_tokens=N_TOKENS, length=LENGTH, width=192, n_layers=3, decoys=DECOYS, rng=context.rng
        )
        found = heads.find(specimen.heads, level=1e-7)
        wrong += {(each.kind, each.places) for each in found.found} != specimen.wanted
        circuits += found.circuits == (specimen.circuit,)
        attention = induction_attention(specimen, context.rng)
        places = {kind: place for place, kind in specimen.truth.items()}
        right += attention[places["induction"]] > 0.5
        fooled += attention[places["anti-copying"]] > 0.5
    yield measured("models with a head missed or made up", 0, wrong, 0)
    yield measured("models whose induction circuit is the one found", models, circuits, 0)
    yield measured("models whose induction head attends as one", models, right, 0)
    yield measured("models whose anti-copying head attends as one, too", models, fooled, 0)


def induction_attention(
    specimen: heads.Specimen, rng: np.random.Generator
) -> dict[tuple[int, int], float]:
    """Of each head the attention to the token that followed, on sequences that repeat."""
    period = 10
    tokens = np.stack([np.resize(rng.permutation(N_TOKENS)[:period], LENGTH) for _ in range(8)])
    _, maps = specimen.heads.run(tokens)
    rows = np.arange(period + 1, LENGTH)
    return {
        (l, h): float(each[:, h, rows, rows - period + 1].mean())
        for l, each in enumerate(maps)
        for h in range(each.shape[1])
    }


def trained(context: Context) -> Iterator[Case]:
    """H3 (b): the largest p-value of the three memories of the best circuit."""
    if context.full:
        weights = two_heads.named(two_heads.trained(context.rng))
        model = heads.read(weights, layout=two_heads.LAYOUT, n_heads=2)
    else:
        model = heads.read(two_heads.FILE, layout=two_heads.LAYOUT, n_heads=2)
    found = heads.find(model, level=FALSE_ALARM)
    yield measured("trained: has an induction circuit", 1, bool(found.circuits), 0)
    by_place = {(each.kind, each.places): each for each in found.found}
    for first, second in found.circuits[:1]:
        for kind, places in (
            ("previous token", (first,)),
            ("induction", (first, second)),
            ("copying", (second,)),
        ):
            each = by_place[kind, places]
            yield measured(f"trained, {kind}: p-value", 0, each.p_value(), 1e-6)
            yield between(f"trained, {kind}: recall above 1/2", 1 / 2, 1, each.recall, "range")
            if context.full:
                share = each.permutation_p_value(draws=2_000_000, rng=context.rng)
                yield measured(f"trained, {kind}: p by 2e6 signed permutations", 0, share, 1e-6)
