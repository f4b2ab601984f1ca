"""Steps of finite size: what S3b drops and keeps, the output at place 1, a repaired step 2.

A panel a claim. Lines are closed forms and bounds. Points are measured without them: by the
reference transformer on whole populations or on samples, by sums over patterns of equal tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

import assocmem as am
from assocmem.model.families import POSITIONS
from validation import reference
from validation.figures.by_claim import (
    CLOSED,
    LIMIT,
    MEASURED,
    OTHERWISE,
    Axis,
    described,
    drawn,
    panels,
    points,
)
from validation.figures.conditions import smallest_gain
from validation.figures.sheets import Row, under_way
from validation.induction_head.ih import hand_built_attention
from validation.induction_head.tie import at_start, scores_at_start
from validation.runner.cases import Context
from validation.steps.paired import dropped_part
from validation.steps.populations import reference_parameters
from validation.steps.s3b import dropped_up_to_symmetry, reference_third_step
from validation.steps.sizes import over_all
from validation.steps.t_m1 import NEAR, exact_crossing, sampled_crossing, threshold
from validation.steps.three_steps import MARGINS, reference_run
from validation.symmetry.p3 import third_gradient

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def data(context: Context, *, tokens: int = 32, seeds: int = 50) -> list[Row]:
    """The rows of all panels: of claim tie with so many tokens, sequences for each length."""
    parts: list[Callable[[], list[Row]]] = [
        dropped,
        partial(bounded, context.rng),
        up_to_a_million,
        partial(output_at_2, tokens, seeds, context.rng),
        partial(repaired, context),
    ]
    return [row for part in under_way(parts) for row in part()]


# --- Numbers


def dropped(length: int = 5) -> list[Row]:
    """The share of step 3 that S3b drops, by the number of content tokens."""
    rows = []
    for lead in 1.0, 5.0:
        name = rf"$\lambda = {lead:g}$"
        for content in 3, 4, 6, 8:
            task = am.InductionTask(content + 1, length)
            closed = am.gradients.third_step(task, lead)[POSITIONS, POSITIONS]
            lost = reference_third_step(task, lead) - closed
            share = np.linalg.norm(lost[:-1]) / np.linalg.norm(closed[:-1])
            rows += points("S3b", name, MEASURED, [content], [share])
        x = np.array([3, 10, 32, 100, 316])  # beyond, rounding is a part of what is dropped
        far = [dropped_up_to_symmetry(int(c) + 1, length, 1, lead).relative for c in x[1:]]
        rows += points("S3b", name, OTHERWISE, x[1:], far)
        rows += points("S3b", name, LIMIT, x, far[-1] * (x / x[-1]) ** -3.0)
    return rows


def bounded(rng: np.random.Generator, content: int = 100) -> list[Row]:
    """What S3b drops, at most and found, over the largest entry of step 3, by the length."""
    rows = []
    for lead in 1.0, 10.0:
        name = rf"$\lambda = {lead:g}$"
        for length in range(6, 33):
            task = am.InductionTask(content + 1, length)
            size = np.abs(am.gradients.third_step(task, lead)[POSITIONS, POSITIONS][:-1]).max()
            bound = am.gradients.third_step_error(task, lead).max()
            rows += points("S3b-bound", name, CLOSED, [length], [bound / size])
            if length < 10:
                part = dropped_up_to_symmetry(content + 1, length, 1, lead)
            elif length in (12, 16, 24, 32):
                batch = task.sample(2**16 // length, rng=rng)
                part = dropped_part(task, lead=lead, batch=batch)
            else:
                continue
            found = np.abs(part.difference[:-1]).max() / size
            rows += points("S3b-bound", name, OTHERWISE, [length], [found])
    return rows


def up_to_a_million(length: int = 7, row: int = 5) -> list[Row]:
    """By how much a row of step 3 prefers the position before, by the number of content tokens."""
    rows, powers = [], [10**power for power in range(1, 7)]
    for lead in 1.0, 5.0, 10.0:
        name = rf"$\lambda = {lead:g}$"

        def gain(task: am.InductionTask, table: np.ndarray) -> float:
            return smallest_gain(table, row) / am.gradients.first_step(task).lead

        for content in np.union1d(np.geomspace(3, 10**6, 30).astype(int), [4, 5, *powers]):
            task = am.InductionTask(int(content) + 1, length)
            closed = am.gradients.third_step(task, lead)[POSITIONS, POSITIONS]
            rows += points("P3", name, CLOSED, [content], [gain(task, closed)])
        for content in 3, 4, 5:
            task = am.InductionTask(content + 1, length)
            found = gain(task, reference_third_step(task, lead))
            rows += points("P3", name, MEASURED, [content], [found])
        for content in powers:
            task = am.InductionTask(content + 1, length)
            found = gain(task, third_gradient(task, lead))
            rows += points("P3", name, OTHERWISE, [content], [found])
    return rows


def output_at_2(tokens: int, draws: int, rng: np.random.Generator) -> list[Row]:
    """Attention on the output of a sequence that starts with its trigger, by the length."""
    rows = []
    for k in 1, 2:
        name = f"N = {tokens}, K = {k}"
        for length in range(8, 65, 2):
            task = am.InductionTask(tokens, length, k)
            run = am.top_down(task, margins=MARGINS, evaluate_on=None)
            predicted = softmax(scores_at_start(task, run))[1]
            rows += points("tie", name, CLOSED, [length], [predicted])
            if length % 16 == 0:
                found = attention_at_2(run.embeddings, run.memories, task, draws, rng)
                rows += points("tie", name, MEASURED, [length], *found)
    for length in range(8, 65, 2):
        predicted = hand_built_attention(length, 50.0, 1)[1]
        rows += points("tie", "hand-built", CLOSED, [length], [predicted])
        if length % 16 == 0:
            task = am.InductionTask(tokens, length)
            emb = am.FrozenEmbeddings.orthonormal(task)
            built = am.induction_head(task, emb, beta=50.0)
            found = attention_at_2(emb, built, task, 10, rng)
            rows += points("tie", "hand-built", MEASURED, [length], *found)
    return rows


def attention_at_2(
    emb: am.FrozenEmbeddings,
    weights: dict[str, am.AssociativeMemory],
    task: am.InductionTask,
    draws: int,
    rng: np.random.Generator,
) -> tuple[list[float], float]:
    """The reference's mean attention on the output where τ = 1, and two standard errors."""
    batch = task.sample(draws * (task.length - 2), rng=rng)
    on_output = reference_run(emb, weights, at_start(batch)).attention_on_output
    return [on_output.mean()], 2 * on_output.std(ddof=1) / np.sqrt(len(on_output))


def repaired(context: Context) -> list[Row]:
    """The margin of step 1 from which step 2 leads, over all tokens, by the length."""
    rows, x = [], np.arange(7, 25)
    for content, k, exact in ((2, 4, (8, 9, 11, 13, 15, 16)), (5, 64, (7, 8, 9))):
        name = f"C = {content}, K = {k}"
        stated = {int(length): threshold(content, k, int(length)) for length in x}
        near = np.array(list(stated.values()))
        rows += points("T-m1", name, CLOSED, x, near)
        rows += points("T-m1", name, LIMIT, x, (1 - NEAR) * near)
        for length in exact:
            found = exact_crossing(over_all(content, length, k), stated[length])
            rows += points("T-m1", name, OTHERWISE, [length], [found])
        for length in (20, 24) if content == 2 else (12, 16, 20, 24):
            task = over_all(content, length, k)
            found, error = sampled_crossing(task, stated[length], 1000, context)
            rows += points("T-m1", name, OTHERWISE, [length], [found], 2 * error)
        if content == 2:
            found = reference_crossing(over_all(content, 7, k), stated[7])
            rows += points("T-m1", name, MEASURED, [7], [found])
    return rows


def reference_crossing(task: am.InductionTask, around: float) -> float:
    """The same margin for the reference transformer, on all sequences."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    first, triggers = am.gradients.first_step(task), task.triggers

    def lead(margin: float) -> float:
        params = reference_parameters(emb, {"W_O2": first.memory(emb) * (margin / first.lead)})
        gradient = reference.gradients(
            params, batch.tokens, batch.targets, batch.weights, wrt=["W_K2"]
        )["W_K2"]
        wanted = emb.tokens[triggers] @ gradient @ emb.remapped_tokens[triggers].T
        return -float(np.diagonal(wanted).mean())

    return float(brentq(lead, 0.8 * around, 1.1 * around, rtol=1e-6))


# --- Picture

AXES = {
    "S3b": Axis(
        "S3b: T = 5, K = 1", "content tokens C", "share dropped",
        {"xscale": "log", "yscale": "log"},
        says="Points: by how much the reference transformer's derivative of step 3, on all "
        "sequences, differs from the closed form at lead $\\lambda$, relative. Squares: the same "
        "by paired sums over patterns. Dashed: the slope $C^{-3}$ through the last square.",
    ),
    "S3b-bound": Axis(
        "S3b-bound: C = 100, K = 1", "length T", "over the largest entry",
        {"yscale": "log"},
        says="Lines: the bound on what is dropped, in the row where it is largest. Squares: what "
        "is dropped, by paired sums over patterns, and from T = 12 on over samples.",
    ),
    "P3": Axis(
        "P3: row 5, T = 7", "content tokens C", "gain of $t - 1$",
        {"xscale": "log", "ylim": (0, 0.95)}, "upper right",
        says="Lines: S3b. Points: the reference transformer on all sequences. Squares: central "
        "differences of the gradient over patterns. Shown is the least gain over another "
        "position, times t, over the lead of step 1.",
    ),
    "tie": Axis(
        "tie: learned, $\\tau = 1$", "length T", "attention on the output",
        {"ylim": (-0.05, 1.5), "yticks": (0, 0.25, 0.5, 0.75, 1)}, "upper left",
        says="Lines: the softmax of the mean scores; of the hand-built head, IH. Points: the "
        "reference transformer on drawn sequences that begin with their trigger, and two standard "
        "errors.",
    ),
    "T-m1": Axis(
        "T-m1: over all tokens", "length T", "$m_1$ where step 2 leads",
        says="Solid: $m_1^*$; dashed: 12 percent below. Squares: where the sign changes, by sums "
        "over patterns, and with bars of two standard errors by samples. Point: by the reference "
        "transformer on all sequences.",
    ),
}  # fmt: skip
PANELS = panels(AXES)


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """A panel a claim."""
    return drawn(rows, PANELS, columns, described("Steps of finite size.", AXES))
