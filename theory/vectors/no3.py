"""Derivation of NO3: More than d vectors have at least the coherence of Welch's bound, however
chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import sqrt

import assocmem as am
from theory.algebra.moments import agrees, d_, exact
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """The Gram matrix of $n$ unit vectors has trace $n$ and rank at most $d$, so its eigenvalues
    cannot all be small. The Cauchy-Schwarz inequality turns this into a bound on what stands off
    its diagonal.
    """
    eigenvalues = sympy.symbols("lambda_1:5", real=True)
    squares = [(a - b) ** 2 for i, a in enumerate(eigenvalues) for b in eigenvalues[:i]]
    d.say(
        "Normalise the vectors. Their Gram matrix $G$ has trace $n$ and rank at most $d$, so at "
        "most $d$ eigenvalues $\\lambda_1, \\dots, \\lambda_d$ are not 0.",
        r"\sum_i \lambda_i = \mathrm{tr}\, G = n, \qquad"
        r" \sum_i \lambda_i^2 = \mathrm{tr}\, G^2 = n + \sum_{i \ne j} \cos^2(u_i, u_j)",
    )
    d.equal(
        "Cauchy and Schwarz, with the gap written out (here for four eigenvalues):",
        4 * sum(a**2 for a in eigenvalues) - sum(eigenvalues) ** 2,
        sum(squares),
        latex=r"d \sum_i \lambda_i^2 - \Big(\sum_i \lambda_i\Big)^2"
        r" = \sum_{i<j} (\lambda_i - \lambda_j)^2 \ge 0",
    )
    n = sympy.Symbol("n", positive=True)
    smallest = (n - d_) / (d_ * (n - 1))
    d.equal(
        "Each of the $n(n-1)$ cosines is at most $c$ in size, so $n^2 \\le d\\,(n + n(n-1)c^2)$. "
        "Equality is at",
        d_ * (n + n * (n - 1) * smallest),
        n**2,
        latex=r"d\,\big(n + n(n-1)\,c^2\big) = n^2 \iff c^2 = \frac{n - d}{d(n-1)} .",
    )
    for size, width in ((3, 2), (6, 3), (28, 7), (4096, 512)):
        agrees(
            d,
            f"The library's `welch_bound` at $n = {size}$, $d = {width}$:",
            am.welch_bound(size, width),
            sqrt(smallest.subs({n: size, d_: width})),
            rf"c = \sqrt{{{sympy.latex(smallest.subs({n: size, d_: width}))}}}",
        )
    attained(d, smallest, n)
    d.equal(
        "For $n \\le d$ the bound is 0, and orthonormal vectors attain it.",
        [exact(am.welch_bound(size, 4))[()] for size in (1, 2, 4)],
        [0, 0, 0],
        latex=r"c = 0, \qquad n \le d",
    )


def attained(d: Derivation, smallest: Any, n: Any) -> None:
    """NO3: three equiangular tight frames."""
    share = 1 / n  # the corners e_i - 1/n of a simplex: inner product -1/n, square norm 1 - 1/n
    d.equal(
        "The $n = d + 1$ corners $e_i - \\tfrac1n \\mathbf{1}$ of a simplex attain it,",
        ((-share / (1 - share)) ** 2).subs(n, d_ + 1),
        smallest.subs(n, d_ + 1),
        latex=r"\Big(\frac{-1/n}{1 - 1/n}\Big)^2 = \frac1{d^2}",
    )
    golden = (1 + sqrt(5)) / 2
    diagonals = [np.roll([0, 1, s * golden], shift) for s in (1, -1) for shift in range(3)]
    corners = np.eye(8, dtype=int)
    lines = [4 * (corners[i] + corners[j]) - 1 for i in range(8) for j in range(i)]
    for name, vectors, width in (
        ("the six diagonals of the icosahedron", diagonals, 3),
        ("the 28 arrangements of $(3, 3, -1, \\dots, -1)$, orthogonal to $\\mathbf{1}$", lines, 7),
    ):
        gram = np.array(vectors, dtype=object) @ np.array(vectors, dtype=object).T
        off = ~np.eye(len(vectors), dtype=bool)
        cosines = {
            sympy.radsimp(sympy.expand(g**2) / sympy.expand(gram[0, 0] ** 2)) for g in gram[off]
        }
        value = smallest.subs({n: len(vectors), d_: width})
        d.equal(
            f"and so do {name}: all squared cosines are",
            sorted(cosines),
            [value],
            latex=rf"\cos^2(u_i, u_j) = {sympy.latex(value)}, \qquad n = {len(vectors)},"
            rf" \; d = {width}",
        )
