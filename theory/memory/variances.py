"""The exact mean and variance of every score over random keys and values, for C1."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational

import assocmem as am
from theory.algebra.calculus import symbols
from theory.algebra.moments import (
    Moment,
    expectation,
    gaussian_moment,
    rademacher_moment,
    sphere_moment,
    sum_over,
)
from theory.derivation import Derivation

n_, d_ = sympy.symbols("n d", positive=True, integer=True)


def overlap_moments(d: Derivation) -> None:
    """Second moments of a Gram matrix, by index sums at any width."""
    a, b = sympy.symbols("a b", integer=True, positive=True)

    def delta(x: Any, y: Any) -> Any:
        return sympy.KroneckerDelta(x, y)

    def isserlis(i: Any, j: Any, k: Any, l: Any) -> Any:
        pairings = delta(i, j) * delta(k, l) + delta(i, k) * delta(j, l) + delta(i, l) * delta(j, k)
        return pairings / d_**2

    d.say(
        "The score is bilinear in two independent Gram matrices, $G'$ of the values and $G$ of the "
        "keys, so only their first and second moments matter.",
        r"v_k^\top W u_i = \sum_{j,l} G'_{kj}\, C_{jl}\, G_{li}",
    )
    d.equal(
        "One key $u = u_i$ with itself. For Gaussian entries Isserlis' theorem gives the fourth "
        "moments; on the sphere and for signs $\\|u\\| = 1$, so $\\kappa = 1$.",
        sum_over(isserlis(a, a, b, b), b, a),
        1 + 2 / d_,
        latex=r"\kappa = \sum_{a,b} \mathbb{E}\, u_a u_a u_b u_b"
        r" = \sum_{a,b} \frac{1 + 2\delta_{ab}}{d^2} = 1 + \frac2d",
    )
    d.equal(
        "Two keys, $l \\ne i$ (this is NO1):",
        sum_over(delta(a, b) / d_ * delta(a, b) / d_, b, a),
        1 / d_,
        latex=r"\mathbb{E}\, G_{li}^2 = \sum_{a,b} \frac{\delta_{ab}}d \frac{\delta_{ab}}d"
        r" = \frac1d",
    )
    d.say(
        "Products of different overlaps, $l \\ne l'$, vanish: one of $u_l, u_{l'}$ is not $u_i$, "
        "is independent of all the rest, and has mean 0. And $\\mathbb{E}\\, G_{li} = "
        "\\delta_{li}$. So the squares add up:",
        r"\mathbb{E}\,(v_k^\top W u_i)^2 = \sum_{j,l} C_{jl}^2\;"
        r" \mathbb{E}\,G_{kj}'^2\; \mathbb{E}\,G_{li}^2",
    )


def stated_variance(
    C: np.ndarray, k: int, i: int, widths: tuple[int, int], kappas: np.ndarray
) -> Any:
    """The variance of C1, term by term; widths and fourth moments of values, keys."""

    def square(j: int, k: int, width: int, kappa: Any) -> Any:  # E G_jk^2
        return kappa if j == k else Rational(1, width)

    terms = (
        C[j, l] ** 2 * square(j, k, widths[0], kappas[0]) * square(l, i, widths[1], kappas[1])
        for j, l in np.ndindex(*C.shape)
    )
    return sum(terms) - C[k, i] ** 2


def moments_of_scores(d: Derivation) -> None:
    """The mean and variance of every score."""
    overlap_moments(d)
    m, n, widths = 2, 3, (3, 2)
    C, values, keys = symbols("C", m, n), symbols("v", m, widths[0]), symbols("u", n, widths[1])
    scores = am.AssociativeMemory(keys=keys, values=values, coefficients=C).scores()

    families: list[tuple[str, Moment, list[Any]]] = [
        ("Gaussian rows", gaussian_moment, [1 + Rational(2, width) for width in widths]),
        ("the sphere", sphere_moment, [1, 1]),
        ("signs", rademacher_moment, [1, 1]),
    ]
    with d.aside("Bookkeeping: the moments of the scores, entry by entry"):
        for name, moment, kappas in families:
            d.equal(
                f"The library's scores for {name}, all {m} values in $\\mathbb{{R}}^{widths[0]}$, "
                f"{n} "
                f"keys in $\\mathbb{{R}}^{widths[1]}$ and coefficients symbols: average two of "
                "them over the moments of the entries,",
                [expectation(scores[0, i], values, keys, moment=moment) for i in range(2)],
                list(C[0, :2]),
                latex=r"\mathbb{E}\, v_k^\top W u_i = C_{ki}",
            )
            d.equal(
                "and their squares: no more and no fewer terms than the index sums gave.",
                [
                    expectation(scores[0, i] ** 2, values, keys, moment=moment) - C[0, i] ** 2
                    for i in range(2)
                ],
                [stated_variance(C, 0, i, widths, np.array(kappas)) for i in range(2)],
                latex=r"\mathrm{Var} = \sum_{j,l} C_{jl}^2 \big(\tfrac{1 - \delta_{jk}}{d'} + "
                r"\kappa'"
                r"\delta_{jk}\big) \big(\tfrac{1 - \delta_{li}}d + \kappa\delta_{li}\big) - "
                r"C_{ki}^2",
            )
    special_cases(d)


def special_cases(d: Derivation) -> None:
    """C1: Gaussian rows of one width; one-to-one memories."""
    total, row, column, entry = sympy.symbols("F R S c", positive=True)  # sums of squares
    kappa = 1 + 2 / d_
    d.equal(
        "Gaussian rows, $d' = d$: sort the terms by whether $j = k$ and whether $l = i$.",
        (total - row - column + entry) / d_**2
        + kappa / d_ * (row - entry)
        + kappa / d_ * (column - entry)
        + (kappa**2 - 1) * entry,
        (total + (d_ + 1) * (row + column) + (d_ + 1) ** 2 * entry) / d_**2 - entry,
        latex=r"\mathrm{Var} = \tfrac1{d^2}\big(\|C\|_F^2 + (d+1)(\|C_{k\cdot}\|^2 +"
        r" \|C_{\cdot i}\|^2) + (d+1)^2 C_{ki}^2\big) - C_{ki}^2",
    )
    d.equal(
        "One to one, $C = I_n$, right score: one term with $j = k$ and $l = i$, and $n - 1$ with "
        "neither.",
        kappa**2 + (n_ - 1) / d_**2 - 1,
        (n_ + 4 * d_ + 3) / d_**2,
        latex=r"\big(1 + \tfrac2d\big)^2 + \frac{n - 1}{d^2} - 1 = \frac{n + 4d + 3}{d^2}",
    )
    d.equal(
        "Wrong score: one term with $j = k$, one with $l = i$, and $n - 2$ with neither.",
        2 * kappa / d_ + (n_ - 2) / d_**2,
        (n_ + 2 * d_ + 2) / d_**2,
        latex=r"\frac2d\big(1 + \tfrac2d\big) + \frac{n - 2}{d^2} = \frac{n + 2d + 2}{d^2}",
    )
