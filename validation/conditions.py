"""The conditions of claims T-S1, T-S2, T-m1 and T-S3 against the reference and the tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import t as student

import assocmem as am
from assocmem.gradients import conditions
from assocmem.gradients.slope import Slope, most_triggers
from assocmem.model.blocks import POSITIONS
from validation import reference
from validation.cases import FALSE_ALARM, ROUNDING, Case, Context
from validation.gradients import measured_gradient, reference_parameters, small_tasks

Array = Any
MANY = 10**15  # content tokens: what is of order 1/C is below the rounding


def moments(length: int) -> conditions.Moments:
    return conditions.moments(Fraction(length), *conditions.harmonic_numbers(length))


def smallest(candidates: range, holds: Callable[[int], bool]) -> float:
    """The first from which on it holds; not a number if it stops to, or never does."""
    answers = [holds(candidate) for candidate in candidates]
    first = answers.index(True) if True in answers else len(answers)
    return float(candidates[first]) if answers[first:] and all(answers[first:]) else math.nan


# T-S1


def check_T_S1(context: Context) -> Iterator[Case]:
    differences, largest = [], 0.0
    for task in small_tasks():
        scores = _scores(task, measured_gradient(task, "W_O2"))
        right = scores[np.arange(task.n_outputs), np.arange(task.n_outputs)]
        np.fill_diagonal(scores, -np.inf)
        leads = (right - scores.max(axis=0))[-task.n_content :]  # content keys
        predicted = 1 / (task.n_content * task.length)
        if task.random_triggers:
            predicted, _ = conditions.first_leads(
                task.n_content, float(task.length), moments(task.length)
            )
        differences.append(np.abs(leads - float(predicted)).max())
        largest = max(largest, float(predicted))
    name = f"{len(differences)} populations, largest difference of the leads"
    yield Case(name, 0, np.max(differences), ROUNDING * largest)
    for n, length in ((12, 32), (16, 32), *(((16, 64), (32, 64)) if context.full else ())):
        yield from _reading_with_a_perfect_head(n, length, context)


def _scores(task: am.InductionTask, matrix: Array) -> Array:
    """The coefficients between outputs and the images of the predicted tokens."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    return emb.outputs @ matrix @ emb.values[task.outputs].T


def _reading_with_a_perfect_head(n: int, length: int, context: Context) -> Iterator[Case]:
    """Random triggers: how far the output's logit is ahead of the trigger's after step 1."""
    task = am.InductionTask(n, length, "random", "all")
    emb, first = am.FrozenEmbeddings.orthonormal(task), am.gradients.first_step(task)
    head = am.induction_head(task, emb, beta=50.0) | {"W_O2": first.memory(emb)}
    batch = task.sample(length - 2, rng=context.rng)
    late = batch.tokens[:, 0] != batch.tokens[:, -1]  # tau > 1: no tie
    tokens, targets = batch.tokens[late], batch.targets[late, -1]
    logits = reference.forward(reference_parameters(emb, head), tokens)[:, -1]
    rows = np.arange(len(tokens))
    margin = logits[rows, targets] - logits[rows, tokens[:, -1]]
    direct, remapped = conditions.first_leads(n - 1, float(length), moments(length))
    predicted = float(direct - remapped)
    where = f"random triggers, N={n} T={length}"
    worst = margin[np.abs(margin - predicted).argmax()]
    tolerance = ROUNDING * np.abs(logits).max()
    yield Case(f"logit of o less that of q, {where}", predicted, worst, tolerance)
    answers = logits.argmax(axis=1)
    expected, said = ("o", targets) if predicted > 0 else ("q", tokens[:, -1])
    yield Case(f"answers {expected}, {where}", 1, np.mean(answers == said), 0)


# T-S2


def check_T_S2(context: Context) -> Iterator[Case]:
    sizes = [(5, 1), (5, 2), (6, 1), *([(6, 2), (7, 1)] if context.full else [])]
    for length, k in sizes:
        predicted = 1 + math.floor(conditions.fewest_content(length, k, moments(length)))
        measured = smallest(range(2, predicted + 2), partial(reference_recalls, length, k))
        yield Case(f"reference: fewest C, all, T={length} K={k}", predicted, measured, 0)
    for length, k in itertools.product((8, 16, 64), (1, 4, 64)):
        predicted = 1 + math.floor(conditions.fewest_content(length, k, moments(length)))
        around = range(max(2, predicted - 4), predicted + 4)
        measured = smallest(around, lambda content: recalls(over_all(content, length, k)))  # noqa: B023
        yield Case(f"fewest C, all, T={length} K={k}", predicted, measured, 0)
    for content, k in ((10, 1), (16, 4)):
        limits = ((t, conditions.fewest_content(t, k, moments(t))) for t in itertools.count(8))
        predicted = next(t for t, least in limits if least >= content)
        around = range(predicted - 8, predicted + 8)
        measured = smallest(around, lambda t: not recalls(over_all(content, t, k)))  # noqa: B023
        yield Case(f"shortest T without a lead, all, C={content} K={k}", predicted, measured, 0)
    sizes = list(itertools.product(range(2, 14), range(1, 6)))
    positive = {(content, k) for content, k in sizes if recalls(over_all(content, 4, k))}
    expected = {(c, 1) for c in range(2, 12)} | {(c, 2) for c in range(3, 10)}
    yield Case("exceptions at T=4, symmetric difference", 0, len(positive ^ expected), 0)
    for length in (9, 13, 14, 40, 41, 64):
        tasks = {n: am.InductionTask(n, length, "random", "all") for n in range(4, 12)}
        measured = smallest(range(4, 12), lambda n: recalls(tasks[n]))  # noqa: B023
        predicted = conditions.fewest_tokens_random(length)
        yield Case(f"random triggers, T={length}: lead > 0 from N", predicted, measured, 0)


def over_all(content: int, length: int, k: int) -> am.InductionTask:
    return am.InductionTask(content + k, length, k, "all")


def recalls(task: am.InductionTask) -> bool:
    """Whether step 2 has a positive lead, by the closed form."""
    return bool(am.gradients.second_step(task).lead > 0)


def reference_recalls(length: int, k: int, content: int) -> bool:
    """The same for prediction over all tokens, by the sign of J that the reference measures."""
    task = over_all(content, length, k)
    emb = am.FrozenEmbeddings.orthonormal(task)
    first = {"W_O2": measured_gradient(task, "W_O2")}
    matrix = measured_gradient(task, "W_K2", [first])
    wanted = emb.tokens[0] @ matrix @ emb.Phi1 @ emb.tokens[0]
    return bool(wanted > ROUNDING * np.abs(matrix).max())


# T-m1


def check_T_m1(context: Context) -> Iterator[Case]:
    """The sign of the wanted coefficient on both sides of m1*, by sampled population gradients."""
    sizes = [(10, 4, 32), (20, 16, 32), (4, 1, 16)]
    pieces, size = 32, 2000 if context.full else 500
    # Student's t over independent pieces; two levels a size.
    z = student.isf(FALSE_ALARM / (4 * len(sizes)), pieces - 1)
    for content, k, length in sizes:
        x = float(conditions.harmonic_numbers(length)[0])
        threshold = conditions.repairing_margin(content, k, float(length), x, moments(length))
        for factor, predicted in ((2 / 3, -1), (3 / 2, 1)):
            values = [
                _wanted_after(over_all(content, length, k), factor * threshold, size, context)
                for _ in range(pieces)
            ]
            error = z * np.std(values, ddof=1) / math.sqrt(pieces)
            mean = np.mean(values)
            measured = np.sign(mean) if abs(mean) > error else 0
            where = f"C={content} K={k} T={length}"
            yield Case(f"sign of the lead at {factor:.2f} m1*, {where}", predicted, measured, 0)


def _wanted_after(task: am.InductionTask, margin: float, size: int, context: Context) -> float:
    """The wanted coefficient of step 2 after a first step of a finite size."""
    emb, first = am.FrozenEmbeddings.orthonormal(task), am.gradients.first_step(task)
    model = am.FrozenTransformer(emb, W_O2=first.memory(emb) * (margin / first.lead))
    batch = task.sample(size, rng=context.rng)
    _, memories = model.loss_and_memories(batch, ("W_K2",))
    atoms, n = memories["W_K2"].coefficients, task.n_tokens
    remapped = n + task.length  # where the atoms Phi1 w_E start
    return -float(np.mean([atoms[q, remapped + q] for q in task.triggers]))


# T-S3


def check_T_S3(context: Context) -> Iterator[Case]:
    for n, length, k, predicted in ((4, 5, 1, 1), (5, 5, 2, 1), (4, 6, 1, 3), (5, 6, 2, 3)):
        task = am.InductionTask(n, length, k)
        first = {"W_O2": measured_gradient(task, "W_O2")}
        both = [first, {"W_K2": measured_gradient(task, "W_K2", [first])}]
        positions = slice(n, n + length)
        value, slope = (
            measured_gradient(task, "W_K1", along)[positions, positions]
            for along in ([first], both)
        )
        name = f"reference: rows 2..T-1 recalled, N={n} T={length} K={k}"
        yield Case(name, predicted, recalled_rows(value, slope), 0)
    for n, length, k in ((32, 32, 1), (32, 64, 2), (8, 64, 1)):
        name = f"rows 2..T-1 recalled, N={n} T={length} K={k}"
        yield Case(name, length - 3, _rows(am.InductionTask(n, length, k)), 0)
    for k, row in ((1, 3), (4, 2)):  # K/N is below and above H (1 - 1/C) / (T - 2)
        task = am.InductionTask(64, 32, k, "all")
        name = f"prediction over all: the one row recalled, N=64 T=32 K={k}"
        yield Case(name, row, _the_row(task), 0)
    for length in (6, 7, 8, 10, 12, 16, 32):
        limit = most_triggers(length)
        most = math.floor(limit) if limit is not None else 0
        many = [_rows(am.InductionTask(MANY + k, length, k)) for k in (most, most + 1)]
        found = most if many[0] == length - 3 > many[1] else math.nan
        yield Case(f"largest K, T={length}, C=1e15", most, found, 0)
        few = _rows(am.InductionTask(3 + min(most, 30), length, min(most, 30)))
        if length <= 12:
            yield Case(f"rows at C=3, K=K*, T={length}", length - 3, few, 0)
    for length, k in ((16, 1), (32, 1), (32, 8)):
        task = am.InductionTask(MANY + k, length, k)
        second = am.gradients.second_step(task)
        table = am.gradients.third_step_slope(task, second=second)[POSITIONS, POSITIONS]
        unit = am.gradients.first_step(task).lead ** 2 / (k * length**3)
        b, t = Slope(length, k), length // 2
        rounding = ROUNDING * np.abs(table[:-1]).max() / unit
        for column in (t - 1, 2):
            measured = table[t - 1, column - 1] / unit
            case = f"B[{t},{column}], T={length} K={k}"
            yield Case(case, float(b.coefficient(t, column)), measured, rounding)
        value = am.gradients.third_step(task, 0)[POSITIONS, POSITIONS]
        slope = table / second.lead
        threshold = (value[1, 1] - value[1, 0]) / (slope[1, 0] - slope[1, 1])
        tolerance = threshold * rounding / abs(table[1, 0] - table[1, 1]) * unit
        yield Case(f"lambda_2, T={length} K={k}", float(b.second_row), threshold, tolerance)


def _rows(task: am.InductionTask) -> int:
    second = am.gradients.second_step(task)
    return recalled_rows(
        am.gradients.third_step(task, 0, second=second)[POSITIONS, POSITIONS],
        am.gradients.third_step_slope(task, second=second)[POSITIONS, POSITIONS],
    )


def _the_row(task: am.InductionTask) -> float:
    """The row that A alone recalls, when it is one."""
    value = am.gradients.third_step(task, 0)[POSITIONS, POSITIONS]
    rows = [t + 1 for t in range(1, task.length - 1) if value[t, : t + 1].argmax() == t - 1]
    return float(rows[0]) if len(rows) == 1 else math.nan


def recalled_rows(value: Array, slope: Array) -> int:
    """How many rows t = 2 .. T-1 of A + λ B have their maximum at t - 1 as λ → 0.

    Entries of A that differ by no more than rounding are equal, and B decides between them.
    """
    count, rounding = 0, ROUNDING * np.abs(value).max()
    for t in range(1, len(value) - 1):
        lead = value[t, t - 1] - value[t, : t + 1]
        tied = np.abs(lead) <= rounding
        gain = slope[t, t - 1] - slope[t, : t + 1]
        others = np.arange(t + 1) != t - 1
        count += bool(np.all(np.where(tied, gain > 0, lead > 0)[others]))
    return count
