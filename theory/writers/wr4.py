"""Derivation of WR4: how many Zipf items one polar step recalls."""

from __future__ import annotations

import numpy as np
import sympy
from numpy.polynomial.legendre import leggauss
from scipy.stats import norm
from sympy import oo, pi, sqrt

from assocmem.capacity import polar_recall, polar_scores
from theory.algebra.calculus import rotation
from theory.derivation import Derivation

ROUNDING = 1e-9


def derive(d: Derivation) -> None:
    """The polar factor rotates a key without stretching it, so a wrong score is normal with
    variance $1/d$ whatever the weights. An item is recalled if its right score, known from WR3,
    exceeds the largest wrong one.
    """
    a, x, y = sympy.symbols("a x y", real=True)
    turned = rotation(a) @ np.array([x, y])
    d.equal(
        "With $n \\ge d$ pairs $M$ has rank $d$ almost surely, and its polar factor turns a key "
        "without stretching it (in the plane).",
        sympy.simplify(turned @ turned),
        x**2 + y**2,
        latex=r"\|Q u_i\| = \|u_i\|",
    )
    d.say(
        "A value $v$ independent of $Q$ and $u_i$ has independent $\\mathcal{N}(0, 1/d)$ "
        "coordinates in any basis, so its score is normal, exactly. All but a vanishing part of "
        "the values are nearly so: $Q$ depends on $d^2$ numbers, on a rare pair by $O(s_k)$.",
        r"v^\top Q u_i \sim \mathcal{N}\Big(0, \frac{\|u_i\|^2}d\Big)",
    )
    s, z, width, a, K, rank = sympy.symbols("s z d alpha K i", positive=True)
    d.equal(
        "The right score is the part of $Q u_i$ along $v_i$, of length $s_i$; what is left has the "
        "length $\\sqrt{1 - s_i^2}$, across $v_i$ and as normal.",
        sympy.simplify(s**2 + sqrt(1 - s**2) ** 2),
        1,
        latex=r"\sqrt d\, v_i^\top Q u_i \approx \sqrt d\, s_i + \sqrt{1 - s_i^2}\, \zeta",
    )
    signal = 4 / (pi * (a + 1)) * (width / (K * rank)) ** a
    edge = width / K * (4 * sqrt(width) / (pi * (a + 1) * z)) ** (1 / a)
    d.equal(
        "An item is recalled where $\\sqrt d\\, s_i$ exceeds the largest of $n - 1$ normals, about "
        "its median $z_n$. By the tail of WR3 that is up to the rank",
        sympy.simplify(sympy.powdenest(sqrt(width) * signal.subs(rank, edge), force=True)),
        z,
        latex=r"i^* = \frac dK \Big(\frac{4\sqrt d}{\pi(\alpha + 1)\, z_n}\Big)^{1/\alpha}",
    )
    d.equal(
        "Its exponent in $d$, at a fixed $z$, and that of gradient descent (C3):",
        [sympy.simplify(width * sympy.diff(sympy.log(edge), width)), 1 / (2 * a)],
        [1 + 1 / (2 * a), 1 / (2 * a)],
        latex=r"\frac{d \ln i^*}{d \ln d} = 1 + \frac1{2\alpha} \quad\text{against}\quad"
        r" \frac1{2\alpha}",
    )
    d.equal(
        "The logarithm of $n$ enters by $z_n \\sim \\sqrt{2 \\ln n}$ and does not change the "
        "exponent of the limit.",
        sympy.limit(sympy.log(sympy.log(width)) / sympy.log(width), width, oo),
        0,
        latex=r"\frac{\ln z_n}{\ln d} \to 0",
    )
    library(d)


def library(d: Derivation) -> None:
    """WR4: the library's probabilities of recall are this integral."""
    weights, width = np.arange(1, 61) ** -1.5, 16
    scores = polar_scores(weights, width)
    nodes, rule = leggauss(2000)
    zeta, density = 10 * nodes, 10 * rule * norm.pdf(10 * nodes)
    right = 4 * scores[:, None] + np.sqrt(1 - scores**2)[:, None] * zeta
    expected = norm.cdf(right) ** 59 @ density
    d.holds(
        "The library's probabilities of 60 items at $\\alpha = 3/2$, $d = 16$, against another "
        "rule for the integral:",
        bool(abs(polar_recall(weights, width) - expected).max() < ROUNDING),
        latex=r"\Pr(\text{recall of } i) \approx \mathbb{E}\, \Phi\big(\sqrt d\, s_i +"
        r" \sqrt{1 - s_i^2}\, \zeta\big)^{n-1}",
    )
    d.holds(
        "And they fall with the rank.",
        bool((np.diff(expected) < 0).all()),
        latex=r"i \mapsto \Pr(\text{recall of } i) \quad\text{decreasing}",
    )
