"""The signal that builds the previous-token head: the moments behind S3.

With W_O² = η₁ G₁, W_K² = λ Ĵ₂ and W_K¹ = 0, the derivative at η₁ = 0 of the loss is that of
-E Σ_s a_s u_s: layer-2 attention a on what the first memory reads, u_s = w_U(y)ᵀ G₁ W_V² x¹_s. If
position t of layer 1 attends more to r, x¹_t moves towards Φ₁ x_r, and this changes

    value   what t adds:                 a_t w_U(y)ᵀ G₁ W_V² Φ₁ x_r
    key     how much attention t gets:   a_t (u_t - ū) · λ x¹_Tᵀ Ĵ₂ Φ₁ x_r           (ū = Σ a_s u_s)
    query   for t = T, what T looks for: Σ_s a_s (u_s - ū) · λ (Φ₁ x_r)ᵀ Ĵ₂ x¹_s

Given τ, a layer-2 score e_s depends on the tokens only through coincidences, the number of other
positions that hold the same content token. Position and mean stay exactly in the softmax, the
fluctuation of a to first order: a_t (δe_t - Σ a_s δe_s), times λ. It correlates with what is copied
(value) and with what is read (key and query), as both know the label; a is then worth

    E[a_t (u_t - ū)] = a_t (ũ_t - Σ a_s ũ_s),       ũ_t = E u_t + λ Cov(e_t - ē, u_t - ū)

Dropped are the second order of a, and its first where the key or query fluctuates too. At small λ
nothing is lost to first order; at finite λ and with fixed triggers the dropped part is of order
1/C³ (claim S3b), C being the number of content tokens, and `dropped_at_most` bounds it.

Arrays (τ, T) have a row for each τ; every sum over sequences is then a product of such arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assocmem._checks import Array
from assocmem.gradients.roles import CONTENT, FREE, OUTPUT, TRIGGER, TRIGGERS, FirstReadout, Roles
from assocmem.model.blocks import BlockTable
from assocmem.model.families import POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS


class PreviousTokenSignal:
    """Position block of the gradient on W_K1, for an attention ``a`` (τ, T) of layer 2.

    ``scores`` (τ, T) are the mean layer-2 scores at λ = 1.
    """

    def __init__(self, roles: Roles, readout: FirstReadout, second: BlockTable) -> None:
        self.roles, self.readout, self.second = roles, readout, second
        self.free, self.trigger, self.output = (
            roles.at[:, :, role] for role in (FREE, TRIGGER, OUTPUT)
        )
        self.content = self.free + self.output
        self.uniform = 0 * self.free + roles.one / self._length
        direct, self._kappa = self._key_scores(TOKENS, POSITIONS)
        self._remapped, self._remapped_kappa = self._key_scores(REMAPPED_TOKENS, REMAPPED_POSITIONS)
        self.scores = direct + self._remapped @ roles.causal_mean.T
        # By how much a score rises with the share of the token at r: (s, r), content tokens.
        self._sharing = roles.identity * self._kappa + roles.causal_mean * self._remapped_kappa

    @property
    def _length(self) -> int:
        return self.roles.at.shape[1]

    def _key_scores(self, tokens: str, positions: str) -> tuple[Array, Any]:
        """Mean score x¹_Tᵀ Ĵ₂ · of the key atoms of z_r and r, (τ, T), and κ.

        x¹_T = w_E(q) + p_T + (1/T) Σ_r (Φ₁ w_E(z_r) + Φ₁ p_r). A content token scores κ times the
        share of the sequence that it holds, on top of what all content tokens score.
        """
        one, length, second = self.roles.one, self._length, self.second
        to_token, remapped = second[TOKENS, tokens], second[REMAPPED_TOKENS, tokens]
        kappa = remapped.same[CONTENT] - remapped.different[CONTENT, CONTENT]
        triggers, contents = 2 * one / length, (length - 2) * one / length  # shares of the sequence
        own = (1 + (length - 3) * one / self.roles.content) / length  # mean share of z_r itself

        def of_positions(key: str) -> Array:
            """p_T and the mean of Φ₁ p_r, as queries."""
            return (
                second[POSITIONS, key][-1] + second[REMAPPED_POSITIONS, key].sum(0) * one / length
            )

        to_trigger = (
            to_token.same[TRIGGERS]
            + of_positions(tokens)[TRIGGERS]
            + triggers * remapped.same[TRIGGERS]
            + contents * remapped.different[CONTENT, TRIGGERS]
        )
        to_content = (
            to_token.different[TRIGGERS, CONTENT]
            + of_positions(tokens)[CONTENT]
            + triggers * remapped.different[TRIGGERS, CONTENT]
            + contents * remapped.different[CONTENT, CONTENT]
            + kappa * own
        )
        to_position = (
            second[TOKENS, positions][TRIGGERS]
            + of_positions(positions)
            + second[REMAPPED_TOKENS, positions][TRIGGERS] * triggers
            + second[REMAPPED_TOKENS, positions][CONTENT] * contents
        )
        by_role = self.roles.array([to_content, to_trigger, to_content])
        return self.roles.at @ by_role + to_position, kappa

    def value(self, a: Array) -> Array:
        """Σ_τ a_t · E[w_U(y)ᵀ G₁ W_V² Φ₁ x_r]; linear in a."""
        readout = self.readout
        return a.T @ (self.roles.at @ readout.remapped.at_roles + readout.remapped_position)

    def through_scores(self, a: Array, lead: float = 0) -> Array:
        """All that comes with a factor λ, at ``lead`` = λ."""
        reading = self.readout.mean + (lead * self._shared(a) if lead else 0)
        weight = self._weight(a, reading)
        total = self._value_fluctuation(a) + self._key(a, weight)
        total[-1] = total[-1] + self._query(a, weight)
        return total

    def dropped_at_most(self, a: Array, lead: float) -> Array:
        """Upper bound on |dropped| in each row t < T, for a = σ(λ · scores) (claim S3b-bound).

        a_t λ² σ² κ̄ (4 exp(4 λ κ̄) (V/2 + λ U X) κ̄ + 5 κ U) / t, a_t averaged over τ, where σ² =
        (T - 3)(1 - 1/C) / (C T²) is the variance of a content token's share, κ̄ the largest
        Σ_r |∂e_s / ∂share_r|, κ that of the keys Φ₁, and V, U, X bound the range of what is copied,
        read and scored as a key.
        """
        content, length = self.roles.content, self._length
        variance = (length - 3) * (1 - 1 / content) / (content * length**2)
        sharing = np.abs(self._sharing).sum(axis=1).max()
        kappa = abs(self._remapped_kappa)
        copied, read, scored = self.ranges()
        with np.errstate(over="ignore"):  # no bound then
            second = 4 * np.exp(4 * lead * sharing) * (copied / 2 + lead * read * scored) * sharing
            worst = lead**2 * variance * sharing * (second + 5 * kappa * read)
        if not np.isfinite(worst):
            return np.full(length - 1, np.inf)
        bound: Array = worst * a.mean(axis=0)[:-1] / np.arange(1, length)
        return bound

    def ranges(self) -> tuple[float, float, float]:
        """V, U, X: by how much at most two readings of Φ₁ x_r, of x¹_s, two keys Φ₁ x_r differ."""
        readout = self.readout
        (_, own), (_, remapped) = readout.terms
        copied = np.ptp(remapped.values) + np.ptp(readout.remapped_position)
        read = np.ptp(own.values) + np.ptp(remapped.values) + np.ptp(readout.constant)
        scored = np.ptp(self._remapped, axis=1).max() + 2 * abs(self._remapped_kappa)
        return float(copied), float(read), float(scored)

    def block(self, total: Array) -> Array:
        """Pull Σ_τ through the uniform softmax of row t: centre over r <= t, divide by t."""
        mean = self.roles.causal_mean
        centred = total - (mean * total).sum(axis=1, keepdims=True)
        return mean * centred * self.roles.one / (self._length - 2)

    # A free position holds o with probability 1/C, so for a function f of one token
    #   Cov(f(z_p), share of z_r) = surplus(f) / (T C)   if p is free and r = p or r = τ + 1.

    def _worth(self, surplus: Any) -> Any:
        return surplus * self.roles.one / (self._length * self.roles.content)

    def _value_fluctuation(self, a: Array) -> Array:
        """Σ_τ Cov(a_t, w_U(y)ᵀ G₁ W_V² Φ₁ x_r), with a to first order: a_t (δe_t - Σ a_s δe_s)."""
        sharing = self._sharing
        average, to_output = a @ sharing, self.output @ sharing.T
        at_output = (average * self.output).sum(axis=1, keepdims=True)
        total = (
            (a.T @ self.free) * sharing
            + (a * to_output).T @ self.free
            - a.T @ (self.free * (average + at_output))
        )
        return total * self._worth(self.readout.remapped.surplus)

    def _shared(self, a: Array) -> Array:
        """Cov(e_t - ē, u_t - ū | τ): what the fluctuation of a score tells about its reading."""
        keys, reading = self._sharing, self.readout.surplus
        key_average, reading_average = a @ keys, a @ reading
        own = self.free @ (keys * reading).T - (self.free * reading_average) @ keys.T
        own = own - (self.free * key_average) @ reading.T
        own = own + (self.free * key_average * reading_average).sum(axis=1, keepdims=True)
        to_output = self.output @ keys.T - (self.output * key_average).sum(axis=1, keepdims=True)
        from_free = self.free @ reading.T
        from_free = from_free - (self.free * reading_average).sum(axis=1, keepdims=True)
        return self._worth(own + to_output * from_free)

    def _key(self, a: Array, weight: Array) -> Array:
        """Σ_τ E[a_t (u_t - ū) x¹_Tᵀ Ĵ₂ Φ₁ x_r]: product of the means, then covariance.

        ``weight`` is E[a_t (u_t - ū)].
        """
        reading = self.readout.surplus
        average, over_free = a @ reading, self.free @ reading.T
        at_free = (a * over_free).sum(axis=1, keepdims=True)
        total = (
            (a.T @ self.free) * reading
            + (a * over_free).T @ self.output
            - a.T @ (self.free * average + self.output * at_free)
        )
        return weight.T @ self._remapped + self._worth(total * self._remapped_kappa)

    def _query(self, a: Array, weight: Array) -> Array:
        """Σ_τ E[Σ_s a_s (u_s - ū) (Φ₁ w_E(z_r))ᵀ Ĵ₂ x¹_s], the row t = T.

        ``weight`` is E[a_s (u_s - ū)]. (Φ₁ p_r)ᵀ Ĵ₂ does not depend on r, so it drops when centred.
        """
        one, c, reading = self.roles.one, self.roles.content, self.readout.surplus
        total: Any = 0
        for tokens, positions, key in (
            (TOKENS, POSITIONS, self.roles.identity),
            (REMAPPED_TOKENS, REMAPPED_POSITIONS, self.roles.causal_mean),
        ):
            block, to_position = (
                self.second[REMAPPED_TOKENS, tokens],
                self.second[REMAPPED_TOKENS, positions],
            )
            kappa = block.same[CONTENT] - block.different[CONTENT, CONTENT]
            on_keys = weight @ key  # on the key atoms of position p
            on_trigger = (on_keys * self.trigger).sum(axis=1)
            on_content = (on_keys * self.content).sum(axis=1)
            from_trigger = (
                on_trigger * block.same[TRIGGERS]
                + on_content * block.different[TRIGGERS, CONTENT]
                + on_keys @ to_position[TRIGGERS]
            )
            from_content = (
                on_trigger * block.different[CONTENT, TRIGGERS]
                + on_content * (block.different[CONTENT, CONTENT] + kappa * one / c)
                + on_keys @ to_position[CONTENT]
            )
            total = total + from_trigger @ self.trigger + from_content @ self.content
            total = total + (self.content * on_keys).sum(axis=0) * kappa * (1 - one / c)
            # Covariance of u_s with the coincidence of z_r and z_p, one of them the output.
            average, to_output = a @ key, a * (self.output @ key.T)
            mixed = a @ reading
            by_free = to_output @ reading - mixed * to_output.sum(axis=1, keepdims=True)
            by_output = (self.free * (a @ (key * reading) - mixed * average)).sum(axis=1)
            covariance = (self.free * by_free).sum(axis=0) + by_output @ self.output
            total = total + covariance * kappa / c
        return total

    def _weight(self, a: Array, u: Array) -> Array:
        """a_s (u_s - ū): what one more unit of score at s is worth."""
        return a * (u - (a * u).sum(axis=1, keepdims=True))
