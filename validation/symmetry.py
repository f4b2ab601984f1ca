"""Checks of the claims in `theory.symmetry`: populations up to symmetry, and real step sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import assocmem as am
from assocmem.model.blocks import POSITIONS, REMAPPED_TOKENS, TOKENS, BlockTable
from assocmem.symmetric import LEARNED, SymmetricTransformer
from theory.symmetry import SECOND_ORDER
from validation import reference
from validation.cases import ROUNDING, Case, Check, Context
from validation.gradients import reference_parameters, small_tasks
from validation.paired import dropped_part

Array = Any

LINEAR = 1e-9  # a step so small that the next odd order in it is below rounding


def random_weights(task: am.InductionTask, rng: np.random.Generator) -> dict[str, BlockTable]:
    """Independent N(0, 1/16) coefficients, averaged over the tokens of each class."""
    n, length = task.n_tokens, task.length
    shapes = {"W_K1": (n + length,) * 2, "W_K2": (2 * (n + length),) * 2}
    shapes["W_O2"] = (task.n_outputs, 2 * (n + length))
    return {
        name: BlockTable.averaged(task, name, rng.normal(size=shape) / 4, task)
        for name, shape in shapes.items()
    }


def check_P1(context: Context) -> Iterator[Case]:
    tasks = [am.InductionTask(8, 5, 3, "all"), am.InductionTask(8, 5, "random", "all")]
    tasks += [task for task in small_tasks() if context.full or task.n_sequences <= 100]
    losses, differences = [], []
    for task in tasks:
        weights = random_weights(task, context.rng)
        patterns = task.enumerate(up_to_symmetry=True)
        loss, tables = SymmetricTransformer(task, **weights).loss_and_tables(patterns)
        emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
        params = reference_parameters(emb, {n: t.memory(emb) for n, t in weights.items()})
        data = (batch.tokens, batch.targets, batch.weights)
        expected = reference.loss(params, *data)
        if task in tasks[:2]:
            kind = "random" if task.random_triggers else "fixed"
            name = f"loss of {len(patterns)} patterns, {len(batch)} sequences, {kind} triggers"
            yield Case(name, expected, loss, ROUNDING * expected)
        losses.append(abs(loss - expected) / expected)
        gradients = reference.gradients(params, *data)
        # one scale for all three: that on W_K1 can vanish by chance, its rounding does not
        scale = max(np.abs(gradients[matrix]).max() for matrix in LEARNED)
        differences += [
            np.abs(tables[matrix].memory(emb).matrix - gradients[matrix]).max() / scale
            for matrix in LEARNED
        ]
    worst = f"{len(tasks)} populations, largest difference"
    yield Case(f"loss, {worst}", 0, np.max(losses), ROUNDING)
    yield Case(f"gradients, {worst}", 0, np.max(differences), ROUNDING)
    for k in (1, 1000, "random"):
        task = am.InductionTask(10**6, 9, k, "all")
        patterns = task.enumerate(up_to_symmetry=True)
        total = sum(patterns.counts) / task.n_sequences
        yield Case(f"share of the sequences with a pattern, N=10^6 T=9 K={k}", 1, total, 0)
        sizes = patterns.multiplicities.sum(axis=1) / task.n_tokens
        yield Case(f"classes counted, the same, K={k}", 1, sizes.min(), ROUNDING)


def check_P2(context: Context) -> Iterator[Case]:
    sizes = ((3, 1), (40, 3), (10**6 - 1, 1))
    for length, kappa in SECOND_ORDER.items():
        for c, k in sizes if context.full or length == 5 else sizes[::2]:
            task = am.InductionTask(c + k, length, k)
            predicted = float(kappa) / c
            slope, last_correction = _slope(task)
            rounding = ROUNDING * 2**6
            name = f"relative change of the lead per m_1, T={length} C={c} K={k}"
            yield Case(name, predicted, slope, abs(last_correction) + rounding)
    task = am.InductionTask(4, 5)
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    first = _lead_by(am.gradients.first_step(task), 0.5).memory(emb)
    params = reference_parameters(emb, {"W_O2": first})
    data = (batch.tokens, batch.targets, batch.weights)
    gradient = -reference.gradients(params, *data, wrt=["W_K2"])["W_K2"]
    cue = emb.tokens[0] @ gradient @ emb.remapped_tokens.T
    name = "lead after a step of m_1 = 0.5, T=5 C=3: the reference's"
    predicted = _real_lead(task, 0.5)
    yield Case(name, predicted, cue[0] - cue[1], ROUNDING * np.abs(gradient).max())


def _lead_by(first: BlockTable, margin: float) -> BlockTable:
    """The first memory, scaled so that the wanted coefficient leads the other outputs by margin."""
    return first * (margin / first.lead)


def _real_lead(task: am.InductionTask, margin: float) -> float:
    """Lead of the trigger query in the exact gradient on W_K2 after a first step of this size."""
    first = _lead_by(am.gradients.first_step(task), margin)
    patterns = task.enumerate(up_to_symmetry=True)
    model = SymmetricTransformer(task, W_O2=first)
    block = model.loss_and_tables(patterns, ("W_K2",))[1]["W_K2"][TOKENS, REMAPPED_TOKENS]
    return float(block.different[0, -1] - block.same[0])


def _slope(task: am.InductionTask) -> tuple[float, float]:
    """Slope in m₁ at 0 of lead / (m₁ lead(J₂) / u), by Romberg's rule; and its last correction."""
    unit = am.gradients.second_step(task)[TOKENS, REMAPPED_TOKENS]
    per_margin = (unit.same[0] - unit.different[0, -1]) / am.gradients.first_step(task).lead
    steps = 2.0 ** -np.arange(2, 7)
    table = [
        (_real_lead(task, h) / h + _real_lead(task, -h) / h) / per_margin / (2 * h) for h in steps
    ]
    last = np.inf
    for order in range(1, len(steps)):  # each round removes the next even power of h
        last = table[-1]
        table = [y + (y - x) / (4**order - 1) for x, y in itertools.pairwise(table)]
    return table[-1], table[-1] - last


def dropped(task: am.InductionTask, lead: float) -> float:
    """Size of what S3(b) drops, relative to the closed form, exactly; rows t < T."""
    first, second = am.gradients.first_step(task), am.gradients.second_step(task)
    patterns = task.enumerate(up_to_symmetry=True)

    def gradient(margin: float) -> Array:
        weights = {"W_O2": _lead_by(first, margin), "W_K2": second * (lead / second.lead)}
        tables = SymmetricTransformer(task, **weights).loss_and_tables(patterns, ("W_K1",))[1]
        return -tables["W_K1"][POSITIONS, POSITIONS]

    exact = (gradient(LINEAR) - gradient(-LINEAR)) * (first.lead / (2 * LINEAR))
    closed = am.gradients.third_step(task, lead)[POSITIONS, POSITIONS]
    return float(np.linalg.norm((exact - closed)[:-1]) / np.linalg.norm(closed[:-1]))


def check_P3(context: Context) -> Iterator[Case]:
    task = am.InductionTask(17, 5)
    paired = dropped_part(task, lead=1.0, batch=task.enumerate()).relative
    tolerance = ROUNDING * len(task.contents) ** 1.5  # square root of the number of sequences
    yield Case("dropped part, all sequences, C=16 T=5", paired, dropped(task, 1.0), tolerance)
    for length, k, lead, stated in ((5, 1, 1.0, 3.011), (8, 4, 10.0, 5.256)):
        contents = 100.0 * np.array([1, 2, 4])
        scaled = [c**2 * dropped(am.InductionTask(int(c) + k, length, k), lead) for c in contents]
        # c_0 + c_1/C + c_2/C^2 through three sizes; the last term is what a fourth could change
        powers = (1 / contents[:, None]) ** np.arange(3)
        constants = np.linalg.solve(powers, scaled)
        where = f"T={length} K={k} lead={lead:g}"
        yield Case(f"c_0, {where}", stated, constants[0], 0.5e-3)  # half the last digit stated
        for c in (10**4, 10**6):
            predicted = float(constants @ (1 / c) ** np.arange(3.0))
            measured = c**2 * dropped(am.InductionTask(c + k, length, k), lead)
            tolerance = abs(constants[2]) * powers[0, 2] + ROUNDING * c**2
            yield Case(f"C^2 dropped part, {where}, C={c:.0e}", predicted, measured, tolerance)
    for length in (8, 9, 10) if context.full else (8, 9):
        yield from _three_real_steps(am.InductionTask(10**6, length))


def _three_real_steps(task: am.InductionTask) -> Iterator[Case]:
    model = SymmetricTransformer.top_down(task, margins=(0.5, 10.0, 20.0))
    patterns, small = task.enumerate(up_to_symmetry=True), model.restricted
    recalled = [
        am.probe(name, patterns.representatives, small.embeddings).margins(small.weights[name]) > 0
        for name in reversed(LEARNED)
    ]
    where = f"N=10^6 T={task.length}"
    inner = np.concatenate([*recalled[:2], recalled[2][1:-1]])  # rows 3 .. T-2 of W_K1
    yield Case(f"recall of the three memories, {where}", 1, inner.mean(), 0)
    result = am.evaluate(small, patterns.batch)
    tau, last = result.trigger_position, task.length - 3
    accuracy = patterns.mean(result.correct, where=(tau > 0) & (tau < last))
    yield Case(f"accuracy, 2 <= tau <= T-3, {where}", 1, accuracy, ROUNDING)
    bound = 1 / task.n_content
    for place in (0, last):
        accuracy = patterns.mean(result.correct, where=tau == place)
        yield Case(f"accuracy, tau={place + 1}, {where}", bound, accuracy, bound)


CHECKS: dict[str, Check] = {"P1": check_P1, "P2": check_P2, "P3": check_P3}
