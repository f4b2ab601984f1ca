"""Derivation of W2: at finite width the noise of the three memories has exact means and
covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from assocmem.width import wick
from assocmem.width.wick import Segment
from theory.algebra.calculus import symbols
from theory.algebra.moments import expectation
from theory.derivation import Derivation
from theory.width.pairings import at, by_pairings, d_


def derive(d: Derivation) -> None:
    """Every score is a polynomial in Gaussian entries, so its moments are sums over pairings of
    these. Paired indices form loops, each worth $d$, which makes the moments polynomials in $1/d$.
    """
    d.say(
        "Every atom is a word in $\\Phi_1$ (and $W_V^2$) applied to an input, so every Gram entry "
        "is $x_a^\\top M x_b$, and a score a sum of products of two. Isserlis: the mean of a "
        "product of centred Gaussians is the sum over pairings of the products of covariances. "
        "Each covariance is a product of Kronecker deltas over $d$,",
        r"\mathbb{E}\, x_{a\mu} x_{b\nu} = \tfrac1d \delta_{ab}\delta_{\mu\nu}, \qquad"
        r" \mathbb{E}\, \Phi_{\mu\nu}\Phi_{\rho\sigma} = \tfrac1d"
        r"\delta_{\mu\rho}\delta_{\nu\sigma}",
    )
    d.say(
        "so that the deltas join the $d$-dimensional indices into loops, each worth $\\sum_\\mu 1 "
        "= d$, and say which inputs are equal.",
        r"\mathbb{E}\prod_s x_{a_s}^\top M_s x_{b_s} = \sum_\pi d^{\,\ell(\pi) - m}\,\delta_\pi",
    )
    entry_by_entry(d)
    output_memory(d)


def entry_by_entry(d: Derivation) -> None:
    """W2: scores written out in the entries of all vectors and matrices."""
    rng = np.random.default_rng(1)
    every = [(left, right) for left in ("", "f") for right in ("f", "Ff")]
    for width, words in ((1, every), (2, every[1:3])):  # all four have too many terms at d = 2
        x, phi = symbols("x", 2, width), symbols("phi", width, width)
        atoms = {"": x, "f": x @ phi.T}
        tables = {word: rng.integers(-3, 4, (2, 2)) for word in words}
        unit = np.eye(2, dtype=int)
        moments = wick.term_moments(
            [
                wick.Term(unit[:1], Segment(left), tables[left, right], Segment(right), unit)
                for left, right in words
            ]
        )
        scores = sum(
            (x[0] @ atoms[left].T) @ tables[left, right] @ atoms[right[:-1].lower()] @ atoms["f"].T
            for left, right in words
        )

        d.equal(
            f"The scores of $W_K^2$ over two tokens at $d = {width}$, integer coefficients: means "
            "and second moments from the pairings, and from the polynomial in all entries of $w_E$ "
            "and $\\Phi_1$ by the moments of one normal variable.",
            [at(moments.mean_powers, width)[0], at(moments.second_powers, width)[0, 0]],
            [[expectation(factor * s, x, phi) for s in scores] for factor in (1, scores[0])],
            latex=r"\mathbb{E}\, s_{qi}, \quad \mathbb{E}\, s_{qi} s_{qj}",
        )


def output_memory(d: Derivation) -> None:
    """W2: the closed form for W_O2."""

    def h(other: int, word: str) -> Any:
        return by_pairings(((0, other), "Vv" + word), ((0, other), "Vv" + word))

    d.equal(
        "The output memory. Products of different overlaps vanish in the mean, as every input and "
        "every letter must occur an even number of times; so squares add up as in C1. An overlap "
        "of outputs has the $g$ of C1; an overlap of the value $W_V^2 w_E(i)$ with itself, with "
        "$W_V^2 \\Phi_1 w_E(i)$, with another value and another image:",
        [h(0, ""), h(0, "f"), h(1, ""), h(1, "f")],
        [
            (1 + 2 / d_) ** 2,
            (1 + 2 / d_) * (2 / d_ + 1 / d_**2),
            2 / d_ + 1 / d_**2,
            2 / d_ + 1 / d_**2,
        ],
        latex=r"h = \big(1 + \tfrac2d\big)^2, \quad \big(1 + \tfrac2d\big)\big(\tfrac2d +"
        r" \tfrac1{d^2}\big), \quad \tfrac2d + \tfrac1{d^2}, \quad \tfrac2d + \tfrac1{d^2}",
    )
    d.equal(
        "and overlaps of different values with one value are uncorrelated.",
        [
            by_pairings(((0, 1), "Vv"), ((0, 2), "Vv")),
            by_pairings(((0, 1), "Vv"), ((0, 1), "Vvf")),
            by_pairings(((0, 0), "Vv"), ((0, 0), "Vvf")),
        ],
        [0, 0, 0],
        latex=r"\mathbb{E}\,\langle v_i, v_l\rangle\langle v_i, v_{l'}\rangle = 0"
        r" \quad (l \ne l')",
    )
