"""What the mean cosine and the largest eigenvalue of random vectors exceed with small probability.

Let the g_i be independent standard normal vectors in dimension d, r_i their lengths and x_i their
directions, which are uniform on the sphere and independent of the lengths. With ρ = E r_i, Jensen's
inequality over the lengths alone says for every convex f

    E f(ρ x_1, ..., ρ x_n) <= E f(r_1 x_1, ..., r_n x_n) = E f(g_1, ..., g_n) ,

so bounds by exponential moments of convex functions pass from normal vectors to the sphere. Signs
ε = ±1 are below normal entries in all moments of products, since 0 <= E ε^k <= E g^k.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np


def mean_cosine_bound(n: int, d: int, delta: float, family: str) -> float:
    """Return what the mean cosine of n random vectors exceeds with probability <= delta.

    The sum S of the unit vectors has |S|² = n + n(n - 1) · (mean cosine). For S a sum of n normal
    vectors |S|²/n is χ² with d degrees of freedom, and P(χ² >= y) <= (y/d)^(d/2) exp((d - y)/2) for
    y >= d (Chernoff), from E exp(θ|S|²), which the family's own does not exceed: it is convex on
    the sphere, and for signs E exp(θ s²) = E exp(√(2θ) z s) <= E exp(θ n z²) in each coordinate, z
    standard normal.

    >>> print(f"{mean_cosine_bound(400, 256, 1e-9, 'sphere'):.5f}")  # 1/16 for a single pair
    0.00172
    """
    from scipy.optimize import brentq

    # ln of the bound at y = d (1 + x), minus ln delta
    wanted = -2 * log(delta) / d
    x = brentq(lambda x: x - np.log1p(x) - wanted, 0, 2 * wanted + 4)
    return float((d * (1 + x) / _square_length(d, family) - 1) / (n - 1))


def eigenvalue_bound(n: int, d: int, delta: float, family: str) -> float:
    """Return what the largest eigenvalue of their Gram matrix exceeds with probability <= delta.

    It is the square of the largest singular value s of the matrix of the vectors. For normal
    entries E s <= a = √n + √d, and E exp(θ s) <= exp(θ a + θ²/2), s being convex and 1-Lipschitz:
    P(s >= a + t) <= exp(-t²/2), on the sphere too. For signs, with m = min(n, d),

        P(s >= u) <= E tr (ε εᵀ)^p / u^2p <= m E s_g^2p / u^2p ,

    and (E s_g^q)^(1/q) <= a + (2^(q/2) Γ(q/2 + 1))^(1/q) by the tail of s_g; the best p is taken.

    >>> print(f"{eigenvalue_bound(400, 256, 1e-9, 'sphere'):.2f}")  # (1 + √(n/d))² = 5.06 or so
    7.05
    >>> print(f"{eigenvalue_bound(400, 256, 1e-9, 'rademacher'):.2f}")
    10.07
    """
    a = sqrt(n) + sqrt(d)
    if family != "rademacher":
        return float((a + sqrt(-2 * log(delta))) ** 2 / _square_length(d, family))
    from scipy.special import gammaln

    q = 2 * np.unique(np.geomspace(1, 2**20, 2000).astype(int))
    of_tail = np.exp((q / 2 * log(2) + gammaln(q / 2 + 1)) / q)
    levels = (a + of_tail) * np.exp(log(min(n, d) / delta) / q)
    return float(levels.min() ** 2 / d)


def _square_length(d: int, family: str) -> float:
    """Return ρ², the square of the mean length of a normal vector; for signs the length is √d."""
    if family == "rademacher":
        return float(d)
    from scipy.special import gammaln

    return 2 * exp(2 * float(gammaln((d + 1) / 2) - gammaln(d / 2)))
