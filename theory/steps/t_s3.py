"""Derivation of T-S3: at small lead step 3 writes all rows of the previous-token head but the
second."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import sympy
from sympy import Rational

import assocmem as am
from assocmem.gradients.slope import Slope, key_of_position, most_triggers, positions_to_beat
from theory.algebra.harmonic import REMAPPED_OUTPUT, T, at_length
from theory.algebra.rational import C, K, c, k
from theory.derivation import Derivation
from theory.steps.any_length import rational, readouts
from theory.steps.large_lengths import large_lengths

LENGTHS = (5, 6, 7, 8)


MOST_TRIGGERS = {6: 3, 7: 6, 8: 10, 9: 15, 10: 20, 11: 25, 12: 30}  # for every C >= 3


WITH_TWO_TOKENS = {6: 9, 7: 11, 8: 8, 9: 6, 10: 5, 11: 5, 12: 4}  # for C = 2


def derive(d: Derivation) -> None:
    r"""As $\lambda \to 0$ the value path decides which rows can be recalled at all, and the slope
    decides among the keys that it leaves equal. The slope is a sum over the place of the trigger;
    its wanted term grows with $\ln T$, and its competitors grow with the number of triggers.
    """
    value_path(d)
    other_value_paths(d)
    means_given_tau(d)
    many_content_tokens(d)
    every_population(d)
    large_lengths(d)


def value_path(d: Derivation) -> None:
    d.say(
        "Take $A + \\lambda B$ of S3a as $\\lambda \\to 0$, fixed triggers and prediction over the "
        "content, rows $t = 2, ..., T-1$. The value path rewards $\\Phi_1 x_r$ by what the second "
        "memory of step 1 reads from it, for each role of $r$:"
    )
    at_roles = readouts("content")["remapped"].at_roles
    d.equal(
        "nothing but at the output, in units of $u = \\frac{1}{CT}$.",
        [at_roles[role] for role in ("output", "trigger", "free")],
        [REMAPPED_OUTPUT * (1 - 1 / C) / C, 0, 0],
        latex=r"\mathbb{E}[w_U(y)^\top G_1 W_V^2 \Phi_1 x_r\,|\,\tau] = u H \big(1 - \tfrac1C\big)"
        r"\, 1\{r = \tau + 1\}",
    )
    left, right = [], []
    for length in LENGTHS:
        table = am.gradients.third_step(am.InductionTask(c + k, length, k), 0)[
            "positions", "positions"
        ]
        worth = at_length(REMAPPED_OUTPUT, length) * (1 - 1 / C) / (C * length**2 * (length - 2))
        for t in range(2, length):
            left += list(table[t - 1, :t])
            right += [(int(r > 1) - Rational(t - 1, t)) * worth / t for r in range(1, t + 1)]
    d.equal(
        "$\\tau + 1$ is uniform on $2, ..., T-1$: row $t$ of $A$ is the same at $r = 2, ..., t$, "
        "and lower at $r = 1$ (library, $T = 5, ..., 8$).",
        left,
        right,
        latex=r"A_{tr} = \frac{uH}{T(T-2)\,t}\Big(1 - \frac1C\Big)\Big(1\{r \ge 2\} - "
        r"\frac{t-1}{t}\Big)",
    )
    d.say(
        "So at $\\lambda \\to 0$ row 2, which wants $r = 1$, is never recalled; a row $t \\ge "
        "3$ is recalled if and only if $B_{t,t-1} > B_{tr}$ for all other $r = 2, ..., t$."
    )


def other_value_paths(d: Derivation) -> None:
    """What A does with prediction over all tokens, and with random triggers."""
    n = T - 2
    output, trigger, free = ("output", "trigger", "free")
    roles = {  # probabilities at r = 1, 1 < r < T - 1 and r = T - 1
        "first": {trigger: 1 / n, free: 1 - 1 / n},
        "inner": {trigger: 1 / n, output: 1 / n, free: 1 - 2 / n},
        "last": {output: 1 / n, free: 1 - 1 / n},
    }
    means = {
        vocabulary: {
            place: sum(
                readouts(vocabulary)["remapped"].at_roles[role] * p for role, p in at.items()
            )
            for place, at in roles.items()
        }
        for vocabulary in ("all", "random")
    }
    theta, H = 1 / C - 1 / (C + K), REMAPPED_OUTPUT
    d.equal(
        "Prediction over all tokens, fixed triggers: positions are read too, $\\theta h_r$ with "
        "$\\theta = \\frac{K}{CN}$, and $A$ is not flat. It falls by $\\frac{\\theta}{r}$ from $2 "
        "\\le r < T - 2$ to $r + 1$, and from $r = 1$ to $2$ by ($h_1 - h_2 = 1$)",
        means["all"]["first"] - means["all"]["inner"] + theta,
        theta - H * (1 - 1 / C) / (C * n),
        latex=r"T (v_1 - v_2) = \theta - \frac{H}{C (T-2)} \Big(1 - \frac1C\Big)",
    )
    d.say(
        "So as $\\lambda \\to 0$ no row $t \\ge 4$ is recalled with prediction over all tokens: "
        "$r = 2$ beats $t - 1$. Row 2 is if $\\frac{K}{N} > \\frac{H (1 - 1/C)}{T - 2}$, and row 3 "
        "is if this is reversed."
    )
    random, lead = means["random"], readouts("random")["remapped"].same
    d.equal(
        "Random triggers: labels are uniform, but a token that is a trigger is no label, and no "
        "trigger stands at $T - 1$. With a positive lead of the second memory $r = 1$ is below and "
        "$r = T-1$ above the others: rows 2 and $T - 1$ are lost.",
        [random["inner"] - random["first"], random["last"] - random["inner"]],
        [lead * (1 - 1 / C**2) / n, lead * (1 + 1 / C) / (C * n)],
        latex=r"v_r - v_1 = \frac{s}{T-2}\Big(1 - \frac{1}{C^2}\Big),\qquad v_{T-1} - v_r = "
        r"\frac{s}{(T-2) C}\Big(1 + \frac1C\Big)",
    )


# The slope for many content tokens.
def means_given_tau(d: Derivation) -> None:
    d.say(
        "For $C \\to \\infty$ tokens coincide only as $(q, o, \\tau)$ says. In units of $u$, "
        "$u_s$ is $e_s = 1\\{s{=}\\tau{+}1\\} + \\frac{H}{s} 1\\{s > \\tau\\}$, and $J_2$ has for "
        "the cue $w_E(q)$, in units of $\\frac{u}{KT^2}$: $\\Phi$ on $\\Phi_1 w_E(q)$, $x_0 = H - "
        "2 - 2H^2$ on $w_E(q)$, $y_s$ on $p_s$ and $Z_r$ on $\\Phi_1 p_r$ (S2-limit). The query "
        "$x^1_T$ also holds $p_T$, $\\frac2T \\Phi_1 w_E(q)$ and $\\frac1T \\Phi_1 p_r$, which do "
        "not know $q$: keys of triggers score $\\rho$ times, those of positions $\\sigma$ times.",
        r"\rho = 2 + \tfrac1T + \tfrac{4}{T^2},\qquad \sigma = K\big(1 + \tfrac1T\big) + 1 + "
        r"\tfrac{4}{T^2}",
    )
    left, right = [], []
    for length in LENGTHS:
        H = Slope(length, 1).H
        profiles = [_profile(length, tau, H) for tau in range(1, length - 1)]
        for s in range(1, length + 1):
            mean = sum(e[s - 1] - sum(e) / length for e in profiles) / (length - 2)
            left.append(rational(length * mean))
            right.append(rational(key_of_position(s, Fraction(length), H)))
    d.equal(
        "The mean over $\\tau$ of $e_s - \\bar e$ is $y_s/T$; with it",
        left,
        right,
        latex=r"y_1 = -(1 + H^2),\quad y_s = \tfrac{T}{T-2}\big(1 + H\tfrac{s-1}{s}\big) - (1 + "
        r"H^2),\quad y_T = H - 1 - H^2,\quad Z_r = \sum_{s \ge r} \tfrac{y_s}{s}",
    )


def _profile(length: int, tau: int, H: Any) -> list[Fraction]:
    """e_s."""
    return [int(s == tau + 1) + (H / s if s > tau else Fraction(0)) for s in range(1, length + 1)]


def _sum_over_tau(b: Slope, length: int) -> dict[tuple[int, int], Any]:
    """What p_t → p_r gains, by the means given τ: value and key path, summed over τ."""
    found: dict[tuple[int, int], Any] = {}
    positions = range(1, length + 1)
    for tau in range(1, length - 1):
        e = _profile(length, tau, b.H)
        scores = []
        for s in positions:
            share = Fraction(s >= tau, s) + Fraction(s == length, length)
            own = (b.H - 2 - 2 * b.H**2) * (s in (tau, length))
            place = b.y[s] + sum(b.z[1 : s + 1]) / s
            scores.append(b.rho * (own + b.phi * share) + b.sigma * place)
        for t in range(2, length):
            for r in range(1, t + 1):
                value = b.H * (r == tau + 1) * (scores[t - 1] - sum(scores) / length)
                key = b.rho * b.phi * (r == tau) + b.sigma * b.z[r]
                gain = value + (e[t - 1] - sum(e) / length) * key
                found[t, r] = found.get((t, r), 0) + gain / (length - 2)
    return found


def many_content_tokens(d: Derivation) -> None:
    left, right = [], []
    for length in (5, 6, 9):
        b = Slope(length, K)
        for (t, r), value in _sum_over_tau(b, length).items():
            left.append(value)
            right.append(b.signal(t, r))
    d.equal(
        "S3a for $t < T$: the score of $t$, beyond the average, where the output stands at $r$ "
        "(value), and what $t$ is worth, beyond the average, times the score of $\\Phi_1 x_r$ "
        "(key). Sum over $\\tau$ with $\\tau + 1 = r$ and $\\tau = r$; against the sum written out "
        "for $T = 5, 6, 9$, symbolic $K$:",
        left,
        right,
        latex=r"s_{tr} = \tfrac{H}{T-2}\big[b_t - \bar b\big]_{\tau = r-1} + \tfrac{\rho\Phi}{T-2}"
        r"\big[e_t - \bar e\big]_{\tau = r} + \tfrac{\sigma}{T} y_t Z_r",
    )
    left, right = [], []
    for length in LENGTHS:
        table = _library_slope(length)
        b = Slope(length, K)
        for t in range(2, length):
            for r in range(1, t + 1):
                left.append(_many(table[t - 1, r - 1] * k * length**5))
                right.append(b.coefficient(t, r))
    d.equal(
        "Centred over $r \\le t$ this is the limit of the library's table, $T = 5, ..., 8$, with "
        "a symbol for $K$.",
        left,
        right,
        latex=r"\lim_{C \to \infty} \frac{K T^3}{u^2} B_{tr} = \frac1t \Big(s_{tr} - \frac1t "
        r"\sum_{r' \le t} s_{tr'}\Big)",
    )
    left, right = [], []
    for length in (6, 9):
        b = Slope(length, K)
        for t in range(3, length):
            for r in positions_to_beat(t, length):
                left.append(b.ahead(t, r))
                right.append(t * (b.coefficient(t, t - 1) - b.coefficient(t, r)))
    d.equal(
        "What $t - 1$ is ahead of another $r$ with $2 \\le r < t$: the wanted term is the 1, from "
        "$t = \\tau + 1$, the position that says $o$ and is told to look back at $\\tau$; "
        "positions can turn it around if there are many triggers. (For $r = t < T - 1$ the bracket "
        "is $1 + \\frac Ht (1 - \\frac1T) - \\frac{H}{T(t-2)}$ and the sum "
        "$-\\frac{y_{t-1}}{t-1}$.)",
        left,
        right,
        latex=r"t\,(B_{t,t-1} - B_{tr}) = \tfrac{\rho\Phi}{T-2}\Big[1 + \tfrac{H}{T}\big(h_{r+1} - "
        r"h_t + h_{r-1} - h_{t-2}\big)\Big] - \tfrac{\sigma}{T} y_t \sum_{s=r}^{t-2} "
        r"\tfrac{y_s}{s}",
    )


def _library_slope(length: int) -> Any:
    task = am.InductionTask(c + k, length, k)
    second = am.gradients.second_step(task)
    return am.gradients.third_step_slope(task, second=second)["positions", "positions"]


def _many(value: Any) -> Any:
    """The limit C → ∞ of C² times an element of the field of fractions."""
    if not value:
        return sympy.Integer(0)
    value = value * c**2
    top, bottom = (sympy.Poly(part.as_expr(), C) for part in (value.numer, value.denom))
    if top.degree() < bottom.degree():
        return sympy.Integer(0)
    return top.LC() / bottom.LC() if top.degree() == bottom.degree() else sympy.oo


# Every number of content tokens.
def every_population(d: Derivation, lengths: tuple[int, ...] = (6, 7, 8, 9, 10)) -> None:
    leads = _leads(5)
    steps, start = leads[4, 2]
    d.holds(
        "At finite $C$ every difference is $\\frac{C-1}{K}$ times a polynomial $\\alpha(C) + K "
        "\\beta(C)$ over a power of $C$. $T = 5$: row 4 is recalled at no $N$ and $K$, as $\\beta "
        "< 0$ and $\\alpha + \\beta < 0$ for $C \\ge 2$ ($r = 2$ wins).",
        sympy.And(_negative_from(steps, 2), _negative_from(steps + start, 2)),
        latex=r"\alpha + K\beta < 0",
    )
    with d.aside("Bookkeeping: the rows at each length"):
        for length in lengths:
            leads, most, limit = _leads(length), MOST_TRIGGERS[length], most_triggers(length)
            positive = [
                _negative_from(-(start + count * steps), 3)
                for steps, start in leads.values()
                for count in (1, most)
            ]
            fails = [(start + (most + 1) * steps).LC() < 0 for steps, start in leads.values()]
            two = [WITH_TWO_TOKENS[length] + more for more in (0, 1)]
            at_two = [
                min(start.eval(2) + count * steps.eval(2) for steps, start in leads.values())
                for count in (1, *two)
            ]
            d.holds(
                f"$T = {length}$: rows $3, ..., {length - 1}$ are all recalled for $K \\le "
                f"{most}$ at "
                f"every $C \\ge 3$ (no root of $\\alpha + K\\beta$ above 3 at $K = 1$ and $K = "
                f"{most}$, hence between); not at $K > {most}$ once $C$ is large, where the "
                f"threshold "
                f"is ${float(limit or 0):.2f}$; with $C = 2$ up to $K = {two[0]}$.",
                sympy.And(
                    *positive,
                    any(fails),
                    limit is not None and math.floor(limit) == most,
                    at_two[0] > 0,
                    at_two[1] > 0,
                    at_two[2] <= 0,
                ),
                latex=rf"K \le {most}",
            )


def _leads(length: int) -> dict[tuple[int, int], tuple[Any, Any]]:
    """(β, α): B_{t,t-1} - B_{tr} has the sign of α(C) + K β(C)."""
    table, found = _library_slope(length), {}
    for t in range(3, length):
        for r in positions_to_beat(t, length):
            lead = table[t - 1, t - 2] - table[t - 1, r - 1]
            # The denominator is a number times K and powers of C: positive.
            assert not set(lead.denom.as_expr().free_symbols) - {C, K}
            assert all(factor > 0 for factor in lead.denom.coeffs())
            numerator = sympy.Poly(lead.numer.as_expr(), K)
            found[t, r] = tuple(sympy.Poly(numerator.coeff_monomial(power), C) for power in (K, 1))
    return found


def _negative_from(polynomial: Any, start: int) -> Any:
    return sympy.And(
        polynomial.LC() < 0, polynomial.eval(start) < 0, polynomial.count_roots(start, None) == 0
    )
