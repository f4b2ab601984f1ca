r"""The mass of repeated triggers: closed forms of what slows an induction head down.

In an *independent* language every row of π_b is the unigram f. The triggers Q, of total frequency
F = Σ_Q f_q, have outputs that are never triggers; then which positions hold triggers does not
depend on the outputs: after a trigger comes none, after anything else q with probability f_q,

    P(z_t = q) = f_q b_t,    P(z_t = q | z_r = q) = f_q b_{t-r-1},    b_t = (1 - (-F)^t) / (1 + F),

and the mass of repeats, V = (1/T) Σ_t (1/t) Σ_{r<t} P(z_r = z_t ∈ Q), is `repeat_weight` · Σ f_q².
Floats, fractions and SymPy symbols go through the same formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from assocmem._checks import (
    at_least,
    checked_number,
    checked_option,
    checked_sequence,
    is_symbolic,
)

_MOST = 2**16  # positions, as in the tasks
_ROUNDING = 1e-9  # of a sum of frequencies


def repeat_weight(length: int, share: Any) -> Any:
    r"""Factor :math:`w_T(F)` by which squared frequencies enter the mass of repeats (claim B2).

    It is :math:`\frac{1}{T} \sum_t \frac{1}{t} \sum_{r \le t-2} b_r b_{t-r-1}`, with :math:`b_1 =
    1` and :math:`b_r = 1 - F b_{r-1}`.

    Parameters
    ----------
    length : int
        T.
    share : number
        F, the sum of the frequencies of the triggers.

    Returns
    -------
    number
        Exact for fractions and symbols.

    Raises
    ------
    TypeError, ValueError
        For a length that is no integer of at least 3.

    Examples
    --------
    >>> from fractions import Fraction
    >>> repeat_weight(4, Fraction(0))    # (1/T)(T + 1 - 2 H_T)
    Fraction(5, 24)
    >>> print(f"{repeat_weight(4_000, 0.2) * 1.2**2:.2f}")    # tends to 1 / (1 + F)²
    1.00
    """
    _check_length(length, 3)
    _check_frequency("share", share)
    one, weight = share * 0 + 1, share * 0
    b = [share * 0, one]  # b_0, b_1, ...
    for t in range(3, length + 1):
        b.append(one - share * b[-1])
        weight = weight + sum(b[r] * b[t - r - 1] for r in range(1, t - 1)) / t
    return weight / length


def output_lead(
    frequencies: Sequence[Any] | NDArray[Any],
    n_tokens: int,
    length: int,
    *,
    loss: str = "all",
) -> Any:
    r"""Lead of the step on W_O2 in an independent language with the bigrams known (claim B2).

    Parameters
    ----------
    frequencies : array_like, shape (K,)
        The frequencies f_q of the triggers.
    n_tokens : int
        N; each of the N - K other tokens is an output with the same probability.
    length : int
        T, at least 3.
    loss : {"all", "triggers"}
        With loss on repeated triggers the lead is divided by their share of the positions.

    Returns
    -------
    number
        The lead :math:`(M-1)/M^2 \cdot w_T(F) \sum f_q^2`, M = N - K, the same for every output; if
        repeated triggers alone have loss, over their share of the positions.

    Examples
    --------
    >>> import assocmem as am
    >>> f = am.Language.characters().unigram[:5]
    >>> print(f"{output_lead(f, 65, 32):.3g} {output_lead(f[:1], 65, 32):.3g}")
    0.000338 0.0003
    """
    checked_option("loss", loss, ("all", "triggers"))
    frequencies = _frequencies(frequencies)
    n_tokens = at_least("n_tokens", n_tokens, len(frequencies) + 1, symbolic=True)
    m, share = n_tokens - len(frequencies), sum(frequencies)
    squares = sum(f * f for f in frequencies)
    lead = squares * repeat_weight(length, share) * (m - 1) / m**2
    return lead if loss == "all" else lead / repeated_share(frequencies, length)


def repeated_share(frequencies: Sequence[Any] | NDArray[Any], length: int) -> Any:
    """Share of the positions that hold a repeated trigger, in an independent language.

    It is that of all visits less the first: q is first visited at t with the probability that a
    chain has that ends there.

    Parameters
    ----------
    frequencies : array_like, shape (K,)
        The frequencies f_q of the triggers.
    length : int
        T.

    Returns
    -------
    number
        (1/T) E[number of such positions]; exact for fractions and symbols.

    Examples
    --------
    >>> from fractions import Fraction
    >>> repeated_share([Fraction(1, 3)], 3)    # q o q
    Fraction(1, 27)
    """
    frequencies = _frequencies(frequencies)
    _check_length(length, 1)
    total, share = 0 * frequencies[0], sum(frequencies)
    for f in frequencies:
        visits, first = total * 0, total * 0
        now, other, alive = f, share - f, total * 0 + 1 - share  # at q, another trigger, content
        fresh, fresh_other, fresh_alive = now, other, alive  # the same before the first visit
        for _ in range(length):
            visits, first = visits + now, first + fresh
            now, other, alive = f * alive, (share - f) * alive, now + other + (1 - share) * alive
            fresh, fresh_other, fresh_alive = (
                f * fresh_alive,
                (share - f) * fresh_alive,
                fresh_other + (1 - share) * fresh_alive,
            )
        total = total + visits - first
    return total / length


def _check_length(length: int, least: int) -> None:
    if at_least("length", length, least) > _MOST:
        raise ValueError(f"length: expected at most {_MOST}; got {length}. Take a shorter one.")


def _check_frequency(name: str, given: Any) -> None:
    """Refuse what is no frequency; floats, fractions and symbols are used as they are."""
    if not is_symbolic(given):
        checked_number(name, given, "a frequency in [0, 1]", lambda f: 0 <= f <= 1 + _ROUNDING)


def _frequencies(given: Any) -> list[Any]:
    frequencies = checked_sequence("frequencies", given, "frequencies of triggers")
    for each in frequencies or [None]:
        _check_frequency("frequencies", each)
    _check_frequency("frequencies", sum(frequencies))
    return frequencies
