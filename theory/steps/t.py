"""Derivation of T: three top-down steps recall all three memories, and the induction head works."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational, Symbol, harmonic, limit, oo

import assocmem as am
from theory.derivation import Derivation
from theory.steps.any_length import at_sizes


def derive(d: Derivation) -> None:
    """The leads of steps 1 and 2 are numbers that depend on $T$ alone, times a factor in $N$ and
    $K$; what is left is their sign. Step 3 starts from both: its value path is flat inside a row,
    and its slope in the lead of step 2 prefers the position before.
    """
    _, n, k = sympy.field("N, K", sympy.QQ)
    t = Symbol("T", integer=True, positive=True)
    c = n - k
    lengths = (3, 4, 5, 6)
    _output_memory(d, n, k, c, t, lengths)
    d.say(
        r"Step 2. For prediction over the content its coefficient $w_E(q) \to \Phi_1 w_E(q)$ leads "
        r"the other triggers by $c_T \frac{C-1}{K C^2}$ and the content by "
        r"$c_T \frac{C^2-1}{K C^3}$, with a number $c_T$ that depends on $T$ alone (S2-limit: "
        r"$c_T = \Phi(T)/T^3$). Recall holds exactly when $c_T > 0$."
    )
    constants = {
        3: Rational(-107, 2916),
        4: Rational(-49, 9216),
        5: Rational(71623, 121500000),
        6: Rational(87601, 49766400),
    }
    with d.aside("Bookkeeping at small lengths, from the library's tables"):
        for length, c_t in constants.items():
            block = am.gradients.second_step(am.InductionTask(n, length, k))[
                "tokens", "remapped_tokens"
            ]
            d.equal(
                f"From the table at $T = {length}$, with symbols for $N$ and $K$:",
                [block.same[0] - block.different[0, 0], block.same[0] - block.different[0, 1]],
                [c_t * (c - 1) / (k * c**2), c_t * (c**2 - 1) / (k * c**3)],
                latex=f"c_{length} = {sympy.latex(c_t)}",
            )
    d.holds(
        "Step 2 forgets every trigger at $T = 3, 4$ and recalls every one at $T = 5, 6$.",
        sympy.And(*(constants[i] < 0 for i in (3, 4)), *(constants[i] > 0 for i in (5, 6))),
        latex=r"c_3, c_4 < 0 < c_5, c_6",
    )
    d.say(
        "With T-S2, which shows it for every $T$: the threshold is $T^*(N, K) = 5$ for all $N$ "
        "and $K$, and beyond it $m_2$ sets the lead at will. The conditions for the other "
        "vocabularies are T-S2, those for step 1 T-S1, those for step 3 at small lead T-S3."
    )
    _random_and_all(d, n, k)
    _flat_value_path(d, n, k)
    d.say(
        "What is left is S3b, a function of $(N, T, K)$ and of the lead $m_2$ that is computed, "
        "not bounded: the figures `map` and `margins` show where its sub-diagonal wins and over "
        "which range of margins the head works; the check of this claim runs three points of them."
    )


def _output_memory(d: Derivation, n: Any, k: Any, c: Any, t: Any, lengths: tuple[int, ...]) -> None:
    d.say(
        "Step 1. The output $o$ stands once more than any other content token, so that with "
        r"prediction over the content the wanted coefficient always leads, by $1/(CT)$."
    )
    share = (t - harmonic(t) - 1 / t) / (t - 2)
    with d.aside("Bookkeeping at small lengths, from the library's tables"):
        for length in lengths:
            table = am.gradients.first_step(am.InductionTask(n, length, k))
            direct, copied = table["outputs", "tokens"], table["outputs", "remapped_tokens"]
            lead = direct.same[-1] - direct.different[-1, -1]
            d.equal(
                f"From the table at $T = {length}$:",
                lead,
                1 / (c * length),
                latex=rf"\mathrm{{lead}}(G_1) = \frac{{1}}{{{length}\,C}}",
            )
            d.equal(
                r"The second memory, $w_U(k) (W_V^2 \Phi_1 w_E(k))^\top$, leads by this share of "
                r"it:",
                (copied.same[-1] - copied.different[-1, -1]) / lead,
                share.subs(t, length).doit(),
                latex=sympy.latex(share.subs(t, length).doit()),
            )
    d.equal(
        r"It is the mean of $h_r = \sum_{s \ge r} \frac1s$ over $r = \tau + 1 = 2, ..., T-1$; all "
        r"$h_r$ sum to $T$, each $\frac1s$ being counted $s$ times (checked for $T = 3, ..., 12$).",
        [
            sum(Rational(1, s) for r in range(2, length) for s in range(r, length + 1))
            for length in range(3, 13)
        ],
        [(share * (t - 2)).subs(t, length).doit() for length in range(3, 13)],
        latex=r"\frac{1}{T-2}\sum_{r=2}^{T-1} h_r = \frac{T - H_T - 1/T}{T-2}",
    )
    d.equal(
        r"With $H_T = \ln T + \gamma + o(1)$ it tends to 1: both memories become equally strong.",
        limit(share.subs(harmonic(t), sympy.log(t) + sympy.EulerGamma), t, oo),
        1,
        latex=r"\lim_{T\to\infty} \frac{T - H_T - 1/T}{T-2} = 1",
    )
    d.say(
        r"What it costs at the readout: the head attends to $x^1_{\tau+1}$, which carries $w_E(o)$ "
        r"and $\Phi_1 w_E(q)$, and the second memory reads $q$ from it. If $q$ is not a class "
        r"nothing is lost; if it is, its logit is the share above of that of $o$."
    )
    for length in lengths:
        table = am.gradients.first_step(am.InductionTask(n, length, "random", "all"))
        direct, copied = table["outputs", "tokens"], table["outputs", "remapped_tokens"]
        margin = (direct.same[0] - direct.different[0, 0]) - (
            copied.same[0] - copied.different[0, 0]
        )
        scaled = _large_n(margin * n * length)
        d.equal(
            rf"Random triggers, $T = {length}$: what is left of the margin $1/(NT)$, "
            "large $N$.",
            scaled,
            1 - share.subs(t, length).doit(),
            latex=rf"1 - \frac{{T - H_T - 1/T}}{{T-2}} = {sympy.latex(scaled)}",
        )


def _large_n(element: Any) -> Any:
    """The limit N -> infinity of an element of the field."""
    return limit(element.as_expr(), Symbol("N"), oo)


def _random_and_all(d: Derivation, n: Any, k: Any) -> None:
    fixed = am.gradients.second_step(am.InductionTask(n, 6, k))["tokens", "remapped_tokens"]
    random = am.gradients.second_step(am.InductionTask(n, 6, "random", "all"))[
        "tokens", "remapped_tokens"
    ]
    everything = am.gradients.second_step(am.InductionTask(n, 6, k, "all"))[
        "tokens", "remapped_tokens"
    ]
    leads = {
        "fixed": fixed.same[0] - fixed.different[0, -1],
        "random": random.same[0] - random.different[0, -1],
        "all": everything.same[0] - everything.different[0, -1],
    }
    c_6 = Rational(87601, 49766400)
    with d.aside("Bookkeeping: the limit in each vocabulary"):
        for name, scale in (("fixed", k * n), ("random", n**2), ("all", k * n)):
            d.equal(
                f"Large $N$, $T = 6$, {name}: the lead of step 2 tends to the same constant.",
                _large_n(leads[name] * scale),
                c_6,
                latex=rf"\lim_{{N\to\infty}} {sympy.latex(scale.as_expr())}\,\mathrm{{lead}} = c_6",
            )
    d.say(
        r"Random triggers learn more slowly because each trigger is seen in a share $\frac1N$ of "
        r"the sequences instead of $\frac1K$: the same constant, a lead $N/K$ times smaller."
    )
    task = am.InductionTask(n, 6, k, "all")
    position = am.gradients.first_step(task)["outputs", "positions"]
    d.equal(
        "Fixed triggers, prediction over all tokens: labels are content, classes are all tokens, "
        "and every position memorises the difference of the two frequencies.",
        position[-1, 0],
        (1 / (n - k) - 1 / n) / 6,
        latex=r"G_1[k, p_t] = \frac{1}{T}\Big(\frac{1}{N-K} - \frac{1}{N}\Big), \qquad T = 6",
    )
    at_three, at_four = (at_sizes(leads["all"], size, 1) for size in (3, 4))
    d.holds(
        "This reading of positions competes with the wanted one in step 2: at $T = 6$, $K = 1$ "
        "the lead is negative for $N = 3$ and positive for $N = 4$.",
        sympy.And(at_three < 0, at_four > 0),
        latex=rf"{sympy.latex(at_three)} < 0 < {sympy.latex(at_four)}",
    )


def _flat_value_path(d: Derivation, n: Any, k: Any) -> None:
    d.say(
        r"Step 3 at $\lambda = 0$. The value path rewards copying $x_r$ by what step 1 "
        r"reads from $\Phi_1 x_r$, whose mean over $\tau$ is the same at every inner position."
    )
    table = am.gradients.third_step(am.InductionTask(n, 7, k), 0)["positions", "positions"]
    inner = range(1, 5)  # positions 2 .. T-2, counted from 0
    d.equal(
        "$T = 7$: row 6 is the same at $r = 2, ..., T-2$, so that it cannot prefer $t-1$.",
        [table[5, r] for r in inner],
        [table[5, 1] for _ in inner],
        latex=r"A_{6,2} = A_{6,3} = A_{6,4} = A_{6,5}",
    )
    slope = am.gradients.third_step_slope(am.InductionTask(16, 16))["positions", "positions"]
    wins = [bool(slope[r, r - 1] > np.delete(slope[r, : r + 1], r - 1).max()) for r in range(3, 14)]
    d.holds(
        r"The slope in $\lambda$ can: at $(N, T, K) = (16, 16, 1)$ its sub-diagonal is the strict "
        "maximum of every row from $t = 4$ to $t = 14$.",
        sympy.sympify(all(wins)),
        latex=r"B_{t,t-1} > \max_{r \ne t-1} B_{t,r}",
    )
