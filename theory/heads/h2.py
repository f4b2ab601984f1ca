"""Derivation of H2: permuting the right answers is not a valid null: its variance is too small."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import sympy

from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """The variance of the statistic at one pairing is the inner product of two Gram matrices,
    whereas its mean over all pairings depends on their traces only. At the true pairing the two
    matrices are alike, and by the Cauchy-Schwarz inequality their inner product is larger.
    """
    n, width = 3, 2
    X, Y = (np.array(sympy.symbols(f"{name}_1:4_1:3")).reshape(n, width) for name in "xy")
    A = np.array(sympy.symbols("a_1:3_1:3")).reshape(width, width)
    J = np.eye(n, dtype=int) - sympy.Rational(1, n) * np.ones((n, n), dtype=int)
    G, H = (J @ Z @ Z.T @ J for Z in (X, Y))

    def score(order: tuple[int, ...]) -> Any:
        S = X @ A @ Y.T
        return sum(S[i, order[i]] - sum(S[i]) / n for i in range(n))

    def variance(order: tuple[int, ...]) -> Any:
        """Over uncorrelated entries of A with variance 1: the sum of squared coefficients."""
        return sum(sympy.diff(score(order), a) ** 2 for a in A.ravel())

    d.say(
        "The score of a pairing is linear in $A$, as the rows of $S$ are centred by centring the "
        "answers: with $P_\\pi$ the matrix that puts answer $\\pi(i)$ in place $i$,",
        r"D_\pi = \sum_i (S_{i\pi(i)} - \bar S_i) = \mathrm{tr}(A\, Y^\top J P_\pi^\top X) ,"
        r" \qquad \mathrm{Var}\, D_\pi = \sigma^2\, \|Y^\top J P_\pi^\top X\|_F^2"
        r" = \sigma^2 \sum_{ij} G_{ij} H_{\pi(i)\pi(j)} .",
    )
    for order in ((0, 1, 2), (2, 0, 1)):
        d.equal(
            f"Here $n = 3$, $d = 2$, all entries symbols, $\\pi = {order}$ (from 0):",
            sympy.expand(variance(order)),
            sympy.expand(sum(G[i, j] * H[order[i], order[j]] for i in range(n) for j in range(n))),
            latex=r"\mathrm{Var}\, D_\pi = \sigma^2 \sum_{ij} G_{ij} H_{\pi(i)\pi(j)}",
        )
    g, h = (np.array(sympy.symbols(f"{name}_1:4_1:4")).reshape(n, n) for name in "gh")
    centred_g, centred_h = J @ (g + g.T) @ J, J @ (h + h.T) @ J
    orders = list(permutations(range(n)))
    mean = sum(
        sum(centred_g[i, j] * centred_h[o[i], o[j]] for i in range(n) for j in range(n))
        for o in orders
    )
    d.equal(
        "Over all $n!$ pairings, entry $(i, i)$ of $H$ is met by its mean $\\mathrm{tr} H/n$ and "
        "an entry off the diagonal by $-\\mathrm{tr} H/(n(n-1))$, as the rows of $H$ sum to 0; and "
        "the entries of $G$ off the diagonal sum to $-\\mathrm{tr}\\, G$. Here all 6 of them, "
        "for any symmetric matrices:",
        sympy.expand(mean / len(orders)),
        sympy.expand(sum(np.diag(centred_g)) * sum(np.diag(centred_h)) / (n - 1)),
        latex=r"\frac1{n!} \sum_\pi \sum_{ij} G_{ij} H_{\pi(i)\pi(j)}"
        r" = \frac{\mathrm{tr}\,G\,\mathrm{tr}\,H}{n}"
        r" + \frac{\mathrm{tr}\,G\,\mathrm{tr}\,H}{n(n-1)}"
        r" = \frac{\mathrm{tr}\,G\,\mathrm{tr}\,H}{n-1} .",
    )
    eigenvalues = sympy.symbols("lambda_1:4", real=True)
    squares = [(a - b) ** 2 for i, a in enumerate(eigenvalues) for b in eigenvalues[:i]]
    d.equal(
        "For $H = cG$ the ratio is $(n-1)\\, \\|G\\|_F^2/(\\mathrm{tr}\\,G)^2$, and $G$ has at "
        "most $d$ eigenvalues that are not 0: Cauchy and Schwarz with the gap written out (here "
        "for three).",
        3 * sum(a**2 for a in eigenvalues) - sum(eigenvalues) ** 2,
        sum(squares),
        latex=r"d \sum_k \lambda_k^2 - \Big(\sum_k \lambda_k\Big)^2"
        r" = \sum_{k<l} (\lambda_k - \lambda_l)^2 \ge 0 \implies \rho \ge \frac{n-1}d .",
    )
