"""Laws of a d x d matrix that stores outer products: recall, and capacity.

Keys and values are random and independent, rows of mean square norm 1. A map has n keys and one
value for each: one to one (a value per key) or many to one (n / m keys for each of m values).
"""

from __future__ import annotations

from bisect import bisect_left
from math import exp, inf, log, pi, sqrt
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import (
    MOST_DRAWS,
    Array,
    Seed,
    at_least,
    checked_number,
    checked_option,
    checked_probability,
    checked_reals,
    checked_size,
    generator,
)
from assocmem._statistics import Rate, margins

LinearRule = Literal["outer products", "gradient step", "pseudo-inverse"]

_ENTRIES = 2**22  # of the arrays that `sampled_recall` holds at a time, if a draw needs no more
_MOST = 2**26  # entries of an array, half a gigabyte
_STEP = 1 / 8  # the trapezoidal rule on an analytic integrand: the error is below rounding
_SURE = 9  # Φ(9) is 1 to rounding


# --- Recall of Gaussian keys and values, and capacity


def recall_probability(
    n: float,
    d: int,
    *,
    classes: int | None = None,
    weights: ArrayLike | None = None,
    item: int = 0,
) -> float:
    r"""Probability that outer products recall a key, with its scores taken as independent normals.

    One to one with weights w, or many to one with n / `classes` keys for each value. Keys and
    values are Gaussian, and a tie is an error.

    Parameters
    ----------
    n : float
        How many pairs; without weights any real number of at least 2, 10¹² as well, as the time
        grows with the number of different weights only.
    d : int
        The width.
    classes : int, optional
        How many values, in a map that is many to one.
    weights : array_like, shape (n,), optional
        Positive weights of the pairs one to one; all 1 when left out.
    item : int
        The pair that is asked for, where weights differ.

    Returns
    -------
    float
        Between 0 and 1, for the pair that is asked.

    Raises
    ------
    ValueError
        For n < 2 or n < classes, weights that are not n positive numbers, weights together with
        classes, an item out of range.
    TypeError
        For a width that is not an integer.

    Notes
    -----
    Divided by the factor :math:`\|u_i\| \|V^\top f\|` that all scores of a key share (claim C2),
    the right score of item i has the mean :math:`w_i (1 - 1/(2d))` and the variance
    :math:`(S + (d-1) w_i^2) / d^2`, :math:`S = \sum w^2`; the wrong score of value k has the mean 0
    and the variance :math:`(S + (d-1)(w_i^2 + w_k^2)) / d^2`. With these moments instead of those
    of the scores themselves, the error is ten times smaller: against the exact law it is at most
    1/(2d) for equal weights and d >= 8 (measured, claim C7). For weights 1/i at d = 64 it is up to
    0.09 for 200 items and 0.17 for 10 000; at d = 1024 it is below 0.01 for 1000. If that matters,
    use `sampled_recall`.

    Examples
    --------
    >>> print(f"{recall_probability(1000, 128):.3f} {recall_probability(2000, 128):.3f}")
    0.641 0.233
    >>> print(f"{recall_probability(1000, 128, classes=10):.3f}")    # 100 keys for each value
    0.368
    """
    d = checked_size("d", d)
    overlaps = _overlaps(n, classes, weights, item)
    mean, right, wrong = _moments(*overlaps, d)
    normal = np.arange(-9, 9 + _STEP, _STEP)
    density = _STEP * np.exp(-(normal**2) / 2) / sqrt(2 * pi)
    log_win = [_log_win(score, wrong, overlaps[-1]) for score in mean + sqrt(right) * normal]
    return min(1.0, float(density @ np.exp(log_win)))  # rounding may exceed 1


def _moments(
    weight: float, own: float, rivals: Array, counts: Array, d: int
) -> tuple[float, float, Array]:
    """Mean and variance of the right score, variances of the wrong ones, over ‖u_i‖‖Vᵀf‖."""
    others = float(counts @ rivals)
    right = (d * (weight**2 + own) + others) / d**2
    wrong = (d * (weight**2 + rivals) + own + others - rivals) / d**2
    return weight * (1 - 1 / (2 * d)), right, wrong


def _log_win(score: float, variances: Array, counts: Array) -> float:
    """Log probability that independent normals of mean 0 all stay below a score."""
    from scipy.special import log_ndtr

    return float(counts @ log_ndtr(score / np.sqrt(variances)))


def capacity(d: int, *, classes: int | None = None, recall: float = 0.5) -> float:
    r"""Number of pairs of which a memory of outer products recalls the given fraction.

    It is the n at which `recall_probability` is `recall`. To leading order, with z the median of
    the largest of m − 1 standard normals, it is :math:`(d^2/z^2 - d) / (1 + (d-1)/m)` for recall
    1/2: :math:`d^2/z^2` when the m classes are many against d, :math:`m d/z^2` when they are few.
    As m grows, :math:`z^2` tends to :math:`2 \ln m`, but slowly: it is 1.7 for 8 classes (2 ln m =
    4.2) and 10.2 for 1000 (13.8).

    Parameters
    ----------
    d : int
        The width.
    classes : int, optional
        How many values; a value for each key when left out.
    recall : float
        The fraction of the keys that is recalled.

    Returns
    -------
    float
        A real number of pairs.

    Raises
    ------
    ValueError
        For fewer than 2 classes, a recall that is not between chance and 1, or one that is not
        reached at the smallest map (one key per class).

    References
    ----------
    Claim C2.

    Examples
    --------
    >>> round(capacity(128)), round(capacity(128, classes=64)), round(capacity(128, classes=4))
    (1241, 961, 705)
    """
    from scipy.optimize import brentq

    fewest = 2 if classes is None else checked_size("classes", classes)
    if fewest < 2:
        raise ValueError("classes: expected at least 2; got 1. One class has no rival.")
    chance = 0.0 if classes is None else 1 / fewest
    recall = checked_number(
        "recall",
        recall,
        f"a fraction above {chance:g}, what guessing reaches, and below 1",
        lambda fraction: chance < fraction < 1,
    )

    def excess(log_n: float) -> float:
        return recall_probability(max(exp(log_n), fewest), d, classes=classes) - recall

    low = log(fewest)
    if excess(low) <= 0:
        raise ValueError(
            f"recall: expected one that {fewest} pairs reach at d = {d}; got {recall!r}. Widen the "
            f"matrix, or ask for fewer classes."
        )
    high = low + 1
    while excess(high) > 0:
        high += 1
    return exp(brentq(excess, low, high))


def zipf_recall(x: ArrayLike, exponent: float) -> Array:
    r"""Probability that the item of rank :math:`x d^{1/(2\alpha)}` is recalled, under Zipf weights.

    It is recalled by :math:`W = \sum_i i^{-\alpha} v_i u_i^\top` with the probability
    :math:`\prod_k \Phi((k/x)^\alpha)` in the limit d → ∞. The rivals are the few heavy items, not
    the crowd of light ones, so there is no logarithm.

    Parameters
    ----------
    x : array_like
        Positive ranks, in units of :math:`d^{1/(2\alpha)}`.
    exponent : float
        The exponent α, more than 1/2.

    Returns
    -------
    array
        Of the shape of x.

    Raises
    ------
    ValueError
        For an exponent of 1/2 or less, and x that is not positive.

    References
    ----------
    Claim C3.

    Examples
    --------
    >>> zipf_recall([0.5, 1, 2], 1).round(3)
    array([0.977, 0.821, 0.526])
    """
    exponent = checked_number(
        "exponent",
        exponent,
        "more than 1/2, where the squares of the weights have a sum",
        lambda exponent: 0.5 < exponent < inf,
        "Below it recall depends on the number of items.",
    )
    places = checked_reals("x", x).astype(float)
    if not np.all(places > 0):
        raise ValueError("x: expected positive numbers, rank over d^(1/(2α)); got others.")
    reach = _SURE ** (1 / exponent)
    if (most := reach * places.max(initial=0)) > _MOST:
        raise ValueError(
            f"x: expected at most {_MOST / reach:.3g}, a product of {_MOST} factors; got "
            f"{places.max():.3g}, which takes {most:.3g}. Recall is nearly 0 there."
        )
    with np.errstate(over="ignore"):  # far down the list an item wins for sure
        logs = [_log_zipf(place, exponent) for place in places.ravel()]
    return np.exp(np.reshape(logs, places.shape))


def _log_zipf(x: float, exponent: float) -> float:
    """Σ_k ln Φ((k/x)^α), over the rivals k that may win."""
    from scipy.special import log_ndtr

    rivals = np.arange(1, _SURE ** (1 / exponent) * x + 2)
    return float(log_ndtr((rivals / x) ** exponent).sum())


def sampled_recall(
    n: int,
    d: int,
    *,
    classes: int | None = None,
    weights: ArrayLike | None = None,
    item: int = 0,
    rule: LinearRule = "outer products",
    draws: int = 1000,
    rng: Seed = None,
) -> Rate:
    r"""Rate of recall of a key in independent draws of the exact law, at any width.

    The scores of a key are :math:`V V^\top b` with the overlaps :math:`b = C U u_i`: in law and up
    to a positive factor :math:`\gamma f + (I - ff^\top) h`, with :math:`f = b/\|b\|`, :math:`\gamma
    \sim \chi_d` and h standard normal (claims C2, C4). A draw takes time O(number of values)
    whatever d is, and no vector is drawn.

    Parameters
    ----------
    n, d, classes, weights, item
        As in `recall_probability`; n is a multiple of `classes`.
    rule : {"outer products", "gradient step", "pseudo-inverse"}
        As in `memorise`; "pseudo-inverse" is for equal pairs one to one.
    draws : int
        How many draws.
    rng : int, generator of NumPy or None
        Where they come from.

    Returns
    -------
    Rate
        With its interval.

    Raises
    ------
    ValueError
        As `recall_probability`, and for an unknown rule or one that does not apply.

    Examples
    --------
    >>> 0.59 < sampled_recall(1000, 128, rng=0).value < 0.69
    True
    >>> sampled_recall(1000, 10**9, rng=0)
    Rate(1.0000, 1000/1000)
    """
    checked_option("rule", rule, get_args(LinearRule))
    if rule == "pseudo-inverse" and (classes is not None or weights is not None):
        raise ValueError(
            "rule: expected 'outer products' or 'gradient step' with classes or weights; got "
            "'pseudo-inverse', whose law is known one to one. Draw vectors and use `memorise`."
        )
    n, d = checked_size("n", n), checked_size("d", d)
    draws = checked_size("draws", draws, MOST_DRAWS)
    weight, own, rivals, counts = _overlaps(n, classes, weights, item)
    if classes is not None and n % classes:
        raise ValueError(f"n: expected a multiple of the {classes} classes; got {n}.")
    if (values := int(np.sum(counts)) + 1) > _MOST:
        raise ValueError(
            f"n, classes: expected at most {_MOST} values, which a draw holds at once; got "
            f"{values:.3g}. Ask recall_probability, which takes any number."
        )
    scale = np.sqrt(np.repeat(rivals, counts))
    rng, hits = generator(rng), 0
    for start in range(0, draws, batch := max(1, _ENTRIES // (len(scale) + 1))):
        size = min(batch, draws - start)
        b = _written(_drawn_overlaps(weight, own, scale, d, size, rng), rule, n, d, rng)
        scores = _drawn_scores(b / np.linalg.norm(b, axis=1, keepdims=True), d, rng)
        hits += int(np.sum(margins(scores, np.zeros(size, dtype=int)) > 0))
    return Rate(hits, draws)


def _drawn_overlaps(
    weight: float, own: float, scale: Array, d: int, size: int, rng: np.random.Generator
) -> Array:
    """Draws of b = C U u_i over ‖u_i‖/√d, by outer products; the first value is the right one."""
    b = np.empty((size, len(scale) + 1))
    b[:, 0] = weight * np.sqrt(rng.chisquare(d, size)) + sqrt(own) * rng.standard_normal(size)
    b[:, 1:] = scale * rng.standard_normal((size, len(scale)))
    return b


def _written(b: Array, rule: LinearRule, n: int, d: int, rng: np.random.Generator) -> Array:
    """The overlaps by another rule: less their mean, or with crosstalk of n − d dimensions."""
    if rule == "gradient step":
        b -= b.mean(axis=1, keepdims=True)
    if rule == "pseudo-inverse":
        left = np.sqrt(rng.chisquare(n - d, len(b))) if n > d else np.zeros(len(b))
        b[:, 1:] *= (left / np.linalg.norm(b[:, 1:], axis=1))[:, None]
    return b


def _drawn_scores(f: Array, d: int, rng: np.random.Generator) -> Array:
    """Draws of the scores V Vᵀf of a key, up to a positive factor."""
    h = rng.standard_normal(f.shape)
    return _scores(f, np.sqrt(rng.chisquare(d, len(f))), h)


def _scores(f: Array, gamma: Array, h: Array) -> Array:
    """γf + (I − ffᵀ)h for unit vectors f, a draw a row."""
    along = gamma - np.sum(f * h, axis=1)
    return np.asarray(along[:, None] * f + h)


def _overlaps(
    n: float, classes: int | None, weights: ArrayLike | None, item: int
) -> tuple[float, float, Array, Array]:
    """The overlaps b = C U u_i of key `item`, over |u_i|/√d, that decide about its recall.

    That of the right value is weight · χ_d + N(0, own); those of the others are N(0, rivals), each
    variance as often as `counts` says.
    """
    checked_number("n", n, "at least 2 pairs", lambda n: 2 <= n < inf, "One pair has no rival.")
    item = at_least("item", item, 0)
    if weights is None:
        if item != 0:
            raise ValueError(f"item: expected 0 for equal weights, one key is as any; got {item}.")
        m = n if classes is None else checked_size("classes", classes)
        if not 2 <= m <= n:
            raise ValueError(
                f"classes: expected from 2 to n = {n:g}, each with a key at least; got {m}."
            )
        return 1.0, n / m - 1, np.array([n / m]), np.array([m - 1])
    if classes is not None:
        raise ValueError("weights: expected None with classes; got both. Weights are one to one.")
    w = checked_reals("weights", weights).astype(float)
    if w.shape != (n,) or not np.all(w > 0):
        raise ValueError(
            f"weights: expected {n:g} positive numbers, one for each pair; got shape {w.shape} or "
            f"an entry that is not positive. Leave out what is not stored."
        )
    if item >= n:
        raise ValueError(f"item: expected an index from 0 to {n - 1:g}; got {item}.")
    w = w / w.max()  # recall does not depend on the scale, and squares overflow or vanish
    rivals, counts = np.unique(np.delete(w, item) ** 2, return_counts=True)
    return float(w[item]), 0.0, rivals, counts


def storage_bound(d: int, *, delta: float = 1e-6) -> int:
    r"""Number of pairs of which, with probability 1 − δ, no d x d matrix recalls all.

    One to one, of n keys with n values paired at random, whatever the vectors and the rule: the
    :math:`p = n^2(n-1)/2` hyperplanes :math:`(v_k - v_{k'})^\top W u_i = 0` cut the d² dimensions
    of W into at most :math:`2 \sum_{i<d^2} \binom{p-1}{i}` regions, each of which serves at most
    one of the n! pairings. It is 2.8 d² at d = 8, 2.2 d² at 1000, towards 2d², and costs the same
    at any d.

    Parameters
    ----------
    d : int
        The width, from 2 to 10⁹.
    delta : float
        The probability δ that some matrix recalls all, at most.

    Returns
    -------
    int
        The smallest n at which the bound on the probability is at most δ.

    Raises
    ------
    TypeError, ValueError
        For d or δ out of range.

    References
    ----------
    Claim C5; the number of regions is in [C1965], Theorem 1.

    Examples
    --------
    >>> storage_bound(8), storage_bound(16)
    (179, 663)
    """
    from scipy.special import betaln, gammaln, logsumexp

    if (d := checked_size("d", d)) < 2:
        raise ValueError(f"d: expected at least 2; got {d}. One dimension stores next to nothing.")
    if d > 10**9:
        raise ValueError(f"d: expected at most 10^9; got {d}. It is about 2.07 d² there.")
    delta = checked_probability("delta", delta)

    def log_probability(n: int) -> float:
        planes = n * n * (n - 1) // 2
        terms = min(d * d, planes)
        chosen = np.arange(max(0, terms - 64), terms)  # for d > 8 each is d² times the one before
        binomials = -log(planes) - betaln(float(planes) - chosen, chosen + 1.0)
        return float(log(2) + logsumexp(binomials) - gammaln(n + 1.0))

    # from d² on it decreases: n! gains ln n for every pair, the regions 3 d²/n
    enough = 2 * d * d
    while log_probability(enough) > log(delta):
        enough *= 2
    return bisect_left(
        range(enough), True, lo=d * d, key=lambda n: log_probability(n) <= log(delta)
    )
