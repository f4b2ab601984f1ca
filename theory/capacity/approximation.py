"""The Gaussian approximation of recall, as an integral."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def win(mean: float, variance: float, rivals: Mapping[float, float]) -> float:
    """P(a normal exceeds independent centred normals), by quadrature to 10⁻¹³.

    ``rivals`` tells how many there are of each variance.
    """
    from scipy.integrate import quad
    from scipy.special import ndtr

    def integrand(t: float) -> float:
        score = mean + np.sqrt(variance) * t
        below = [ndtr(score / np.sqrt(v)) ** count for v, count in rivals.items()]
        return np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi) * np.prod(below)

    value, error = quad(integrand, -12, 12, epsabs=1e-14, epsrel=1e-13, limit=200)
    if error > 1e-13:
        raise ArithmeticError(f"quadrature to {error}")
    return value
