"""Derivation of C7: the Gaussian approximation of recall errs by at most 1/(2d) at equal
weights."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import sympy
from sympy import Rational, gamma, sqrt

from assocmem import capacity
from theory.algebra.calculus import symbols
from theory.algebra.moments import agrees
from theory.capacity.approximation import win
from theory.derivation import Derivation

d_, m_ = sympy.symbols("d m", positive=True, integer=True)


r = sympy.Symbol("r", positive=True)


def derive(d: Derivation) -> None:
    """The exact scores are replaced by independent normals with nearly the same mean squares.
    Means and variances are compared with the exact ones here; what that does to the probability is
    measured by the check.
    """
    second_moments(d)
    mean_of_the_right_score(d)
    with d.aside("Bookkeeping: the library at given sizes"):
        integrals(d)


def mean_squares(own: Any, rival: Any, total: Any) -> tuple[Any, Any]:
    """Of the right score and of one wrong score; given those of b_t, of b_k and of |b|."""
    return ((d_ - 1) * own + total) / d_**2, ((d_ - 1) * rival + total) / d_**2


def second_moments(d: Derivation) -> None:
    """C7: exact mean squares of the scores over their common factor."""
    b, g = symbols("b", 3), sympy.Symbol("gamma")
    length = sqrt(b @ b)
    noise = length * (np.eye(3, dtype=int) - np.outer(b, b) / length**2)
    d.equal(
        "By the derivation of C2 the scores of a key are $\\|u_i\\|\\|V^\\top f\\|/d$ times "
        "$\\gamma b + |b| (I - ff^\\top) h$, with $b$ over $\\|u_i\\|/\\sqrt d$. Over $h$ the mean "
        "square of entry $k$ is",
        np.diag(g**2 * np.outer(b, b) + noise @ noise.T),
        (g**2 - 1) * b**2 + length**2,
        latex=r"(\gamma^2 - 1)\, b_k^2 + |b|^2 .",
    )
    n = r * m_
    own = d_ + r - 1
    right, wrong = mean_squares(own, r, own + r * (m_ - 1))
    mean, spread = 1 - 1 / (2 * d_), (n - r + d_ * r) / d_**2
    d.equal(
        "With $\\mathbb{E}\\gamma^2 = d$, $\\mathbb{E} b_t^2 = d + r - 1$ and $\\mathbb{E} b_k^2 = "
        "r$, over $d$: that of a wrong score is the variance that is taken; that of the right one "
        "is the sum of $(1 - \\frac{1}{2d})^2$ and the variance that is taken, up to "
        "$\\frac{1}{4d^2}$.",
        [wrong, mean**2 + spread - right],
        [(n - r - 1 + d_ * (1 + r)) / d_**2, 1 / (4 * d_**2)],
        latex=r"\frac{n - r - 1 + d(1 + r)}{d^2}, \qquad \Big(1 - \frac1{2d}\Big)^2 +"
        r" \frac{n - r + dr}{d^2} - \frac1{4d^2}",
    )
    S, own, heavy = sympy.symbols("S w_i w_k", positive=True)
    right, wrong = mean_squares(own**2 * d_, heavy**2, own**2 * d_ + S - own**2)
    d.equal(
        "Weighted items, one to one, $b_i = w_i \\chi_d$, $b_k = w_k g_k$, $S = \\sum_l w_l^2$:",
        [wrong, (own * mean) ** 2 + (S + (d_ - 1) * own**2) / d_**2 - right],
        [(S + (d_ - 1) * (own**2 + heavy**2)) / d_**2, own**2 / (4 * d_**2)],
        latex=r"\frac{S + (d-1)(w_i^2 + w_k^2)}{d^2}, \qquad w_i^2\Big(1 - \frac1{2d}\Big)^2 +"
        r" \frac{S + (d-1) w_i^2}{d^2} - \frac{w_i^2}{4d^2}",
    )


def mean_of_the_right_score(d: Derivation) -> None:
    """C7: (E chi_d)^2 / d is 1 - 1/2d up to 1/4d^2."""

    def mean(width: Any) -> Any:
        return sqrt(2) * gamma((width + 1) / 2) / gamma(width / 2)

    d.equal(
        "The mean of the right score is $M_d^2/d$ with $M_d = \\mathbb{E}\\chi_d$, for which",
        [
            sympy.expand_func(mean(d_) * mean(d_ + 1)),
            sympy.expand_func(mean(d_ + 2)) / mean(d_),
        ],
        [d_, (d_ + 1) / d_],
        latex=r"M_d = \sqrt2\, \frac{\Gamma(\frac{d+1}2)}{\Gamma(\frac d2)}, \qquad"
        r" M_d M_{d+1} = d, \qquad \frac{M_{d+2}}{M_d} = \frac{d + 1}d .",
    )
    half = Rational(1, 2)
    d.equal(
        "From $d$ to $d + 2$ the ratio $M_d^2/(d - \\frac12)$ falls,",
        1 - ((d_ + 1) / d_) ** 2 * (d_ - half) / (d_ + 2 - half),
        half / (d_**2 * (d_ + 2 - half)),
        latex=r"1 - \Big(\frac{d+1}d\Big)^2 \frac{d - \frac12}{d + \frac32} ="
        r" \frac{1}{d^2 (2d + 3)} > 0,",
    )
    d.equal(
        "and it tends to 1 ($M_d^2 \\le d$, and $M_d^2 \\ge d^2/(d + 1)$ by $M_d M_{d+1} = d$), so "
        "$M_d^2 > d - \\frac12$. Again by $M_d = d/M_{d+1}$, $M_d^2 < d^2/(d + \\frac12)$: the "
        "mean that is taken is too small by at most $\\frac{1}{4d^2}$.",
        d_**2 / (d_ + half) / d_ - (1 - 1 / (2 * d_)),
        1 / (4 * d_ * (d_ + half)),
        latex=r"0 < \frac{M_d^2}d - \Big(1 - \frac1{2d}\Big) < \frac{1}{4d\,(d + \frac12)}",
    )


def equal_weights(n: float, width: int, m: float) -> float:
    """At the moments of the statement."""
    keys = n / m
    right = (n - keys + width * keys) / width**2
    wrong = (n - keys - 1 + width * (1 + keys)) / width**2
    return win(1 - 1 / (2 * width), right, {wrong: m - 1})


def integrals(d: Derivation) -> None:
    """C7: the library's integral at these moments, and where it is one half."""
    for n, width, classes in ((40, 16, None), (120, 24, 6)):
        agrees(
            d,
            f"The library's integral at $n = {n}$, $d = {width}$, $m = {classes or n}$, against "
            "quadrature at the moments of the statement:",
            capacity.recall_probability(n, width, classes=classes),
            equal_weights(n, width, classes or n),
            latex=r"\texttt{recall\_probability(n, d, classes=m)}",
        )
    weights, item, width = np.array([4, 3, 3, 2, 1]), 3, 10
    squares, own = weights**2, weights[item]
    variances = (np.sum(squares) + (width - 1) * (own**2 + squares)) / width**2
    agrees(
        d,
        f"For item $i = {item + 1}$ of weights $4, 3, 3, 2, 1$ at $d = {width}$:",
        capacity.recall_probability(len(weights), width, weights=weights, item=item),
        win(
            own * (1 - 1 / (2 * width)),
            (np.sum(squares) + (width - 1) * own**2) / width**2,
            Counter(np.delete(variances, item)),
        ),
        latex=r"\texttt{recall\_probability(n, d, weights=w, item=i)}",
    )
    for width, classes in ((16, None), (24, 6)):
        most = capacity.capacity(width, classes=classes)
        below, above = (equal_weights(k, width, classes or k) for k in (most - 1e-9, most + 1e-9))
        d.holds(
            f"The library's capacity at $d = {width}$, $m = {classes or 'n'}$: the quadrature "
            "passes one half there.",
            bool(above < 0.5 < below),
            latex=rf"n^* \approx {most:.6g}, \qquad n^* \pm 10^{{-9}}",
        )
