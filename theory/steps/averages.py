"""Sums over positions and averages over τ, at symbolic T: what S2 and T-S2 are made of."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from assocmem.gradients.conditions import LengthMoments, harmonic_numbers, moments
from theory.algebra.harmonic import MOMENTS, role_at
from theory.algebra.telescoping import (
    FIELD,
    KINDS,
    LENGTH,
    NEXT_RECIPROCAL,
    PLACES,
    RECIPROCAL,
    ROLES,
    SQUARES,
    TAIL,
    X,
    at_length,
    covariance,
    covariance_with_tails,
    covariances,
    covariances_of_free,
    covariances_with_tails,
    mean_over_tau,
)
from theory.derivation import Derivation
from theory.steps.any_length import aligned, harmonic_sums, rational

MEAN = LengthMoments(*(value.as_expr() for value in MOMENTS))  # at symbolic T


def exact_moments(length: int) -> LengthMoments:
    return moments(Fraction(length), *harmonic_numbers(length))


def covariances_over_positions(d: Derivation) -> None:
    """T² E_τ Cov_s of what stands where, in T, x and y."""
    columns(d)
    harmonic_sums(d)
    averages(d)
    roles(d)
    free_positions(d)


def averages_over_tau(d: Derivation) -> None:
    """The moments of T-S2."""
    covariances_over_positions(d)
    by_past, past = covariances("direct", "remapped"), covariances("remapped", "remapped")
    tails = covariances_with_tails("remapped")
    d.equal(
        "Those with $P_q$, the share of the trigger in the past of $s$, have a name here; in $T$, "
        "$x$ and $y$:",
        [by_past[0, 1], past[0, 1], by_past[1, 1], past[1, 1], tails[1]],
        [MEAN.output, MEAN.past_output, MEAN.trigger, MEAN.past_trigger, MEAN.position],
        latex=r"u = I_o P_q,\quad v = P_o P_q,\quad a = I_q P_q,\quad b = P_q P_q,\quad c = k P_q",
    )


# Sums over s, given τ.
def matrices(length: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The identity and the causal mean, and the mean of h_r over r <= s."""
    steps = np.array([Fraction(1, s) for s in range(1, length + 1)])
    past = np.tri(length, dtype=int) * steps[:, None]
    return {"direct": np.eye(length, dtype=int), "remapped": past}, past @ past.sum(axis=0)


def spread(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """T² times the covariances of columns over s."""
    return len(left) * left.T @ right - np.multiply.outer(left.sum(axis=0), right.sum(axis=0))


def columns(d: Derivation) -> None:
    left, right = [], []
    for length in (4, 5):
        by_kind, tails = matrices(length)
        for tau in range(1, length - 1):
            at = [tau - 1, tau, length - 1]
            for one, u in by_kind.items():
                left += list(spread(tails, u)[at])
                closed = [covariance_with_tails(one, a) for a in PLACES]
                for other, v in by_kind.items():
                    left += list(spread(u, v)[np.ix_(at, at)].ravel())
                    closed += [covariance(one, other, a, b) for a in PLACES for b in PLACES]
                right += [at_length(e, length, tau) for e in closed]
    d.equal(
        "What $x^1_s$ says of position $r$ is column $r$ of the identity $I$ (atoms $w_E$) or of "
        "the causal mean $P$, $P_{sr} = \\frac1s 1\\{r \\le s\\}$ (atoms $\\Phi_1 w_E$). With $h_r "
        "= \\sum_{s \\ge r} s^{-1}$, $S_r = \\sum_{s \\ge r} s^{-2}$ two columns $U_r$, $V_{r'}$ "
        "have this covariance over $s$; so has the mean tail $k_s = \\frac1s \\sum_{r \\le s} h_r "
        "= 1 + h_{s+1}$, of sum $2T - x$. (Compare with the matrices at $T = 4, 5$, for the "
        "positions $\\tau$, $\\tau + 1$ and $T$.)",
        [rational(e) for e in left],
        right,
        latex=aligned(
            r"T^2\, \mathrm{Cov}_s(U_r, V_{r'}) = T\, G_{UV}(r, r') - \sigma_U(r)\, \sigma_V(r'),"
            r"\quad \sigma_I = 1,\ \sigma_P(r) = h_r",
            r"G_{II} = 1\{r{=}r'\},\quad G_{IP} = \tfrac1r 1\{r' \le r\},\quad G_{PP} = "
            r"S_{\max(r, r')}",
            r"G_{kI} = 1 + h_{r+1},\quad G_{kP} = h_r + \tfrac12 (h_r^2 - S_r)",
        ),
    )


# Averages over τ.
MEANS = {
    r"\tfrac{1}{\tau}": RECIPROCAL,
    r"\tfrac{1}{\tau+1}": NEXT_RECIPROCAL,
    r"\tau^{-2}": RECIPROCAL**2,
    r"h_\tau": TAIL,
    r"h_\tau^2": TAIL**2,
    r"S_\tau": SQUARES,
    r"\tfrac1\tau h_\tau": RECIPROCAL * TAIL,
}


def averages(d: Derivation) -> None:
    left, right = [], []
    for length in range(3, 9):
        taus = range(1, length - 1)
        for summand in MEANS.values():
            left.append(at_length(mean_over_tau(summand), length))
            right.append(sum(at_length(summand, length, tau) for tau in taus) / len(taus))
    d.equal(
        "So the averages over $\\tau = 1, ..., T - 2$, here also written out for $T = 3, ..., 8$:",
        left,
        right,
        latex=aligned(
            *(
                rf"\mathbb{{E}}_\tau {name} = {_written(mean_over_tau(e))}"
                for name, e in MEANS.items()
            )
        ),
    )


def roles(d: Derivation) -> None:
    mean, T, shares = mean_over_tau, LENGTH, TAIL + 1 / LENGTH
    h, later = TAIL - RECIPROCAL, mean(SQUARES - RECIPROCAL**2)  # h_{τ+1}, the mean of S_{τ+1}
    H, w = mean(h), mean(shares)
    own, by_past = covariances("direct", "direct"), covariances("direct", "remapped")
    past = covariances("remapped", "remapped")
    d.equal(
        "What stands at the output ($o$) and at the triggers ($q$: $\\tau$ and $T$), by $I$ and "
        "by $P$; $H = \\mathbb{E}_\\tau h_{\\tau+1}$ and $w = \\mathbb{E}_\\tau h_\\tau + "
        "\\frac1T$ are those of S1:",
        [*own.ravel(), *by_past.ravel(), past[0, 0], past[0, 1], past[1, 1]],
        [
            *(T - 1, FIELD(-2), FIELD(-2), 2 * T - 4),
            T * mean(NEXT_RECIPROCAL) - H,
            T * mean(NEXT_RECIPROCAL) - w,
            1 - 2 * H,
            T * mean(RECIPROCAL) + 2 - 2 * w,
            T * later - mean(h**2),
            T * later + 1 / T - mean(h * shares),
            T * mean(SQUARES) + 3 / T - mean(shares**2),
        ],
        latex=aligned(
            r"T^2\, \mathbb{E}_\tau \mathrm{Cov}_s: \quad I_o I_o: T - 1,\quad I_o I_q: -2,\quad "
            r"I_q I_q: 2T - 4",
            r"I_o P_o: T\, \mathbb{E}\, \tfrac{1}{\tau+1} - H,\quad I_o P_q: T\, \mathbb{E}\, "
            r"\tfrac{1}{\tau+1} - w,\quad I_q P_o: 1 - 2H,\quad I_q P_q: T\, \mathbb{E}\, "
            r"\tfrac1\tau + 2 - 2w",
            r"P_o P_o: T\, \mathbb{E} S_{\tau+1} - \mathbb{E} h_{\tau+1}^2,\quad P_o P_q: T\, "
            r"\mathbb{E} S_{\tau+1} + \tfrac1T - \mathbb{E}\, h_{\tau+1} (h_\tau + \tfrac1T)",
            r"P_q P_q: T\, \mathbb{E} S_\tau + \tfrac3T - \mathbb{E} (h_\tau + \tfrac1T)^2",
        ),
    )


def free_positions(d: Derivation) -> None:
    pairs = (("direct", "direct"), KINDS, ("remapped", "remapped"))
    T, x, h, squares = LENGTH, X, TAIL - RECIPROCAL, SQUARES - RECIPROCAL**2  # at τ + 1
    own, by_past, past = (covariances_of_free(*pair) for pair in pairs)
    places = RECIPROCAL + NEXT_RECIPROCAL + 1 / T, SQUARES + squares + 1 / T**2
    d.equal(
        "What a free position has in common with itself: all $r$ less $\\tau$, $\\tau + 1$ and "
        "$T$.",
        [own, by_past, past],
        [
            (T - 1) * (T - 3),
            T * x - T - mean_over_tau(T * places[0] - TAIL - h - 1 / T),
            (T + 1) * x - 2 * T - mean_over_tau(T * places[1] - TAIL**2 - h**2 - 1 / T**2),
        ],
        latex=aligned(
            r"Y_{UV} = T^2\, \mathbb{E}_\tau \sum_{r \text{ free}} \mathrm{Cov}_s(U_r, V_r):\quad "
            r"Y_{II} = (T-1)(T-3)",
            r"Y_{IP} = T x - T - \mathbb{E}_\tau\big[T \big(\tfrac1\tau + \tfrac{1}{\tau+1} + "
            r"\tfrac1T\big) - h_\tau - h_{\tau+1} - \tfrac1T\big]",
            r"Y_{PP} = (T + 1) x - 2T - \mathbb{E}_\tau\big[T \big(S_\tau + S_{\tau+1} + "
            r"\tfrac{1}{T^2}\big) - h_\tau^2 - h_{\tau+1}^2 - \tfrac{1}{T^2}\big]",
        ),
    )
    symbolic = [own, by_past, past, *(e for u in KINDS for e in covariances_with_tails(u))]
    for pair in pairs:
        symbolic += list(covariances(*pair).ravel())
    left, right = [], []
    for length in range(3, 9):
        left += [at_length(e, length) for e in symbolic]
        right += [rational(e) for e in written_out(length)]
    d.equal(
        "All of these, those with $k_s$ too, against the sums over $\\tau$, $s$ and $r$ written "
        "out, $T = 3, ..., 8$.",
        left,
        right,
        latex="",
    )


def written_out(length: int) -> list[Fraction]:
    by_kind, tails = matrices(length)
    one, past = by_kind.values()
    pairs, total = ((one, one), (one, past), (past, past)), np.array([Fraction(0)] * 19)
    for tau in range(1, length - 1):
        role = np.array([role_at(length, tau, s) for s in range(1, length + 1)])
        at = np.array([role == name for name in ROLES], dtype=int).T
        found = [np.diag(spread(u, v))[role == "free"].sum() for u, v in pairs]
        found += [e for u in (one, past) for e in spread(tails, u @ at)]
        found += [e for u, v in pairs for e in spread(u @ at, v @ at).ravel()]
        total = total + np.array(found) * Fraction(1, length - 2)
    return list(total)


def _written(value: Any) -> str:
    return str(sympy.latex(sympy.factor(value.as_expr())))
