"""Derivation of NO1: the mean square overlap of two random vectors is 1/d."""

from __future__ import annotations

from itertools import product

import numpy as np
import sympy
from sympy import Rational, exp, sqrt

import assocmem as am
from theory.algebra.moments import Drawn, d_, exact, sum_over
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """Written out, the square is a double sum of products of second moments. Isotropy leaves its
    diagonal: $d$ terms of $1/d^2$.
    """
    a, b = sympy.symbols("a b", integer=True, positive=True)
    same = sympy.KroneckerDelta(a, b)
    d.say(
        "Write the square out. By independence its mean is a product of second moments, and "
        "isotropy gives each of them: $\\mathbb{E}\\, u_a u_b = \\delta_{ab}/d$.",
        r"\mathbb{E}\langle u, v\rangle^2 = \sum_{a,b=1}^d"
        r" \mathbb{E}[u_a u_b]\;\mathbb{E}[v_a v_b]",
    )
    d.equal(
        "The double sum has $d$ terms left:",
        sum_over(same / d_ * same / d_, b, a),
        1 / d_,
        latex=r"\sum_{a,b=1}^d \frac{\delta_{ab}}d\,\frac{\delta_{ab}}d = \frac1d",
    )
    d.say(
        "Isotropy of $v$ alone is enough, if $u$ has mean square norm 1.",
        r"\sum_{a,b} \mathbb{E}[u_a u_b]\,\frac{\delta_{ab}}d = \frac{\mathbb{E}\|u\|^2}d"
        r" = \frac1d",
    )
    g = sympy.Symbol("g", real=True)
    density = exp(-(g**2) / 2) / sqrt(2 * sympy.pi)
    d.equal(
        "Gaussian rows $u = g/\\sqrt d$: different entries are independent with mean 0, and",
        sympy.integrate(g**2 * density, (g, -sympy.oo, sympy.oo)) / d_,
        1 / d_,
        latex=r"\mathbb{E}\, u_a^2 = \frac1d \int g^2\, \frac{e^{-g^2/2}}{\sqrt{2\pi}}\, dg"
        r" = \frac1d",
    )
    d.equal(
        "Signs $\\pm 1/\\sqrt d$: the same, with",
        (sqrt(1 / d_) ** 2 + (-sqrt(1 / d_)) ** 2) / 2,
        1 / d_,
        latex=r"\mathbb{E}\, u_a^2 = \tfrac12 \tfrac1d + \tfrac12 \tfrac1d = \tfrac1d",
    )
    d.say(
        "Sphere, $u = g/\\|g\\|$: a change of one sign keeps the law, so $\\mathbb{E}\\,u_a u_b = "
        "0$; so does an exchange of entries, and the squares add up to 1.",
        r"\mathbb{E}\,u_a^2 = \frac1d \sum_b \mathbb{E}\,u_b^2 = \frac1d",
    )
    signs = np.array(list(product((-1, 1), repeat=4)))
    longer = signs * np.arange(1, 17)[:, None]
    for name, family, draws in (
        ("gaussian", am.gaussian, signs),
        ("sphere", am.sphere, longer),
        ("rademacher", am.rademacher, (signs + 1) // 2),
    ):
        rows = exact(family(16, 4, rng=Drawn(draws)))
        d.equal(
            f"The library's `{name}` is that map of its draws: fed with all 16 sign patterns at "
            "$d = 4$" + (", at different lengths" if name == "sphere" else "") + ",",
            rows.T @ rows / 16,
            np.eye(4, dtype=int) * Rational(1, 4),
            latex=r"\tfrac1{16} \sum_{i=1}^{16} u_i u_i^\top = \tfrac14 I_4",
        )
