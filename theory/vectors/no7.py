"""Derivation of NO7: how many random vectors fit at a given coherence is exponential in the
width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy
from sympy import Rational, exp, sqrt

from assocmem.vectors import overlaps
from theory.derivation import Derivation
from theory.vectors.tails import n_, p_, sign_tail, sphere_tail


def derive(d: Derivation) -> None:
    r"""NO2 and NO3 are read the other way round, as statements on $n$ at a given coherence.
    Exponentially many random vectors fit at a fixed coherence, whereas by Welch's bound no choice
    of vectors has as many at a coherence below $1/\sqrt d$.
    """
    delta, R = sympy.symbols("delta R", positive=True)
    t, width = sympy.symbols("t d", positive=True)
    d.equal(
        "By NO2, $n$ vectors stay within $t$ with probability at least $1 - \\delta$ when "
        "$\\binom n2\\,p \\le \\delta$, that is when $n(n-1) \\le R = 2\\delta/p$, or",
        (2 * n_ - 1) ** 2 - (1 + 4 * R),
        4 * (n_ * (n_ - 1) - R),
        latex=r"(2n - 1)^2 \le 1 + 4R \iff n(n-1) \le R, \qquad"
        r" n = \Big\lfloor \tfrac12\big(1 + \sqrt{1 + 4\lfloor R\rfloor}\big) \Big\rfloor .",
    )
    grown = sqrt(delta) * exp(width * t**2 / 4)
    d.equal(
        "The bound $p \\le 2e^{-dt^2/2}$ admits at least $\\sqrt\\delta\\,e^{dt^2/4}$ vectors, "
        "rounded down, as $n(n-1) \\le n^2$:",
        grown**2,
        (2 * delta / p_).subs(p_, 2 * exp(-width * t**2 / 2)),
        latex=r"\big(\sqrt\delta\,e^{dt^2/4}\big)^2 = \delta\,e^{dt^2/2} = R .",
    )
    c = sympy.Symbol("c", positive=True)
    d.equal(
        "No choice of vectors does better than Welch's bound (NO3): $n - d \\le d(n-1)c^2$ is",
        width * (n_ - 1) * c**2 - (n_ - width),
        width * (1 - c**2) - n_ * (1 - width * c**2),
        latex=r"n\,(1 - d\,c^2) \le d\,(1 - c^2) ,",
    )
    d.say("a bound on $n$ as long as $c < 1/\\sqrt d$; beyond, $n$ may grow exponentially.")
    with d.aside("Bookkeeping: the library at given sizes"):
        for text, found, p, level in _answers():
            spent = [found * (found - 1) / 2 * p, found * (found + 1) / 2 * p]
            d.holds(
                f"The library's `how_many_fit` {text}: {found} vectors spend no more than "
                f"$\\delta = "
                f"{sympy.latex(level)}$, one more would.",
                sympy.And(sympy.N(spent[0], 30) <= level, sympy.N(spent[1], 30) > level),
                latex=rf"\tbinom{{{found}}}2\,p = {float(spent[0]):.6g}, \qquad"
                rf" \tbinom{{{found + 1}}}2\,p = {float(spent[1]):.6g}",
            )


def _answers() -> Iterator[tuple[str, Any, Any, Any]]:
    """Where, the library's n, the exact tail of a pair or its bound, and delta."""
    level = Rational(1, 8)
    for width, t in ((3, Rational(15, 16)), (5, Rational(31, 32)), (7, Rational(3, 4))):
        found = overlaps.how_many_fit(width, float(t), delta=float(level), sharp=True)
        where = f"with `sharp` at $d = {width}$, $t = {sympy.latex(t)}$"
        yield where, sympy.Integer(found), sphere_tail(width, t), level
    width, t = 33, Rational(17, 33)
    found = overlaps.how_many_fit(
        width, float(t), delta=float(level), family="rademacher", sharp=True
    )
    where = f"with `sharp` for signs at $d = {width}$, $t = {sympy.latex(t)}$"
    yield where, sympy.Integer(found), sign_tail(width, t), level
    for width, t in ((1000, Rational(1, 4)), (10**9, Rational(1, 4096))):
        found = overlaps.how_many_fit(width, float(t), delta=float(level))
        where = f"at $d = {width}$, $t = {sympy.latex(t)}$"
        yield where, sympy.Integer(found), 2 * exp(-width * t**2 / 2), level
