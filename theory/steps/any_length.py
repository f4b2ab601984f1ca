"""What the steps S1 to T-S3 share at any length: who stands where, readouts, harmonic sums."""

from __future__ import annotations

from typing import Any, NamedTuple

import sympy

import assocmem as am
from theory.algebra.harmonic import REMAPPED_FIRST_TRIGGER, REMAPPED_OUTPUT, T, x, y
from theory.algebra.rational import C, K, c, k
from theory.algebra.telescoping import (
    ANTIDIFFERENCES,
    BEYOND,
    FIRST,
    RECIPROCAL,
    SQUARES,
    TAIL,
    total,
)
from theory.derivation import Derivation

LENGTHS = (3, 4, 5, 6, 7, 8)


Weights = dict[str, tuple[Any, Any, Any]]


# Of the output, of both triggers, of all positions: 1, then h_r, averaged over τ.
WEIGHTS: Weights = {
    "direct": (sympy.Integer(1), sympy.Integer(2), T),
    "remapped": (REMAPPED_OUTPUT, REMAPPED_FIRST_TRIGGER + 1 / T, T),
}


def task(length: int, vocabulary: str) -> am.InductionTask:
    if vocabulary == "random":
        return am.InductionTask(c + 1, length, "random", "all")
    return am.InductionTask(c + k, length, k, vocabulary)  # type: ignore[arg-type]


class ReadoutAtAnyLength(NamedTuple):
    """T times the coefficients of G₁ between w_U(k), k a content token, and a family of tokens."""

    same: Any
    other: Any
    trigger: Any

    @property
    def at_roles(self) -> dict[str, Any]:
        """What k = y reads on average at the output, at the trigger, at a free position."""
        free = (self.same + (C - 1) * self.other) / C
        return {"output": self.same, "trigger": self.trigger, "free": free}


def readouts(vocabulary: str, weights: Weights = WEIGHTS) -> dict[str, ReadoutAtAnyLength]:
    """S1 in T, x = H_T, C and K: who stands where, and what the label says about it."""
    found = {}
    for kind, (output, triggers, everywhere) in weights.items():
        if vocabulary == "random":
            n, free = C + 1, everywhere - triggers - output
            same = (output * C - triggers + free / C) / n**2
            found[kind] = ReadoutAtAnyLength(same, -same / C, -same / C)
        else:
            outputs = C if vocabulary == "content" else C + K
            content = everywhere - triggers
            other = (content - output) / C**2 - content / (C * outputs)
            found[kind] = ReadoutAtAnyLength(
                output / C + other, other, (1 / C - 1 / outputs) * triggers / K
            )
    return found


def surplus_of_labels(vocabulary: str) -> Any:
    """p(y=k) - 1/M for a content token k."""
    return 1 / C - 1 / (C + K) if vocabulary == "all" else sympy.Integer(0)


def harmonic_sums(d: Derivation) -> None:
    """The sums over tails, by telescoping."""
    r, h, squares = sympy.symbols("r h_r S_r", positive=True)
    gains, summands, formulas = [], [], []
    for (i, j, *powers), F in ANTIDIFFERENCES.items():
        summand = h ** powers[0] * squares ** powers[1] / (r**i * (r + 1) ** j)
        gains.append(F(r + 1, h - 1 / r, squares - 1 / r**2) - F(r, h, squares))
        summands.append(summand)
        formulas.append(f"{sympy.latex(summand)}: \\quad {sympy.latex(F(r, h, squares))}")
    d.equal(
        "Sums over $r$ telescope when the summand is a difference $F(r+1) - F(r)$. With $h_r = "
        "\\sum_{s \\ge r} s^{-1}$ and $S_r = \\sum_{s \\ge r} s^{-2}$ up to $T$, so that $h_{r+1} "
        "= h_r - \\frac1r$ and $S_{r+1} = S_r - r^{-2}$, these summands have these $F$:",
        gains,
        summands,
        latex=aligned(*formulas),
    )
    later = RECIPROCAL * (TAIL - RECIPROCAL)
    d.equal(
        "From $r = 1$, with $h_1 = x = H_T$ and $S_1 = y = H_T^{(2)}$, to $r = T + 1$, where both "
        "are 0:",
        [total(summand, FIRST, BEYOND) for summand in (TAIL, TAIL**2, SQUARES, later)],
        [T, 2 * T - x, x, (x**2 - y) / 2],
        latex=r"\sum_{r=1}^T h_r = T,\quad \sum_{r=1}^T h_r^2 = 2T - x,\quad \sum_{r=1}^T S_r = x,"
        r"\quad \sum_{r=1}^T \tfrac1r h_{r+1} = \tfrac12 (x^2 - y)",
    )


def aligned(*formulas: str) -> str:
    """Formulas in lines."""
    return r"\begin{aligned}" + r"\\".join(f"&{line}" for line in formulas) + r"\end{aligned}"


def rational(value: Any) -> sympy.Rational:
    """A fraction as SymPy's."""
    return sympy.Rational(value.numerator, value.denominator)


def at_sizes(element: Any, n: int, k: int) -> Any:
    """The value of an element of the field Q(N, K)."""
    return sympy.sympify(getattr(element, "as_expr", lambda: element)()).subs({"N": n, "K": k})
