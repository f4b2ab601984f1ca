"""Derivation of T: three top-down steps recall all three memories, and the induction head works."""

from __future__ import annotations

import numpy as np
import sympy

import assocmem as am
from theory.algebra.harmonic import PHI, REMAPPED_OUTPUT, at_length
from theory.algebra.rational import C, c, k
from theory.derivation import Derivation

LENGTHS = (3, 4, 5, 6)  # of the tables that are compared with S1 and S2


def derive(d: Derivation) -> None:
    """The leads of steps 1 and 2 are numbers that depend on $T$ alone, times a factor in $N$ and
    $K$, so only their signs matter. In step 3 the value path is constant along the inner part of a
    row, and the slope in the lead of step 2 prefers the previous position.
    """
    _leads_of_two_steps(d)
    _flat_value_path(d)
    d.say(
        "What is left is S3b, a function of $(N, T, K)$ and of the lead $m_2$ that is computed, "
        "not bounded: the figures `map` and `margins` show where its sub-diagonal wins and over "
        "which range of margins the head works; the check of this claim runs three points of them."
    )


def _leads_of_two_steps(d: Derivation) -> None:
    """T: what S1 and S2 say of the leads, in the library's tables."""
    tasks = {t: am.InductionTask(c + k, t, k) for t in LENGTHS}
    first = {t: am.gradients.first_step(task) for t, task in tasks.items()}
    d.equal(
        "Step 1. The output $o$ stands once more than any other content token, so that with "
        "prediction over the content the wanted coefficient always leads (T-S1). The second "
        r"memory, $w_U(k) (W_V^2 \Phi_1 w_E(k))^\top$, leads by the share $H$ of it (library, "
        "$T = 3, ..., 6$).",
        [
            block.same[-1] - block.different[-1, -1]
            for table in first.values()
            for block in (table["outputs", "tokens"], table["outputs", "remapped_tokens"])
        ],
        [share / (C * t) for t in LENGTHS for share in (1, at_length(REMAPPED_OUTPUT, t))],
        latex=r"\mathrm{lead}(G_1) = \frac{1}{CT}, \qquad H = \frac{T - H_T - 1/T}{T-2} \to 1",
    )
    d.say(
        r"What it costs at the readout: the head attends to $x^1_{\tau+1}$, which carries $w_E(o)$ "
        r"and $\Phi_1 w_E(q)$, and the second memory reads $q$ from it. If $q$ is not a class "
        r"nothing is lost; if it is, its logit is the share above of that of $o$."
    )
    blocks = [
        am.gradients.second_step(task)["tokens", "remapped_tokens"] for task in tasks.values()
    ]
    phis = [at_length(PHI, t) / t**3 for t in LENGTHS]
    d.equal(
        r"Step 2. For prediction over the content its coefficient $w_E(q) \to \Phi_1 w_E(q)$ leads "
        "the other triggers and the content by a positive multiple of $\\Phi(T)$ (S2-limit).",
        [block.same[0] - other for block in blocks for other in block.different[0]],
        [phi * (1 - 1 / c) * share / (k * c) for phi in phis for share in (1, 1 + 1 / c)],
        latex=r"\frac{\Phi(T)}{T^3}\, \frac{C - 1}{K C^2}, \qquad \frac{\Phi(T)}{T^3}\,"
        r" \frac{C^2 - 1}{K C^3}",
    )
    d.say(
        r"By T-S2 $\Phi(T) > 0$ if and only if $T \ge 5$, for all $N$ and $K$, and beyond it $m_2$ "
        "sets the lead at will. The conditions for the other vocabularies are T-S2, those for step "
        "1 T-S1, those for step 3 at small lead T-S3."
    )


def _flat_value_path(d: Derivation) -> None:
    d.say(
        r"Step 3 at $\lambda = 0$. The value path rewards copying $x_r$ by what step 1 "
        r"reads from $\Phi_1 x_r$, whose mean over $\tau$ is the same at every inner position."
    )
    table = am.gradients.third_step(am.InductionTask(c + k, 7, k), 0)["positions", "positions"]
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
