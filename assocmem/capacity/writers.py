"""What one step of an optimiser from zero writes: laws of the signal over items that are not alike.

Of items i with frequencies p_i, keys u_i and values v_i, gradient descent writes the memory

    M = Σ p_i v_i u_iᵀ

(up to the mean of the values), sign descent sign(M), and Muon the polar factor of M. The right
score of item i is v_iᵀ W u_i.
"""

from __future__ import annotations

from math import pi
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import Array, checked_option, checked_reals, checked_size

_MOST_ENUMERATED = 20  # items: a million patterns of signs
_NODES = 400  # of a Gauss-Legendre rule on an analytic integrand


def polar_scores(weights: ArrayLike, d: int) -> Array:
    r"""Mean right scores of the polar factor of :math:`\sum p_i v_i u_i^\top`, as d → ∞.

    Keys and values are independent with N(0, 1/d) entries. The score is

    .. math::
        s_i = \frac{2}{\pi} \int_0^\infty \frac{\varphi(p_i g(t))}{p_i} dt, \qquad
        t g + \frac{1}{d} \sum_j \varphi(p_j g) = 1

    with :math:`\varphi(x) = x^2/(1 + x^2)`, and the error is of order 1/d. Weights may have any
    sum, on which the factor does not depend. For n ≫ d equal weights the score is :math:`(8/(3\pi))
    \sqrt{d/n}`; for weights :math:`i^{-\alpha}`, at ranks i ≫ d, it is :math:`4/(\pi(\alpha + 1))
    \cdot (d/(K i))^\alpha` with :math:`K = (\pi/(2\alpha)) / \sin(\pi/(2\alpha))`. Over orthonormal
    keys and values, n ≤ d, it is 1 whatever the weights (claim WR1).

    Parameters
    ----------
    weights : array_like, shape (n,)
        The weights p_i of the items, positive, of any sum.
    d : int
        The width of keys and values.

    Returns
    -------
    array, shape (n,)
        Where 1 is the score over orthonormal keys and values.

    Raises
    ------
    TypeError, ValueError
        For weights that are not positive numbers, and d < 1.

    References
    ----------
    Claim WR3.

    Examples
    --------
    >>> float(polar_scores(np.ones(40), 100)[0].round(12))  # n ≤ d equal weights: 1 − n/(4d)
    0.9
    >>> zipf = np.arange(1, 1001) ** -1.5
    >>> polar_scores(zipf, 64)[[0, 9, 99]].round(3)  # gradient descent: 1, 0.032, 0.001
    array([0.994, 0.882, 0.192])
    """
    d, p = checked_size("d", d), _positive(weights)
    own, index, counts = np.unique(p / p.max(), return_inverse=True, return_counts=True)

    def shares(g: float) -> Array:
        return (own * g) ** 2 / (1 + (own * g) ** 2)

    low, high = -12.0, float(np.log(1e17 / own.min()))  # of ln g: below it g = 1/t to rounding
    start = low
    while (middle := (low + high) / 2) not in (low, high):  # up to where t = 0, if that is anywhere
        inside = shares(np.exp(middle)) @ counts < d
        low, high = (middle, high) if inside else (low, middle)
    nodes, rule = np.polynomial.legendre.leggauss(_NODES)
    scores = own**2 * np.exp(start)
    for g, size in zip(
        np.exp(start + (low - start) * (nodes + 1) / 2), rule * (low - start) / 2, strict=True
    ):
        part = shares(g)
        filled, slope = part @ counts / d, 2 * part * (1 - part) @ counts / d
        scores += size * (1 - filled + slope) / g * part  # -dt along ln g
    scores /= own
    return np.asarray(2 / pi * scores[index])


def polar_recall(weights: ArrayLike, d: int) -> Array:
    r"""Approximate probability that polar factors of :math:`\sum p_i v_i u_i^\top` recall item i.

    The right score is taken as :math:`N(s_i, (1 - s_i^2)/d)`, with :math:`s_i` of `polar_scores`,
    and the n − 1 others as independent N(0, 1/d): the factor turns the key without stretching it, n
    ≥ d.

    Parameters
    ----------
    weights, d
        As in `polar_scores`.

    Returns
    -------
    array, shape (n,)
        One probability an item; their sum is the number of items recalled.

    Raises
    ------
    TypeError, ValueError
        As `polar_scores`.

    References
    ----------
    Claim WR4.

    Examples
    --------
    >>> zipf = np.arange(1, 1280) ** -1.5
    >>> print(f"{polar_recall(zipf, 64).sum():.1f}")  # items recalled; gradient descent: 7.3
    58.7
    """
    from scipy.special import log_ndtr

    scores = polar_scores(weights, d)
    step = 1 / 16  # the trapezoidal rule on an analytic integrand: the error is below rounding
    normal = np.arange(-9, 9 + step, step)
    density = step * np.exp(-(normal**2) / 2) / np.sqrt(2 * pi)
    spread = np.sqrt(np.clip(1 - scores**2, 0, None))
    right = np.sqrt(float(d)) * scores[:, None] + spread[:, None] * normal
    return np.asarray(np.exp((len(scores) - 1) * log_ndtr(right)) @ density)


def sign_scores(
    weights: ArrayLike, d: int, *, family: Literal["gaussian", "rademacher"] = "gaussian"
) -> Array:
    r"""Mean right scores of the entrywise sign of :math:`\sum p_i v_i u_i^\top`, exactly.

    Keys and values are independent, of any width, with entries N(0, 1/d), or ±1/√d ("rademacher",
    at most 20 items). The score of item i is, for "gaussian" and for "rademacher",

    .. math::
        \frac{2d}{\pi} \int_0^\infty \frac{p_i}{1 + s^2 p_i^2} \prod_j (1 + s^2 p_j^2)^{-1/2} ds
        \qquad\text{and}\qquad d \beta_i, \quad
        \beta_i = E\, \varepsilon_i\, \mathrm{sign}\Big(\sum_j p_j \varepsilon_j\Big)

    with independent signs ε: the Banzhaf index of voter i in a vote with the weights p. There a
    score is p-dependent only through β: mean :math:`d \beta_i` and variance :math:`1 - \beta_i^2`
    if right, mean 0 and variance :math:`1 + (d-1)(\beta_i^2 + \beta_k^2)` for a wrong value k.

    Parameters
    ----------
    weights : array_like, shape (n,)
        The weights p_i of the items, positive.
    d : int
        The width of keys and values.
    family : {"gaussian", "rademacher"}
        The law of keys and values; at most 20 items with "rademacher".

    Returns
    -------
    array, shape (n,)
        One score an item, at most d.

    Raises
    ------
    TypeError, ValueError
        For weights that are not positive numbers, d < 1, an unknown family, or more than 20 items
        with "rademacher".

    References
    ----------
    Claim WR2.

    Examples
    --------
    >>> sign_scores([1, 1], 10)
    array([5., 5.])
    >>> sign_scores([3, 1, 1], 10, family="rademacher")  # 3 > 1 + 1: a dictator
    array([10.,  0.,  0.])
    """
    d, p = checked_size("d", d), _positive(weights)
    checked_option("family", family, ("gaussian", "rademacher"))
    if family == "rademacher":
        return d * _power_index(p)
    own, index, counts = np.unique(p / p.max(), return_inverse=True, return_counts=True)
    # the integrand in ln s: analytic, and below rounding outside these ends
    step = 1 / 32
    s = np.exp(np.arange(-40, 41 - np.log(own.min()), step))
    squares = 1 + (s[:, None] * own) ** 2
    product = np.exp(-np.log(squares) @ counts / 2)
    integral = step * (s * product) @ (own / squares)
    return np.asarray(d * 2 / pi * integral[index])


def _power_index(p: Array) -> Array:
    """E ε_i sign(Σ_j p_j ε_j) over all signs; a tie counts 0."""
    n = len(p)
    if n > _MOST_ENUMERATED:
        raise ValueError(
            f"weights: expected at most {_MOST_ENUMERATED} items with signs, whose patterns are "
            f"enumerated; got {n}. Take family='gaussian'."
        )
    half = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1  # and their opposites alike
    signs = 1.0 - 2 * half
    index: Array = np.sign(signs @ p) @ signs / len(signs)
    return index


def _positive(weights: ArrayLike) -> Array:
    p = checked_reals("weights", weights).astype(float)
    if p.ndim != 1 or not len(p) or not (p > 0).all():
        raise ValueError(
            f"weights: expected positive numbers, one for each item; got shape {p.shape} or an "
            f"entry that is not positive. Leave out what is never seen."
        )
    return p
