"""The overlap of two random vectors, and how the largest of all overlaps is spread.

The overlap of two vectors is the cosine of their angle. Each function takes a family by its name,
costs the same at any number n of vectors and any dimension d, and draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb, exp, factorial, floor, isqrt, log, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assocmem._checks import (
    checked_array,
    checked_flag,
    checked_number,
    checked_probability,
    checked_size,
)
from assocmem.vectors.families import coherence_bound, family_named, require_dimensions


def overlap_law(d: int, *, family: str = "sphere") -> Any:
    r"""Exact law of the overlap of two different random vectors of a family in dimension d.

    Parameters
    ----------
    d : int
        The dimension.
    family : {"sphere", "gaussian", "rademacher", "orthonormal"}
        The law of the vectors.

    Returns
    -------
    frozen law of SciPy
        "sphere", "gaussian": :math:`\mathrm{Beta}((d-1)/2, (d-1)/2)` stretched to [−1, 1], so that
        :math:`\cos^2 \sim \mathrm{Beta}(1/2, (d-1)/2)`. "rademacher": :math:`(2S - d)/d` with
        :math:`S \sim \mathrm{Bin}(d, 1/2)`, an object with the methods cdf, sf, pmf, ppf, mean,
        var, std and moment. "orthonormal": 0 always.

    Raises
    ------
    TypeError, ValueError
        For d < 1 and an unknown family.

    References
    ----------
    [M1982], section 1.5.

    Examples
    --------
    >>> law = overlap_law(100)
    >>> float(law.std())
    0.1
    >>> round(2 * float(law.sf(0.3)), 4)  # P(|cos| > 0.3)
    0.0023
    """
    from scipy import stats

    d = checked_size("d", d)
    family_named(family)
    if family == "orthonormal":
        return stats.rv_discrete(values=([0.0], [1.0]))()
    if family == "rademacher" or d == 1:
        return SignOverlap(d)
    return stats.beta((d - 1) / 2, (d - 1) / 2, loc=-1, scale=2)


@dataclass(frozen=True)
class SignOverlap:
    """The law of (2S - d)/d, S ~ Bin(d, 1/2) equal signs (SciPy's discrete laws are on integers).

    >>> law = SignOverlap(2)
    >>> law.pmf([-1, 0, 0.5, 1]).round(12).tolist()
    [0.25, 0.5, 0.0, 0.25]
    """

    d: int

    def cdf(self, x: ArrayLike) -> Any:
        """P(overlap <= x)."""
        return self._equal_signs.cdf(self._count(x))

    def sf(self, x: ArrayLike) -> Any:
        """P(overlap > x), precise far into the tail."""
        return self._equal_signs.sf(self._count(x))

    def pmf(self, x: ArrayLike) -> Any:
        """P(overlap = x)."""
        count = self._count(x)
        off = np.abs((2 * count - self.d) / self.d - checked_array("x", x))
        return np.where(off <= 8 * np.finfo(float).eps, self._equal_signs.pmf(count), 0.0)

    def ppf(self, q: ArrayLike) -> Any:
        """The smallest x with cdf(x) >= q."""
        return (2 * self._equal_signs.ppf(q) - self.d) / self.d

    def mean(self) -> float:
        """0."""
        return 0.0

    def var(self) -> float:
        """1/d."""
        return 1 / self.d

    def std(self) -> float:
        """1/sqrt(d)."""
        return float(np.sqrt(self.var()))

    def moment(self, order: int) -> float:
        """E overlap^order."""
        return float(overlap_moment(order, self.d, family="rademacher"))

    @property
    def _equal_signs(self) -> Any:
        from scipy import stats

        return stats.binom(self.d, 0.5)

    def _count(self, x: ArrayLike) -> NDArray[Any]:
        """The largest number of equal signs with overlap <= x; x may be off by rounding."""
        count = (self.d + self.d * checked_array("x", x).astype(float)) / 2
        return np.floor(count + 4 * np.finfo(float).eps * self.d)


def overlap_moment(
    order: int, d: int, *, family: str = "sphere", normalised: bool = True
) -> Fraction:
    r"""Exact moment :math:`E \langle u, v \rangle^k` of two different random vectors of a family.

    Parameters
    ----------
    order : int
        The order of the moment, up to 500. Odd moments vanish.
    d : int
        The dimension, of any size: the cost is O(order²).
    family : {"sphere", "gaussian", "rademacher", "orthonormal"}
        The law of the vectors.
    normalised : bool
        Whether cosines are meant; if not, inner products, which differ for "gaussian".

    Returns
    -------
    Fraction
        For "sphere", and the cosines of "gaussian", the product of :math:`(2i+1)/(d+2i)` over i <
        k/2, k the order; for "gaussian" inner products, that of :math:`(2i+1)(d+2i)/d^2`; for
        "rademacher", the even derivatives of :math:`\cosh^d` at 0, over :math:`d^k`; for
        "orthonormal", 0.

    Raises
    ------
    TypeError, ValueError
        For order or d < 1, an order above 500 and an unknown family.

    Examples
    --------
    >>> [str(overlap_moment(k, 10)) for k in (1, 2, 4)]
    ['0', '1/10', '1/40']
    >>> str(overlap_moment(4, 10, family="rademacher"))  # 3/d^2 - 2/d^3
    '7/250'
    """
    order, d = checked_size("order", order), checked_size("d", d)
    family_named(family)
    normalised = checked_flag("normalised", normalised)
    if order > 500:
        raise ValueError(f"order: expected at most 500; got {order}. Fractions swell beyond.")
    if order % 2 or family == "orthonormal":
        return Fraction(0)
    k = order // 2
    if family == "rademacher":
        return factorial(order) * _cosh_power(d, k) / Fraction(d) ** order
    if family == "gaussian" and not normalised:
        return prod(
            (Fraction((2 * i + 1) * (d + 2 * i), d**2) for i in range(k)), start=Fraction(1)
        )
    return prod((Fraction(2 * i + 1, d + 2 * i) for i in range(k)), start=Fraction(1))


def _cosh_power(d: int, k: int) -> Fraction:
    """The coefficient of x^2k in cosh(x)^d.

    f = cosh^d solves cosh f' = d sinh f, which gives each coefficient from those before it.
    """
    found = [Fraction(1)]
    for m in range(1, k + 1):
        terms = (
            Fraction((d + 1) * i - m, factorial(2 * i)) * found[m - i] for i in range(1, m + 1)
        )
        found.append(sum(terms, Fraction(0)) / m)
    return found[k]


def coherence_quantile(q: float, n: int, d: int, *, family: str = "sphere") -> float:
    """Approximate q-quantile of the coherence of n random vectors.

    The number of pairs beyond t is nearly Poisson with mean s = p n(n−1)/2, where p is the
    probability that |cos| exceeds t, so that the coherence is at most t with probability exp(−s),
    up to (s − 1 + exp(−s)) (8n − 14)/(n(n−1)) at any d: below 1.6/n at the median. `coherence_band`
    holds without approximation.

    Parameters
    ----------
    q : float
        The probability that the coherence stays within the quantile, in (0, 1).
    n, d : int
        How many vectors, and their dimension.
    family : {"sphere", "gaussian", "rademacher", "orthonormal"}
        The law of the vectors.

    Returns
    -------
    float
        For "rademacher" the smallest t of the lattice with exp(−s) >= q; for "orthonormal" 0.

    Raises
    ------
    TypeError, ValueError
        As `coherence_bound`, and for q outside (0, 1).

    References
    ----------
    Claim NO6, by the method of [AGG1989].

    Examples
    --------
    >>> round(coherence_quantile(0.5, 1000, 256), 3)  # the median
    0.296
    """
    q, n, d = checked_probability("q", q), checked_size("n", n), checked_size("d", d)
    family_named(family)
    if _without_spread(n, d, family):
        return 0.0
    return _exceeded_with(-log(q) / comb(n, 2), d, family)


def coherence_band(
    n: int, d: int, *, delta: float = 0.05, family: str = "sphere"
) -> tuple[float, float]:
    """Band that holds the coherence of n random vectors with probability at least 1 − δ.

    Parameters
    ----------
    n, d : int
        How many vectors, and their dimension.
    delta : float
        The probability δ that the coherence is outside, at most: half of it on either side.
    family : {"sphere", "gaussian", "rademacher", "orthonormal"}
        The law of the vectors; cosines for "gaussian".

    Returns
    -------
    low : float
        The lower end; 0 for "orthonormal".
    high : float
        The sharp `coherence_bound`; 0 for "orthonormal".

    Raises
    ------
    TypeError, ValueError
        As `coherence_bound`.

    Notes
    -----
    The lower end: overlaps of different pairs are independent two at a time, so that the number of
    pairs beyond t has variance m p(1 − p), with m = n(n−1)/2 and p the tail of |cos| at t. It is 0
    with probability at most :math:`(1-p) / (1 + (m-1) p)`, by Cantelli's inequality.

    References
    ----------
    Claims NO2 and NO5.

    Examples
    --------
    >>> low, high = coherence_band(1000, 256)
    >>> round(low, 3), round(high, 3)
    (0.244, 0.332)
    """
    n, d = checked_size("n", n), checked_size("d", d)
    family_named(family)
    half = checked_probability("delta", delta) / 2
    if _without_spread(n, d, family):
        return 0.0, 0.0
    low = _exceeded_with((1 - half) / (1 + half * (comb(n, 2) - 1)), d, family)
    return low, coherence_bound(n, d, delta=half, family=family, sharp=True)


def how_many_fit(
    d: int, coherence: float, *, delta: float = 1e-6, family: str = "sphere", sharp: bool = False
) -> int:
    r"""Largest number of random vectors whose coherence is bounded by a given one.

    That many independent vectors stay within ``coherence`` with probability at least 1 − δ: it is
    the largest n with :math:`p\, n(n-1)/2 \le \delta`, where p is the tail of |cos|. No n > d
    vectors, however chosen, stay below `welch_bound`.

    Parameters
    ----------
    d : int
        The dimension.
    coherence : float
        The level, in [0, 1).
    delta : float
        The probability δ that the coherence exceeds the level, at most.
    family : {"sphere", "gaussian", "rademacher", "orthonormal"}
        The law of the vectors; cosines for "gaussian".
    sharp : bool
        Whether p is the exact tail of |cos|, instead of its bound :math:`2 \exp(-d c^2 / 2)` at the
        level c.

    Returns
    -------
    int
        At least 1; d for "orthonormal".

    Raises
    ------
    TypeError, ValueError
        For d < 1, δ outside (0, 1), an unknown family, and a coherence outside [0, 1) or so large
        that more than about 10^150 vectors fit.

    Examples
    --------
    >>> how_many_fit(1000, 0.2), how_many_fit(1000, 0.2, sharp=True)
    (22, 108)
    >>> how_many_fit(1000, 0.3, sharp=True)  # exponentially many in d coherence^2
    83100624
    """
    d, delta = checked_size("d", d), checked_probability("delta", delta)
    family_named(family)
    sharp = checked_flag("sharp", sharp)
    coherence = checked_number(
        "coherence",
        coherence,
        "a number in [0, 1)",
        lambda level: 0 <= level < 1,
        "Take a smaller one: any number of vectors fits within 1.",
    )
    if family == "orthonormal":
        return d
    p = _pair_tail(coherence, d, family) if sharp else 2 * exp(-d * coherence**2 / 2)
    if p < 1e-300:
        raise ValueError(
            f"coherence: expected one that fewer than 10^150 vectors stay within; got "
            f"{coherence!r} in dimension {d}. Take a smaller one."
        )
    most = floor(2 * Fraction(delta) / Fraction(p))  # of n(n-1); in integers from here on
    return (1 + isqrt(1 + 4 * most)) // 2


def _without_spread(n: int, d: int, family: str) -> bool:
    """Whether the coherence is 0 whatever is drawn."""
    if family == "orthonormal":
        require_dimensions(n, d)
    return n == 1 or family == "orthonormal"


def _pair_tail(t: float, d: int, family: str) -> float:
    """P(|cos| > t), precise far into the tail."""
    from scipy import special

    if family == "rademacher" or d == 1:
        return min(1.0, 2 * float(SignOverlap(d).sf(t)))
    return float(special.betaincc(0.5, (d - 1) / 2, t**2))


def _exceeded_with(p: float, d: int, family: str) -> float:
    """The smallest t >= 0 with P(|cos| > t) <= p: the sharp bound for a single pair."""
    return coherence_bound(2, d, delta=p, family=family, sharp=True) if p < 1 else 0.0
