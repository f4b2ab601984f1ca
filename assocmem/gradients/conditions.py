r"""When steps 1 and 2 recall their memories: conditions in N, T and K, with margins.

Plain arithmetic in T, $x = H_T$ and $y = H_T^{(2)}$, the sums of 1/s and of 1/s² over s <= T, so
that floats, fractions and SymPy symbols go through the same formulas; `theory.steps.
t_s2` proves them. C is the number of content tokens.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple


def harmonic_numbers(length: int) -> tuple[Fraction, Fraction]:
    """Return the harmonic numbers :math:`H_T` and :math:`H_T^{(2)}`, exactly.

    Parameters
    ----------
    length : int
        T.

    Returns
    -------
    first : Fraction
        The sum :math:`H_T` of 1/s over s <= T.
    second : Fraction
        The sum :math:`H_T^{(2)}` of 1/s².
    """
    terms = range(1, length + 1)
    return (
        sum((Fraction(1, s) for s in terms), Fraction(0)),
        sum((Fraction(1, s * s) for s in terms), Fraction(0)),
    )


class LengthMoments(NamedTuple):
    r"""Averages over τ by which steps 1 and 2 depend on T.

    Parameters
    ----------
    H, w : number
        Means of :math:`h_{\tau+1}`, and of :math:`h_\tau + h_T`.
    output, past_output : number
        The covariances :math:`T^2 \mathrm{Cov}_s(\cdot, m_s)`, with the share :math:`m_s = 1\{s \ge
        \tau\}/s + 1\{s=T\}/T` of the trigger in the past of s: of the indicator that the output
        stands at s, and of its share of the past of s.
    trigger, past_trigger : number
        The same for the trigger.
    position : number
        The same for the average of :math:`h_r` over r <= s.
    """

    H: Any
    w: Any
    output: Any
    past_output: Any
    trigger: Any
    past_trigger: Any
    position: Any

    @property
    def phi(self) -> Any:
        """Φ(T) of claim S2-limit: the sign of step 2 for prediction over the content."""
        return self.output + self.H * self.past_output


def moments(T: Any, x: Any, y: Any) -> LengthMoments:
    """Return the averages over τ by which steps 1 and 2 depend on T, in closed form.

    Parameters
    ----------
    T : int, Fraction or SymPy expression
        The length, at least 3.
    x, y : number
        The sums :math:`H_T` and :math:`H_T^{(2)}`, as `harmonic_numbers` gives them, or symbols.

    Returns
    -------
    LengthMoments
        Its ``phi`` has the sign of step 2 for prediction over the content.
    """
    n = T - 2
    H = (T - x - 1 / T) / n
    w = (T - 1 / (T - 1) - 2 / T) / n + 1 / T
    squares = (x - 1 / (T - 1) ** 2 - 2 / T**2) / n  # mean of Σ_{s>=τ} 1/s²
    tail = 1 / (T - 1) + 1 / T  # h_{T-1}
    h_squared = (2 * T - x - tail**2 - 1 / T**2) / n  # mean of h_τ²
    reciprocal = (x - tail) / n  # mean of 1/τ
    h_over_tau = ((x**2 - y) / 2 - 1 / (T * (T - 1))) / n  # mean of h_{τ+1}/τ
    reciprocal_squared = (y - 1 / (T - 1) ** 2 - 1 / T**2) / n  # mean of 1/τ²
    later = h_squared - 2 * h_over_tau - reciprocal_squared  # mean of h_{τ+1}²
    return LengthMoments(
        H=H,
        w=w,
        output=T * (x - 1 / T - 1) / n - w,
        past_output=T * (squares - reciprocal_squared + 1 / T**2) - (later + h_over_tau) - H / T,
        trigger=T * reciprocal + 2 - 2 * w,
        past_trigger=T * (squares + 3 / T**2) - (h_squared + 2 * (w - 1 / T) / T + 1 / T**2),
        position=T * (w - 1 / T) + T * (h_squared - squares) / 2 + 1 - (2 * T - x) * w,
    )


# Step 1, random triggers: how far the two memories of a token lead.


def first_leads(C: Any, T: Any, m: LengthMoments) -> tuple[Any, Any]:
    """Return the leads of step 1 for random triggers, N = C + 1.

    Parameters
    ----------
    C, T : number
        Content tokens and length.
    m : LengthMoments
        Those of T.

    Returns
    -------
    direct : number
        The lead of w_U(k) on W_V² w_E(k).
    remapped : number
        The lead of w_U(k) on W_V² Φ₁ w_E(k).
    """
    direct, remapped = _random_leads(C, T, m)
    unit = T * (C + 1) * C**2
    return direct / unit, remapped / unit


def _random_leads(C: Any, T: Any, m: LengthMoments) -> tuple[Any, Any]:
    """The same in units of 1/(T N C²)."""
    return C**2 - 2 * C + T - 3, m.H * C**2 - m.w * C + T - m.w - m.H


# Step 2: the wanted coefficient J, in units that do not change its sign.


def second_with_all(C: Any, K: Any, T: Any, m: LengthMoments) -> Any:
    """Return :math:`K T^3 C^2 N J` for fixed triggers and prediction over all tokens, N = C + K.

    Parameters
    ----------
    C, K, T : number
        Content tokens, triggers and length.
    m : LengthMoments
        Those of T.

    Returns
    -------
    number
        It has the sign of J, the wanted coefficient of step 2.
    """
    return (C - 1) * (C + K) * m.phi + K * C * _unigram(C, K, T, m)


def second_with_random(C: Any, T: Any, m: LengthMoments) -> Any:
    """Return :math:`C^3 N^2 T^3 J` for random triggers, N = C + 1.

    Parameters
    ----------
    C, T, m
        As in `first_leads`.

    Returns
    -------
    number
        It has the sign of J, the wanted coefficient of step 2.
    """
    direct, remapped = _random_leads(C, T, m)
    return direct * ((C - 1) * m.output - m.trigger) + remapped * (
        (C - 1) * m.past_output - m.past_trigger
    )


def _unigram(C: Any, K: Any, T: Any, m: LengthMoments) -> Any:
    """What labels that are content, but classes that are all tokens, add: T² Cov_s(ψ_s, m_s).

    ψ_s collects a position, its content and its triggers, each directly and over the past:
    (1 + average of h) + (T-2, T-w)/C times the shares of the content + (2, w)/K of the trigger.
    """
    own = m.position + (2 * m.trigger + m.w * m.past_trigger) / K
    return own - ((T - 2) * m.trigger + (T - m.w) * m.past_trigger) / C


def quadratic_with_all(K: Any, T: Any, m: LengthMoments) -> tuple[Any, Any, Any]:
    """Return the coefficients of C², C and 1 in `second_with_all`.

    Parameters
    ----------
    K, T, m
        As in `second_with_all`.

    Returns
    -------
    a : number
        Of C².
    b : number
        Of C.
    c : number
        The constant.
    """
    return (
        m.phi,
        (K - 1) * m.phi + K * m.position + 2 * m.trigger + m.w * m.past_trigger,
        -K * (m.phi + (T - 2) * m.trigger + (T - m.w) * m.past_trigger),
    )


def fewest_content(T: Any, K: Any, m: LengthMoments) -> float:
    """Return C* of claim T-S2: for T >= 5 the lead is positive if and only if C > C*.

    Parameters
    ----------
    T, K, m
        As in `second_with_all`.

    Returns
    -------
    float
        A root, in general not an integer.
    """
    a, b, c = quadratic_with_all(K, T, m)
    return (-float(b) + math.sqrt(float(b * b - 4 * a * c))) / float(2 * a)


# Random triggers: the smallest N with a positive lead, from each T on.
FEWEST_TOKENS_RANDOM = {5: 38, 6: 11, 7: 8, 8: 7, 9: 6, 14: 5, 41: 4}


def fewest_tokens_random(length: int) -> int:
    """Return N* of claim T-S2, the fewest tokens with a positive lead for random triggers.

    Parameters
    ----------
    length : int
        T, at least 5.

    Returns
    -------
    int
        The lead of step 2 is positive if and only if N >= N*.
    """
    return FEWEST_TOKENS_RANDOM[max(t for t in FEWEST_TOKENS_RANDOM if t <= length)]


def reading_of_frequency(C: Any, K: Any, T: Any, x: Any, m: LengthMoments) -> Any:
    """Return ψ̄ of claim T-m1: how fast content logits gain on those of triggers with m₁.

    Parameters
    ----------
    C, K, T : number
        Content tokens, triggers and length.
    x : number
        H_T.
    m : LengthMoments
        Those of T.

    Returns
    -------
    number
        The sum of the gains through the tokens themselves and through the remapped tokens.
    """
    return 3 - x / T + ((T - 2) ** 2 + (T - m.w) ** 2) / (T * C) + (4 + m.w**2) / (T * K)


def repairing_margin(C: Any, K: Any, T: Any, x: Any, m: LengthMoments) -> float:
    """Return m₁* of claim T-m1, near which the lead of step 2 turns positive, for T >= 5.

    Parameters
    ----------
    C, K, T, x, m
        As in `reading_of_frequency`.

    Returns
    -------
    float
        0 where step 2 leads after an infinitesimal first step.
    """
    against = -_unigram(C, K, T, m)
    if against <= 0 or (share := (1 - 1 / C) * m.phi / against) >= K / (C + K):
        return 0.0  # it is positive at m₁ = 0
    odds = float(K * (1 - share) / (C * share))
    return math.log(odds) / float(reading_of_frequency(C, K, T, x, m))
