"""Exact claims on recall, on bigrams and on heads: closed forms beside what is measured.

A panel a claim, by its id, drawn as in figure exact. Points are measured without the closed forms:
by the reference transformer over whole populations, by enumerated chains, by drawn embeddings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import assocmem as am
from assocmem.capacity import polar_factor
from assocmem.gradients import conditions
from assocmem.model.symmetric import SymmetricTransformer
from validation import reference
from validation.bigrams import b1_any, b2_rows
from validation.bigrams.populations import a_language
from validation.figures.by_claim import CLOSED, MEASURED, Axis, drawn, panels, points
from validation.figures.sheets import Row, under_way
from validation.induction_head.ih import hand_built_attention
from validation.runner.cases import Context
from validation.steps.populations import measured_gradient, reference_parameters
from validation.steps.sizes import moments, over_all
from validation.steps.three_steps import reference_run
from validation.symmetry.p1 import random_weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def data(context: Context) -> list[Row]:
    """The rows of all panels."""
    rng = context.rng
    parts: list[Callable[[], list[Row]]] = [
        first_leads,
        second_lead_over_all,
        third_rows,
        partial(attention, rng),
        partial(scores, rng),
        partial(patterns, rng),
        outputs_of_a_language,
        rows_of_triggers,
        partial(levelled, rng),
    ]
    return [row for part in under_way(parts) for row in part()]


# --- Numbers


def first_leads(length: int = 5) -> list[Row]:
    """With random triggers the memory of a token leads by less than that of its remapped copy."""
    rows = []
    names = "$w_E(k)$", r"$\Phi_1 w_E(k)$"
    x = np.arange(3, 13)
    closed = [conditions.first_leads(int(n) - 1, float(length), moments(length)) for n in x]
    for name, y in zip(names, np.array(closed, dtype=float).T, strict=True):
        rows += points("T-S1", name, CLOSED, x, y)
    for n in 3, 4, 5, 6:
        task = am.InductionTask(n, length, "random", "all")
        emb = am.FrozenEmbeddings.orthonormal(task)
        table = emb.outputs @ measured_gradient(task, "W_O2") @ emb.values.T
        for name, start in zip(names, (0, n + length), strict=True):
            lead = table[0, start] - table[1, start]
            rows += points("T-S1", name, MEASURED, [n], [lead])
    return rows


def second_lead_over_all() -> list[Row]:
    """Prediction over all tokens: the lead of step 2 turns positive with enough content tokens."""
    rows = []
    for length in 5, 6:
        name = f"T = {length}"
        x = np.arange(2, 13)
        y = [am.gradients.second_step(over_all(int(c), length, 1)).lead for c in x]
        rows += points("T-S2", name, CLOSED, x, x * np.array(y) * length**4)
        for content in 2, 3, 4:
            task = over_all(content, length, 1)
            first = {"W_O2": measured_gradient(task, "W_O2")}
            matrix = measured_gradient(task, "W_K2", [first])
            probe = am.probe("W_K2", task, am.FrozenEmbeddings.orthonormal(task))
            lead = float(np.median(probe.margins(matrix)))
            rows += points("T-S2", name, MEASURED, [content], [content * lead * length**4])
    return rows


def third_rows(length: int = 6, content: int = 3) -> list[Row]:
    """By how much each row of the slope prefers the position before, against the triggers."""
    rows, block, many = [], "positions", 10**6
    for t, tokens in *((t, content) for t in range(3, length)), (length - 1, many):
        name = f"row {t}" if tokens == content else f"row {t}, $C = 10^6$"
        x, y = range(1, 7), []
        for k in x:
            task = am.InductionTask(tokens + k, length, k)
            table = am.gradients.third_step_slope(task, second=am.gradients.second_step(task))
            unit = am.gradients.first_step(task).lead ** 2 / (k * length**3)
            y.append(smallest_gain(table[block, block], t) / unit)
        rows += points("T-S3", name, CLOSED, list(x), y)
    for k in 1, 2, 3:
        task = am.InductionTask(content + k, length, k)
        first = {"W_O2": measured_gradient(task, "W_O2")}
        along = [first, {"W_K2": measured_gradient(task, "W_K2", [first])}]
        at = slice(task.n_tokens, task.n_tokens + length)
        measured = measured_gradient(task, "W_K1", along)[at, at]
        unit = am.gradients.first_step(task).lead ** 2 / (k * length**3)
        for t in range(3, length):
            found = smallest_gain(measured, t) / unit
            rows += points("T-S3", f"row {t}", MEASURED, [k], [found])
    return rows


def smallest_gain(table: Any, t: int) -> float:
    """What row t gains at t - 1 over the best other of its positions 2 to t, times t."""
    others = [r for r in range(2, t + 1) if r != t - 1]
    return float(t * (table[t - 1, t - 2] - max(table[t - 1, r - 1] for r in others)))


def attention(rng: np.random.Generator, length: int = 8) -> list[Row]:
    """What the hand-built head attends to the output, by the scale of its scores."""
    rows, x = [], np.linspace(0, 12, 49)
    task = am.InductionTask(5, length)
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.sample(240, rng=rng)
    for tau in 1, 2, 4:
        name = f"$\\tau = {tau}$"
        y = [hand_built_attention(length, float(beta), tau)[tau] for beta in x]
        rows += points("IH", name, CLOSED, x, y)
        for beta in 1.0, 3.0, 5.0, 8.0, 11.0:
            found = reference_run(emb, am.induction_head(task, emb, beta=beta), batch)
            at = found.attention_on_output[found.trigger_position == tau - 1]
            rows += points("IH", name, MEASURED, [beta], [at.mean()])
    return rows


def scores(rng: np.random.Generator, n: int = 6, width: int = 64) -> list[Row]:
    """Scores against coefficients: over orthonormal vectors, and over random ones."""
    coefficients = rng.uniform(-1, 1, size=(n, n))
    order = np.argsort(coefficients, axis=None)
    x = coefficients.ravel()[order]
    rows = points("AM1", "orthonormal", CLOSED, [-1, 1], [-1, 1])
    for name, family in ("orthonormal", am.orthonormal), (f"Gaussian, d = {width}", am.gaussian):
        keys, values = (family(n, width, rng=rng) for _ in range(2))
        matrix = values.T @ coefficients @ keys  # by its definition
        rows += points("AM1", name, MEASURED, x, (values @ matrix @ keys.T).ravel()[order])
    return rows


def patterns(rng: np.random.Generator) -> list[Row]:
    """The loss at random symmetric weights, by patterns and by all sequences."""
    rows = []
    length = 5
    weights = random_weights(am.InductionTask(3, length), rng)
    for factor, name in ((1, "random weights"), (4, "4 times larger")):
        for n in range(3, 13):
            task = am.InductionTask(n, length)
            grown = {
                key: regrown(task, key, factor * table.coefficients())
                for key, table in weights.items()
            }
            loss = SymmetricTransformer(task, **grown).loss_and_tables(task.patterns())[0]
            rows += points("P1", name, CLOSED, [n], [loss])
            if n > 6:
                continue
            emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
            params = reference_parameters(emb, {key: t.memory(emb) for key, t in grown.items()})
            found = reference.loss(params, batch.tokens, batch.targets, batch.weights)
            rows += points("P1", name, MEASURED, [n], [found])
    return rows


def regrown(task: am.InductionTask, name: str, table: Any) -> am.BlockTable:
    """The table of a task with three tokens for one with more: the last token stands for all."""
    n, length = task.n_tokens, task.length
    token = [0, 1, *[2] * (n - 2)]
    half = [*token, *range(3, 3 + length)]
    keys = half if name == "W_K1" else [*half, *(3 + length + np.array(half))]
    at = [k - 1 for k in token[1:]] if name == "W_O2" else keys
    return am.BlockTable.averaged(task, name, table[np.ix_(at, keys)], task)


def outputs_of_a_language() -> list[Row]:
    """Leads in a language that is not independent: visits before the return, and gradients."""
    language = a_language(7, seed=3)
    visits, tau = b1_any.returns(language.bigram, 0)
    share = visits / tau[:, None] ** 2
    others = ~np.eye(6, dtype=bool)
    closed = (np.diagonal(share) - share)[others]
    table = b1_any.in_the_limit(language)
    measured = 6 * (np.diagonal(table) - table)[1:, 1:][others]
    ends = [closed.min(), closed.max()]
    return points("B1-any", "all pairs", CLOSED, ends, ends) + points(
        "B1-any", "all pairs", MEASURED, closed, measured
    )


def rows_of_triggers() -> list[Row]:
    """The entry of each trigger's row in W_K², over κ_T, by its share of the squares."""
    kappa = b2_rows.wanted_coefficient()
    squares = b2_rows.RATES**2
    rows = points("B2-rows", r"$\epsilon \to 0$", CLOSED, [0, 1], [0, 1])
    for epsilon in 3e-3, 1e-3, 1e-4:
        found = np.diagonal(b2_rows.keys(epsilon, "triggers")) / kappa
        name = rf"$\epsilon = {epsilon:g}$"
        rows += points("B2-rows", name, MEASURED, squares / squares.sum(), found)
    return rows


def levelled(rng: np.random.Generator, n: int = 12, width: int = 48) -> list[Row]:
    """Right scores after one step of gradient descent, of Muon and of sign descent."""
    keys, values = am.orthonormal(n, width, rng=rng), am.orthonormal(n, width, rng=rng)
    p = np.arange(1.0, n + 1) ** -1.5
    matrix = values.T @ (p[:, None] * keys)
    rows = []
    for name, closed, step in (
        ("gradient", p, matrix),
        ("polar factor", np.ones(n), polar_factor(matrix)),
    ):
        rows += points("WR1", name, CLOSED, p, closed)
        rows += points("WR1", name, MEASURED, p, np.einsum("ia,ab,ib->i", values, step, keys))
    return rows


# --- Picture

AXES = {
    "T-S1": Axis("T-S1: random, T = 5", "tokens N", "lead of step 1"),
    "T-S2": Axis("T-S2: over all, K = 1", "content tokens C", "lead $\\times\\ C T^4$"),
    "T-S3": Axis(
        "T-S3: T = 6, C = 3 or $10^6$",
        "triggers K",
        "gain of $t - 1$",
        says="Lines: the closed form. Points: the reference transformer on all sequences. Shown is "
        "the least gain over another position, times t, in units of $u^2/(K T^3)$.",
    ),
    "IH": Axis(
        "IH: T = 8",
        "scale $\\beta$",
        "attention on the output",
        says="Lines: the softmax of the scores, by hand. Points: the reference transformer.",
    ),
    "AM1": Axis(
        "AM1: 6 pairs",
        "coefficient",
        "score",
        says="Points: scores of a matrix against its coefficients, over orthonormal vectors and "
        "over random ones.",
    ),
    "P1": Axis(
        "P1: T = 5",
        "tokens N",
        "loss",
        says="Lines: sums over patterns of equal tokens. Points: the loss of the reference "
        "transformer on all sequences.",
    ),
    "B1-any": Axis(
        "B1-any: 7 tokens",
        "closed form",
        "lead over a rival, times M",
        says="Points: gradients summed over the chains of a language, on the diagonal.",
    ),
    "B2-rows": Axis(
        "B2-rows: two triggers",
        "share of $\\varphi_q^2$",
        "entry over $\\kappa_T$",
        says="Line: the limit. Points: gradients summed over the chains of a language.",
    ),
    "WR1": Axis(
        "WR1: 12 Zipf items",
        "frequency $p_i$",
        "right score",
        {"xscale": "log"},
        says="Lines: the closed forms. Points: scores of drawn matrices.",
    ),
}
PANELS = panels(AXES)
STEPS = ("T-S1", "T-S2", "T-S3", "IH")


def draw(rows: list[Row], *, columns: int = 2) -> Figure:
    """A panel a claim; one column of a page has room for those on recall and the head."""
    return drawn(
        rows,
        {1: {name: PANELS[name] for name in STEPS}, 2: PANELS}[columns],
        columns,
        "More exact claims. Lines: closed forms. Points: gradients, losses and attention of the "
        "reference transformer over whole populations; for AM1 and WR1 products of drawn matrices; "
        "for B1-any and B2-rows gradients summed over the chains of a language. Of T-S3 the least "
        "gain over another position, times t, in units of $u^2/(K T^3)$.",
    )
