"""Exact claims: coefficients against sizes, closed forms beside what the reference measures.

A panel a claim, by its id. Lines are the library's closed forms; points are gradients of the
reference transformer over whole populations, derivatives of the loss for the lemmas, draws for NO1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import assocmem as am
from assocmem._checks import Array
from assocmem.gradients import bigram_predictor, output_lead
from assocmem.vectors.families import FAMILIES
from theory.symmetry.claims import SECOND_ORDER
from validation import reference
from validation.bigrams import b1, b2
from validation.bigrams.b0 import occupied, token_block
from validation.bigrams.populations import independent, measured_output_step
from validation.figures.by_claim import CLOSED, LIMIT, MEASURED, Axis, drawn, panels, points
from validation.figures.sheets import Row, under_way
from validation.lemmas.l3 import _gradient_of_attention
from validation.lemmas.linear import _gradient_of_linear
from validation.runner.cases import Context
from validation.steps.populations import measured_gradient, reference_parameters
from validation.steps.s2 import stated_lead
from validation.steps.s2_limit import expansion
from validation.symmetry.p2 import real_lead
from validation.symmetry.real_steps import _lead_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LENGTHS = (3, 4, 5, 6)  # of the populations that are enumerated


def data(context: Context, *, lengths: Sequence[int] = LENGTHS) -> list[Row]:
    """The rows of all panels."""
    parts: list[Callable[[], list[Row]]] = [
        partial(lemma_1, context.rng),
        lemma_2,
        partial(lemma_3, context.rng),
        partial(step_1, lengths),
        partial(step_2, lengths),
        step_2_limit,
        step_3,
        real_first_step,
        bigram_pace,
        outputs,
        repeats,
        partial(overlaps, context.rng),
    ]
    return [row for part in under_way(parts) for row in part()]


# --- Numbers


def lemma_1(rng: np.random.Generator) -> list[Row]:
    """The gradient over keys of equal probability, against the probability of the label."""
    n, m = 6, 4
    given = rng.dirichlet(np.ones(m), size=n).T  # p(label | key)
    joint = given / n
    closed = am.gradients.linear_step(np.eye(n), np.eye(m), joint).coefficients
    measured = -_gradient_of_linear(np.zeros((m, n)), np.eye(n), np.eye(m), joint)
    order = np.argsort(given, axis=None)
    x = given.ravel()[order]
    return points("L1", "N times the entry", CLOSED, x, n * closed.ravel()[order]) + points(
        "L1", "N times the entry", MEASURED, x, n * measured.ravel()[order]
    )


def lemma_2() -> list[Row]:
    """One step on token + position: the weights of the token, of others and of positions."""
    rows, length, sizes = [], 3, range(2, 9)
    x = np.array(sizes)
    for series, y in (
        ("right token", (x - 1) / x**2),
        ("wrong token", -1 / x**2),
        ("position", 0.0),
    ):
        rows += points("L2", series, CLOSED, x, y)
    for n in sizes:
        atoms = np.eye(n + length)
        pairs = [(token, position) for token in range(n) for position in range(length)]
        inputs = np.array([atoms[token] + atoms[n + position] for token, position in pairs])
        joint = np.array([[token == k for token, _ in pairs] for k in range(n)]) / len(pairs)
        step = -_gradient_of_linear(np.zeros((n, n + length)), inputs, np.eye(n), joint)
        for series, y in (
            ("right token", step[0, 0]),
            ("wrong token", step[0, 1]),
            ("position", step[0, n]),
        ):
            rows += points("L2", series, MEASURED, [n], [y])
    return rows


def lemma_3(rng: np.random.Generator) -> list[Row]:
    """Entries of the gradient of an attention layer at zero, on random inputs."""
    x, y = rng.normal(size=(10, 5, 6)), rng.integers(4, size=10)
    read, remap = rng.normal(size=(4, 7)), rng.normal(size=(7, 6))
    closed = am.gradients.attention_step(x, y, read, remap).matrix.ravel()
    measured = -_gradient_of_attention(x, y, read, remap).ravel()
    ends = [closed.min(), closed.max()]
    return points("L3", "entries", CLOSED, ends, ends) + points(
        "L3", "entries", MEASURED, closed, measured
    )


def step_1(lengths: Sequence[int], n: int = 4) -> list[Row]:
    """What one answer holds of the right token, of a wrong one, and of its remapped copy."""
    rows = []

    def entries(task: am.InductionTask, table: Array) -> dict[str, float]:
        right, wrong = (int(task.outputs[k]) for k in (0, 1))
        remapped = n + task.length + right
        names = {"$w_E(k)$": right, "$w_E(i)$": wrong, r"$\Phi_1 w_E(k)$": remapped}
        return {name: table[0, column] for name, column in names.items()}

    for length in range(3, 17):
        task = am.InductionTask(n, length)
        for name, value in entries(task, am.gradients.first_step(task).coefficients()).items():
            rows += points("S1", name, CLOSED, [length], [value])
    for length in lengths:
        task = am.InductionTask(n, length)
        emb = am.FrozenEmbeddings.orthonormal(task)
        table = emb.outputs @ measured_gradient(task, "W_O2") @ emb.values.T
        for name, value in entries(task, table).items():
            rows += points("S1", name, MEASURED, [length], [value])
    return rows


def step_2(lengths: Sequence[int]) -> list[Row]:
    """The lead of the induction head: it turns positive from T = 5 on."""
    rows = []
    for n, k in ((4, 1), (5, 2)):
        name = f"N = {n}, K = {k}"
        x = np.arange(3, 13)
        start = 3 if k == 1 else 5  # the factor of K >= 2 holds from there
        y = [stated_lead(n - k, int(t), k) * t**3 for t in x[x >= start]]
        rows += points("S2", name, CLOSED, x[x >= start], y)
        for length in lengths:
            task = am.InductionTask(n, length, k)
            first = {"W_O2": measured_gradient(task, "W_O2")}
            matrix = measured_gradient(task, "W_K2", [first])
            probe = am.probe("W_K2", task, am.FrozenEmbeddings.orthonormal(task))
            lead = float(np.median(probe.margins(matrix))) * length**3
            rows += points("S2", name, MEASURED, [length], [lead])
    return rows


def step_2_limit() -> list[Row]:
    """The lead in units of 1/(C K T³) by the blocks of S2, and its expansion."""
    rows, content = [], 10**9
    x = np.unique(np.geomspace(8, 1024, 40).astype(int))
    rows += points("S2-limit", "expansion", CLOSED, x, [expansion(int(t)) for t in x])
    for length in 8, 16, 32, 64, 128, 256, 512, 1024:
        task = am.InductionTask(content + 1, length, 1)
        first, second = am.gradients.first_step(task), am.gradients.second_step(task)
        y = second.lead * length**2 / first.lead
        rows += points("S2-limit", "expansion", MEASURED, [length], [y])
    return rows


def step_3(n: int = 4, length: int = 6) -> list[Row]:
    """A row of the position block: its value is flat, its slope peaks at the position before."""
    task, t = am.InductionTask(n, length), length - 2  # the query, from 0
    block = slice(n, n + length)
    second = am.gradients.second_step(task)
    first = {"W_O2": measured_gradient(task, "W_O2")}
    along = {"W_K2": measured_gradient(task, "W_K2", [first])}
    names = "positions", "positions"
    rows = []
    for name, closed, measured in (
        ("value A", am.gradients.third_step(task, 0)[names], [first]),
        ("slope B", am.gradients.third_step_slope(task, second=second)[names], [first, along]),
    ):
        found = measured_gradient(task, "W_K1", measured)[block, block][t, : t + 1]
        line, x = closed[t, : t + 1], np.arange(1, t + 2)
        scale = np.abs(line).max()
        rows += points("S3a", name, CLOSED, x, line / scale)
        rows += points("S3a", name, MEASURED, x, found / scale)
    return rows


def real_first_step() -> list[Row]:
    """The lead of step 2 after a first step of real size, over that after a small one."""
    task = am.InductionTask(4, 5)
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    data = (batch.tokens, batch.targets, batch.weights)
    unit = real_lead(task, 1e-4) / 1e-4
    x = np.linspace(0.02, 1, 25)
    first_order = 1 + float(SECOND_ORDER[5]) / 3 * x
    rows = points("P2", "first order", LIMIT, x, first_order)
    exact = [real_lead(task, m) / (m * unit) for m in x]
    rows += points("P2", "exact", CLOSED, x, exact)
    for m in 0.1, 0.3, 0.5, 0.7, 0.9:
        step = _lead_by(am.gradients.first_step(task), m).memory(emb)
        params = reference_parameters(emb, {"W_O2": step})
        gradient = -reference.gradients(params, *data, wrt=["W_K2"])["W_K2"]
        cue = emb.tokens[0] @ gradient @ emb.remapped_tokens.T
        rows += points("P2", "exact", MEASURED, [m], [(cue[0] - cue[1]) / (m * unit)])
    return rows


def bigram_pace() -> list[Row]:
    """How far steps on W_F have gone towards the bigrams, by how often a token occurs."""
    n, length, step = 4, 4, 2.0
    away = np.linalg.svd(np.vander(np.arange(n), increasing=True))[2]  # rows that differ
    away -= away.mean(axis=1, keepdims=True)
    near = 1e-6 / np.abs(away).max()
    language = am.Language(unigram=[0.45, 0.3, 0.17, 0.08], bigram=1 / n + near * away)
    task = am.BigramTask(language, length, n_triggers=1, loss="all")
    mass, _ = occupied(task)
    chosen = [i for i in range(n) if i not in task.trigger_tokens]
    rows, scores = [], np.zeros((n, n))
    x = np.linspace(0.01, mass[chosen].max() * 1.1, 40)
    for number in range(1, 33):
        scores += step * token_block(task, scores)
        if number not in (2, 8, 32):
            continue
        name = f"{number} steps"
        rows += points("B0", name, CLOSED, x, 1 - (1 - step * x / n) ** number)
        gone = [scores[:, i] @ away[i] / (n * near * (away[i] @ away[i])) for i in chosen]
        rows += points("B0", name, MEASURED, mass[chosen], gone)
    return rows


def outputs(n: int = 5, length: int = 4) -> list[Row]:
    """The lead of each output in W_O2 by its frequency, with the bigrams unknown and known."""
    frequencies = np.append(0.4, 0.6 * np.arange(1, n) / (n * (n - 1) / 2))
    task = am.BigramTask(independent(frequencies), length, triggers=(0,), loss="all")
    rows, others = [], ~np.eye(n, dtype=bool)[:, 1:]
    for predictor, name in (("uniform", "$W_F = 0$"), ("bigrams", "bigrams known")):
        table = measured_output_step(task, bigram_predictor(task, predictor))
        found = np.diagonal(table)[1:] - table[:, 1:]
        closed = b1.leads(task, knows_bigrams=predictor == "bigrams")
        for kind, each in (CLOSED, closed), (MEASURED, found):
            worst = np.where(others, each, np.inf).min(axis=0)
            rows += points("B1", name, kind, frequencies[1:], worst)
    return rows


def repeats(n: int = 5, length: int = 5) -> list[Row]:
    """The lead of every output in W_O2 against the frequency of the one trigger."""
    rows, x = [], np.linspace(0.01, 0.5, 40)
    y = [output_lead(np.array([f]), n, length) for f in x]
    rows += points("B2", "one trigger", CLOSED, x**2, y)
    for f in 0.1, 0.2, 0.3, 0.4, 0.5:
        language = independent([f, *np.full(n - 1, (1 - f) / (n - 1))])
        task = am.BigramTask(language, length, triggers=(0,), loss="all")
        table = measured_output_step(task, bigram_predictor(task, "bigrams"))
        rows += points("B2", "one trigger", MEASURED, [f**2], [np.median(b2.leads(table, 1))])
    return rows


def overlaps(rng: np.random.Generator, pairs: int = 4096) -> list[Row]:
    """The mean square overlap of random vectors against their dimension."""
    x = np.geomspace(4, 512, 20)
    rows = points("NO1", "1/d", CLOSED, x, 1 / x)
    for family in ("gaussian", "sphere", "rademacher"):
        for d in 4, 16, 64, 256:
            u, v = (FAMILIES[family](pairs, d, rng=rng) for _ in range(2))
            squared = np.einsum("ij,ij->i", u, v) ** 2
            error = 2 * squared.std(ddof=1) / np.sqrt(pairs)
            rows += points("NO1", family, MEASURED, [d], [squared.mean()], error)
    return rows


# --- Picture

AXES = {
    "L1": Axis(
        "L1: $N$ × gradient", r"$p(y \mid x)$", "entry",
        says="Line: the closed form. Points: the derivative of the loss.",
    ),
    "L2": Axis(
        "L2: noisy inputs", "tokens N", "weight after one step", legend="lower right",
        says="Lines: the closed forms. Points: the derivative of the loss over all noisy inputs.",
    ),
    "L3": Axis(
        "L3: attention", "closed form", "derivative of the loss",
        says="Points: entries of the derivative of the loss at random inputs; on the diagonal they "
        "are those of the closed form.",
    ),
    "S1": Axis("S1: step 1, N = 4", "length T", "coefficient"),
    "S2": Axis("S2: lead of step 2", "length T", "lead $\\times\\ T^3$"),
    "S2-limit": Axis(
        "S2-limit: $C \\to \\infty$", "length T", "lead $\\times\\ CKT^3$", {"xscale": "log"},
        says="Line: the expansion in $1/T$. Points: the blocks of S2, which are exact at each T.",
    ),
    "S3a": Axis("S3a: row 5, T = 6", "key position", "over its largest entry"),
    "P2": Axis(
        "P2: real first step", "$m_1$", "lead of step 2, relative",
        says="Solid: sums over patterns of equal tokens; dashed: the first order. Points: the "
        "reference transformer on all sequences.",
    ),
    "B0": Axis(
        "B0: step on $W_F$", "share of positions $m_i$", "part of the way",
        {"ylim": (0, 1.5)}, "upper left",
        says="Lines: the law of each frequency. Points: tokens, after steps by the gradient of the "
        "reference transformer on all sequences.",
    ),
    "B1": Axis("B1: step on $W_O^2$", "frequency of the output", "its lead"),
    "B2": Axis("B2: repeats", "$f_q^2$ of the trigger", "lead of every output"),
    "NO1": Axis(
        "NO1: overlaps", "width d", r"$\langle u, v \rangle^2$",
        {"xscale": "log", "yscale": "log"}, "lower left",
        says="Line: $1/d$. Points: means over drawn pairs, with two standard errors.",
    ),
}  # fmt: skip
PANELS = panels(AXES)
STEPS = ("S1", "S2", "S2-limit", "S3a", "P2")


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """A panel a claim; one column of a page has room for those on the three steps."""
    return drawn(
        rows,
        {1: {name: PANELS[name] for name in STEPS}, 2: PANELS}[columns],
        columns,
        "Exact claims. Lines: closed forms of the library. Points: gradients of the reference "
        "transformer over whole populations; for the lemmas derivatives of the loss; for S2-limit "
        "the blocks of S2; for NO1 means of drawn pairs, with two standard errors.",
    )
