"""Check of P1: for symmetric weights the population is a sum over patterns of equal tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import assocmem as am
from assocmem.model.blocks import BlockTable
from assocmem.model.symmetric import LEARNED, SymmetricTransformer
from validation import reference
from validation.runner.cases import ROUNDING, Case, Context
from validation.steps.populations import reference_parameters, small_tasks


def random_weights(task: am.InductionTask, rng: np.random.Generator) -> dict[str, BlockTable]:
    """Independent N(0, 1/16) coefficients, averaged over the tokens of each class."""
    n, length = task.n_tokens, task.length
    shapes = {"W_K1": (n + length,) * 2, "W_K2": (2 * (n + length),) * 2}
    shapes["W_O2"] = (task.n_outputs, 2 * (n + length))
    return {
        name: BlockTable.averaged(task, name, rng.normal(size=shape) / 4, task)
        for name, shape in shapes.items()
    }


def check(context: Context) -> Iterator[Case]:
    tasks = [am.InductionTask(8, 5, 3, "all"), am.InductionTask(8, 5, "random", "all")]
    tasks += [task for task in small_tasks() if context.full or task.n_sequences <= 100]
    losses, differences = [], []
    for task in tasks:
        weights = random_weights(task, context.rng)
        patterns = task.patterns()
        loss, tables = SymmetricTransformer(task, **weights).loss_and_tables(patterns)
        emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
        params = reference_parameters(emb, {n: t.memory(emb) for n, t in weights.items()})
        data = (batch.tokens, batch.targets, batch.weights)
        expected = reference.loss(params, *data)
        if task in tasks[:2]:
            kind = "random" if task.random_triggers else "fixed"
            name = f"loss of {len(patterns)} patterns, {len(batch)} sequences, {kind} triggers"
            yield Case(name, expected, loss, ROUNDING * expected, evidence="enumeration").of("b")
        losses.append(abs(loss - expected) / expected)
        gradients = reference.gradients(params, *data)
        # one scale for all three: that on W_K1 can vanish by chance, its rounding does not
        scale = max(np.abs(gradients[matrix]).max() for matrix in LEARNED)
        differences += [
            np.abs(tables[matrix].memory(emb).matrix - gradients[matrix]).max() / scale
            for matrix in LEARNED
        ]
    worst = f"{len(tasks)} populations, largest difference"
    for name, found in (("loss", losses), ("gradients", differences)):
        case = Case(f"{name}, {worst}", 0, np.max(found), ROUNDING, evidence="enumeration")
        yield case.of("b")
    for k in (1, 1000, "random"):
        task = am.InductionTask(10**6, 9, k, "all")
        patterns = task.patterns()
        total = sum(patterns.counts) / task.n_sequences
        yield Case(
            f"share of the sequences with a pattern, N=10^6 T=9 K={k}",
            1,
            total,
            0,
            evidence="enumeration",
        ).of("a")
        sizes = patterns.multiplicities.sum(axis=1) / task.n_tokens
        name = f"classes counted, the same, K={k}"
        yield Case(name, 1, sizes.min(), ROUNDING, evidence="enumeration").of("b")
