"""Derivation of C5: no rule recalls all of more than about 2 d^2 pairs: W has too few regions."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Rational, binomial, exp, factorial, log

from assocmem import capacity
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """As $W$ moves, a key ranks the values differently only across hyperplanes, and the number of
    regions between these is known. A region corresponds to at most one of the $n!$ pairings, so if
    there are far fewer regions than pairings, a random pairing has no region.
    """
    d.say(
        "Key $i$ ranks the values; the ranking changes only where two scores agree. These are "
        "$N = n \\cdot n(n-1)/2$ hyperplanes through 0 in the $D = d^2$ dimensions of $W$.",
        r"(v_k - v_{k'})^\top W u_i = 0",
    )

    def regions(planes: Any, dimensions: int) -> Any:
        return 2 * sum(binomial(planes - 1, i) for i in range(dimensions))

    planes = sympy.Symbol("N", positive=True, integer=True)
    d.equal(
        "The number of regions ([C1965], Theorem 1): a new hyperplane cuts in two those regions "
        "that the others leave in it, one dimension lower, so the largest number satisfies",
        [sympy.expand_func(regions(planes + 1, dimension)) for dimension in (2, 3, 5)],
        [
            sympy.expand_func(regions(planes, dimension) + regions(planes, dimension - 1))
            for dimension in (2, 3, 5)
        ],
        latex=r"R(N + 1, D) = R(N, D) + R(N, D - 1), \qquad"
        r" R(N, D) = 2 \sum_{i=0}^{D-1} \binom{N - 1}{i}",
    )
    d.equal(
        "with one hyperplane, or one dimension, making 2.",
        [regions(sympy.Integer(1), 4), regions(planes, 1)],
        [2, 2],
        latex=r"R(1, D) = R(N, 1) = 2",
    )
    d.say(
        "A region recalls in full at most one of the $n!$ pairings. The pairing is uniform, so the "
        "probability that some region recalls it is at most",
        r"\frac{R(N, d^2)}{n!}",
    )
    for width in (2, 3):
        n = capacity.storage_bound(width)
        chances = [
            regions(sympy.Integer(k * k * (k - 1) // 2), width**2) / factorial(k)
            for k in (n - 1, n)
        ]
        million = Rational(1, 10**6)
        d.holds(
            f"The library's bound for $d = {width}$ is the first $n$ with at most $10^{{-6}}$, in "
            f"exact fractions.",
            sympy.And(chances[0] > million, chances[1] <= million),
            latex=rf"\frac{{R}}{{n!}} \approx {float(chances[1]):.2g} \quad\text{{at }} n = {n}",
        )
    limits(d)


def limits(d: Derivation) -> None:
    """C5: the bound at large widths, and why minimising the loss decides."""
    D, c = sympy.symbols("D c", positive=True)
    numbers = D * log(sympy.E * (c * D) ** 3 / (2 * D))
    pairings = c * D * log(c * D / sympy.E)
    d.equal(
        "Large $d$, $n = cD$: $\\sum_{i<D} \\binom{N}{i} \\le (eN/D)^D$ with $N \\le n^3/2$, "
        "against $n! \\ge (n/e)^n$. Pairings win for every $c > 2$.",
        sympy.limit(numbers / pairings, D, sympy.oo),
        2 / c,
        latex=r"\frac{D \ln(eN/D)}{n \ln(n/e)} \to \frac2c",
    )
    p = sympy.Symbol("p", positive=True)
    d.equal(
        "If some $W$ recalls all pairs, scaling it up takes the cross-entropy to 0, its infimum; "
        "and a mean loss below $(\\ln 2)/n$ means that each key has $\\hat p > \\tfrac12$, hence "
        "recalls. So minimising the loss, which is convex, decides whether there is such a $W$; "
        "wherever outer products recall all pairs, there is.",
        sympy.solve(-log(p) - log(2), p),
        [Rational(1, 2)],
        latex=r"-\ln \hat p < \ln 2 \iff \hat p > \tfrac12",
    )
    scale = sympy.Symbol("s", positive=True)
    d.equal(
        "For two values and margin 1, the loss at scale $s$:",
        sympy.limit(log(1 + exp(-scale)), scale, sympy.oo),
        0,
        latex=r"\lim_{s \to \infty} \ln(1 + e^{-s}) = 0",
    )
