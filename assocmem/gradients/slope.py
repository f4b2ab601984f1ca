"""Step 3's slope B for many content tokens: fixed triggers, prediction over the content, C → ∞.

Exact in T and K, in units of u²/(K T³), u = 1/(CT) being the lead of step 1. Only means given τ are
left: what two content tokens gain by coinciding is of order 1/C. `theory.steps.t_s3` proves
it. Positions count from 1, rows are t = 2 .. T - 1.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from assocmem.gradients.conditions import harmonic_numbers, moments


def key_of_position(s: int, T: Any, H: Any) -> Any:
    """Coefficient y_s that step 2 writes between w_E(q) and p_s, in units of u/(K T²)."""
    if s == T:
        return H - 1 - H**2
    return -(1 + H**2) if s == 1 else T / (T - 2) * (1 + H * Fraction(s - 1, s)) - (1 + H**2)


def positions_to_beat(t: int, length: int) -> list[int]:
    """Positions among which the value path does not choose, but t - 1 itself."""
    return [r for r in range(2, t + 1) if r != t - 1 and r < length]


class Slope:
    """Slope B of step 3 in the limit of many content tokens, at length T with K triggers.

    Parameters
    ----------
    length : int
        T.
    K : int or SymPy expression
        The number of triggers.

    References
    ----------
    Claim T-S3.
    """

    def __init__(self, length: int, K: Any) -> None:
        self.length: float = length
        self.T = T = Fraction(length)
        m = moments(T, *harmonic_numbers(length))
        self.H, self.phi = m.H, m.phi
        # Scores of the query x¹_T: ρ for the keys of triggers, σ for those of positions.
        self.rho, self.sigma = 2 + 1 / T + 4 / T**2, K * (1 + 1 / T) + 1 + 4 / T**2
        self.y = [Fraction(0), *(key_of_position(s, T, m.H) for s in range(1, length + 1))]
        self.h, self.z = [Fraction(0)] * (length + 2), [Fraction(0)] * (length + 2)
        for s in range(length, 0, -1):
            self.h[s] = self.h[s + 1] + Fraction(1, s)
            self.z[s] = self.z[s + 1] + self.y[s] / s  # Z_s, for the key Φ₁ p_s
        # The mean over s of y_s + (1/s) Σ_{r<=s} Z_r, what positions score.
        self.average: Any = sum(w * self.h[s + 1] for s, w in enumerate(self.y) if s) / T

    def signal(self, t: int, r: int) -> Any:
        """Return the gradient on the score of query p_t for key p_r, not yet centred over r <= t.

        Parameters
        ----------
        t, r : int
            Query and key, counted from 1.

        Returns
        -------
        number
            Exact, as K is.
        """
        T, H, h, n = self.T, self.H, self.h, self.T - 2
        total = self.sigma * self.y[t] * self.z[r] / T
        if (
            r <= self.length - 2
        ):  # key: the trigger stands at r; what t is worth to read, beyond the average
            worth = int(t == r + 1) + (H / t if t > r else 0) - (1 + H * h[r + 1]) / T
            total += self.rho * self.phi / n * worth
        if (
            2 <= r < self.length
        ):  # value: the output stands at r; the score of t, beyond the average
            score = self.phi * (Fraction(1, t) - (h[r - 1] + 1 / T) / T)
            score -= 2 * (H - 2 - 2 * H**2) / T
            own = self.y[t] + sum(self.z[1 : t + 1]) / t
            total += H / n * (self.rho * score + self.sigma * (own - self.average))
        return total

    def coefficient(self, t: int, r: int) -> Any:
        """Return the coefficient B_{t,r}.

        Parameters
        ----------
        t, r : int
            Query and key, counted from 1.

        Returns
        -------
        number
            Exact, as K is.
        """
        row = [self.signal(t, s) for s in range(1, t + 1)]
        return (row[r - 1] - sum(row) / t) / t

    def ahead(self, t: int, r: int) -> Any:
        """Return the lead t (B_{t,t-1} - B_{t,r}), which is linear in K.

        Parameters
        ----------
        t : int
            The query, at least 3.
        r : int
            The competing key, from 2 to t.

        Returns
        -------
        number
            Exact, as K is.
        """
        T, H, h = self.T, self.H, self.h
        if r == t:
            missed = (1 + H * h[t + 1]) / T if t < self.length - 1 else 0  # no trigger at T - 1
            gain = 1 + H / t - (1 + H * h[t]) / T + missed - H / (T * (t - 2))
            keys = self.y[t - 1] / (t - 1)
        else:
            gain = 1 + H / T * (h[r + 1] - h[t] + h[r - 1] - h[t - 2])
            keys = self.z[t - 1] - self.z[r]
        return self.rho * self.phi / (T - 2) * gain + self.sigma * self.y[t] * keys / T

    @property
    def second_row(self) -> Any:
        """Smallest lead λ₂, to first order in it, above which row 2 is recalled."""
        gain = self.coefficient(2, 1) - self.coefficient(2, 2)
        return self.H * self.phi / (2 * (self.T - 2) * gain)


def most_triggers(length: int) -> Fraction | None:
    """Largest number of triggers K* at which, as λ → 0, rows 3 .. T-1 are all recalled.

    They are if and only if K <= K*; None says: at every K.
    """
    without, one = Slope(length, 0), Slope(length, 1)
    limits = []
    for t in range(3, length):
        for r in (*range(2, t - 1), t):
            start = without.ahead(t, r)
            gain = one.ahead(t, r) - start
            if gain < 0:
                limits.append(start / -gain)
    return min(limits, default=None)
