"""S2 at any length, step by step: who stands where, sums over positions, all 16 blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

import assocmem as am
from assocmem.model.blocks import BlockTable
from assocmem.model.families import POSITIONS, REMAPPED_TOKENS, TOKENS
from theory.algebra.harmonic import PHI
from theory.algebra.population import FAMILIES, VOCABULARIES
from theory.algebra.telescoping import (
    AFTER,
    CONTENT,
    FIELD,
    HERE,
    KINDS,
    LAST_BUT_ONE,
    LENGTH,
    RECIPROCAL,
    SECOND,
    TRIGGERS,
    column_sum,
    covariances,
    covariances_of_free,
    mean_over_tau,
)
from theory.derivation import Derivation
from theory.steps.any_length import LENGTHS, aligned, task
from theory.steps.averages import covariances_over_positions
from theory.steps.from_the_loss import SETTINGS, agree, in_words
from theory.steps.second_step import SecondStep

Library = dict[tuple[str, int], BlockTable]


def library_tables(
    vocabularies: Sequence[str] = VOCABULARIES, lengths: Sequence[int] = LENGTHS
) -> Library:
    """Step 2 by the library."""
    return {(v, t): am.gradients.second_step(task(t, v)) for v in vocabularies for t in lengths}


def second_step_at_any_length(d: Derivation, library: Library) -> None:
    """All 16 blocks with T a symbol, and the library's at numbers T."""
    d.say(
        "At any $T$: given the trigger $q$, its output $o$ and its place $\\tau$, the free "
        "positions hold independent content tokens. So every entry of $J_2$ is a sum over "
        "positions, over what $x_s$ holds and what the causal mean of $\\Phi_1$ adds. The two "
        "folded parts carry these sums out, and name what they meet."
    )
    with d.aside("Bookkeeping: averages over the place of the trigger"):
        covariances_over_positions(d)
    with d.aside("Bookkeeping: from the averages to the blocks"):
        assembly(d)
    compare(d, library)
    over_the_content(d)


@lru_cache
def second_step(vocabulary: str) -> SecondStep:
    return SecondStep(vocabulary)


def compare(d: Derivation, library: Library) -> None:
    for vocabulary in dict.fromkeys(v for v, _ in library):
        tables = {t: table for (v, t), table in library.items() if v == vocabulary}
        agree(
            d,
            "All 16 blocks, with symbols for $T$, $N$ and $K$, are the library's at $T$ = "
            f"{in_words(tuple(tables))} ({SETTINGS[vocabulary]}).",
            [(table, second_step(vocabulary).table(t)) for t, table in tables.items()],
        )


def assembly(d: Derivation) -> None:
    d.say(
        "Readings: let $f_U(j)$ be $T$ times what the label $o$ reads in step 1 at a token $j$ "
        "($q$, $o$ or another content token $c$; $U = I, P$), $\\bar f_U$ its mean at a free "
        "position. A reading that is the same at every $s$ does not count. Beyond it $u_s$ reads "
        "$a_U = (f_U(o) - \\bar f_U,\\ f_U(q) - \\bar f_U)$ at output and triggers, $(f_U(o) - "
        "f_U(c)) (1\\{z_r{=}o\\} - \\frac1C)$ at a free $r$, and $\\theta k_s$ from the "
        "positions, $\\theta = p(y{=}o) - \\frac1M$."
    )
    d.say(
        "Keys: beyond a constant, token $j$ holds $b_q = (0, 1)$, $b_o = (1 - \\frac1C, "
        "-\\frac1C)$ or $b_c = (-\\frac1C, -\\frac1C)$ of output and triggers, and one-hot tokens "
        "at a free position have the covariance $\\Gamma_{ij} = \\frac1C 1\\{i{=}j\\} - "
        "\\frac{1}{C^2}$ (0 for a trigger). So with $[UV]$ and $[kV]$ for the averages above, "
        "$2 \\times 2$ and $1 \\times 2$ for (output, triggers), the key $V = I, P$ of $j$ has",
        r"\kappa_j = T^3\, \mathbb{E}\, \mathrm{Cov}_s(u_s, V_j) = \rho_V b_j + \Gamma_{oj} "
        r"\sum_U (f_U(o) - f_U(c))\, Y_{UV},\qquad \rho_V = \sum_U a_U [UV] + \theta\, [kV]",
    )
    d.say(
        "Queries: $w_E(i)$ asks for $i = q$, $p_T$ for nothing, $\\Phi_1 p_r$ has $\\frac1T$ of "
        "$p_T$, and $\\Phi_1 w_E(i)$ has $\\frac1T$ times the number $n_i$ of tokens $i$, on "
        "average $n_q = 2$, $n_o = 1 + n_c$, $n_c = \\frac{T-3}{C}$. It fluctuates with $u_s$ and "
        "with the key (with both at once the mean is 0, over $o$):",
        r"T^3\, \mathbb{E}\, n_i\, \mathrm{Cov}_s(u_s, V_j) = n_i \kappa_j - \Gamma_{oi} \sum_U "
        r"(f_U(o) - f_U(c))\, (1, 1) [UV]\, b_j - \Gamma_{ij}\, \rho_V (1, 1)^\top",
    )
    d.say(
        "Names: sum over the pairs of tokens that occur ($q$, $o$ and $C - 1$ others), over the "
        "number of pairs of their classes."
    )
    d.say(
        "Positions as keys: $p_s$ has $T^2\\, \\mathbb{E}(u_s - \\bar u)$, from the probability "
        "$\\frac{1}{T-2}$ that $s$ is $\\tau$ (or $\\tau + 1$), and $\\Phi_1 p_r$ the sum of these "
        "times $\\frac1s$ over $s \\ge r$, by the table of $F$. So every entry of every block "
        "reduces, and no sum is left: it is a rational function of $T$, $N$, $K$, $x$, $y$ and, if "
        "the key is a position, of $s$, $h_s$, $S_s$ (of other form at $s = 1$, $T - 1$ and $T$)."
    )


# Prediction over the content, in full; T³ J₂ is in units of (1 - 1/C)/C.
T, C, K = LENGTH, CONTENT, TRIGGERS


UNIT = (1 - 1 / C) / C


def over_the_content(d: Derivation) -> None:
    d.say(
        "Prediction over the content, in full. In units of $\\frac{u}{T^2}(1 - \\frac1C)$, $u = "
        "\\frac{1}{CT}$ the lead of step 1, it takes $e = I_o + H P_o$, what $u_s$ reads at the "
        "output, $e' = I_q + H P_q$, and two numbers for each of the keys $V = I$ ($w_E$) and $V = "
        "P$ ($\\Phi_1 w_E$):",
        r"A_V = T^2\, \mathbb{E}_\tau \mathrm{Cov}_s(e, V_q),\qquad R_V = Y_{IV} + H\, Y_{PV} - "
        r"T^2\, \mathbb{E}_\tau \mathrm{Cov}_s(e + e', V_o)",
    )
    H = mean_over_tau(column_sum("remapped", AFTER))
    reads = {"direct": FIELD.one, "remapped": H}
    numbers = {}
    for kind in KINDS:
        with_roles = sum(covariances(u, kind) * reads[u] for u in KINDS)
        of_free = sum(covariances_of_free(u, kind) * reads[u] for u in KINDS)
        numbers[kind] = with_roles[0, 1], of_free - with_roles[:, 0].sum()
    with d.aside("Bookkeeping: the other keys, over the content"):
        token_keys(d, numbers)
        position_keys(d, H)
    d.equal(
        "Among these the wanted coefficient, $A_P$, is $\\Phi$ of T-S2.",
        [numbers[kind][0] for kind in KINDS],
        [H - 2 - 2 * H**2, FIELD.from_expr(PHI)],
        latex=r"A_I = H - 2 - 2 H^2,\qquad A_P = \Phi(T)",
    )


def token_keys(d: Derivation, numbers: dict[str, tuple[Any, Any]]) -> None:
    blocks, left, right = second_step("content").token_columns, [], []
    for (A, R), (key, _) in zip(numbers.values(), FAMILIES, strict=True):
        row = [A / K, FIELD.zero, -A / (K * C)]  # of w_E(q): q, another trigger, c
        of_content = [
            (T - 2) * A / (T * C * K),
            (R - (C + T - 3) * A) / (T * C**2),
            -((T - 3) * A + R / (C - 1)) / (T * C**2),
        ]
        for query, expected in (
            (TOKENS, [*row, 0 * A, 0 * A, 0 * A]),
            (REMAPPED_TOKENS, [*(2 / T * entry for entry in row), *of_content]),
        ):
            block = blocks[query, key]
            (to_trigger, to_content), (from_content, others) = block.different
            left += [block.same[0], to_trigger, to_content, from_content, block.same[1], others]
            right += expected
        left += list(blocks[POSITIONS, key])
        right += [A / K, -A / C]
    d.equal(
        "The keys that are tokens ($w_E(q)$ has 0 for another trigger, and $w_E(c)$ for all):",
        [a / UNIT - b for a, b in zip(left, right, strict=True)],
        [0] * len(left),
        latex=aligned(
            r"w_E(q) \to q: \tfrac{A_V}{K},\quad c: -\tfrac{A_V}{KC}",
            r"p_T \to q: \tfrac{A_V}{K},\quad c: -\tfrac{A_V}{C};\qquad \Phi_1 p_r: \tfrac1T "
            r"\text{ of } p_T,\quad \Phi_1 w_E(q): \tfrac2T \text{ of } w_E(q)",
            r"\Phi_1 w_E(c) \to q: \tfrac{(T-2) A_V}{TCK},\quad c: \tfrac{R_V - (C+T-3) A_V}"
            r"{T C^2},\quad c' \ne c: -\tfrac{1}{T C^2} \big(\tfrac{R_V}{C-1} + (T-3) A_V\big)",
        ),
    )


def position_keys(d: Derivation, H: Any) -> None:
    alpha, beta = T * (1 + H) / (T - 2) - (1 + H**2), T * H / (T - 2)
    first, last = -(1 + H**2), H - 1 - H**2

    def from_place(r: Any, h: Any, squares: Any) -> Any:
        return (h - 1 / T) * alpha - (squares - 1 / T**2) * beta + last / T

    places = {"1": first, "s": alpha - RECIPROCAL * beta, "T-1": alpha - beta / (T - 1), "T": last}
    past = {
        "1": first + from_place(*SECOND),
        "s": from_place(*HERE),
        "T-1": from_place(*LAST_BUT_ONE),
        "T": last / T,
    }
    step = second_step("content")
    left = [step.places[name] - e * UNIT for name, e in places.items()]
    left += [step.past_places[name] - e * UNIT for name, e in past.items()]
    shares = [1 / K, FIELD.zero, 2 / (T * K), (T - 2) / (T * C)]
    left += [a - b for a, b in zip(np.ravel([*step.of_tokens.values()]), shares, strict=True)]
    d.equal(
        "The keys that are positions, for the query $p_T$ ($w_E(q)$: $\\frac1K$, $\\Phi_1 p_r$: "
        "$\\frac1T$, $\\Phi_1 w_E(q)$: $\\frac{2}{TK}$ and $\\Phi_1 w_E(c)$: $\\frac{T-2}{TC}$ of "
        "it, as $x^1_T$ holds of them):",
        [e.as_expr() for e in left],
        [0] * len(left),
        latex=aligned(
            r"p_1: -(1 + H^2),\quad p_s: \alpha - \tfrac{\beta}{s}\ (1 < s < T),\quad p_T: H - 1 - "
            r"H^2",
            r"\Phi_1 p_r: \alpha (h_r - \tfrac1T) - \beta (S_r - \tfrac{1}{T^2}) + \tfrac1T (H - 1 "
            r"- H^2)\ (r > 1),\quad \Phi_1 p_1: \text{that of } \Phi_1 p_2 \text{ and } p_1",
            r"\alpha = \tfrac{T (1 + H)}{T-2} - (1 + H^2),\quad \beta = \tfrac{T H}{T-2}",
        ),
    )
