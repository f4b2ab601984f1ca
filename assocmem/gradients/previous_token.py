"""The signal that builds the previous-token head: the moments behind S3.

With W_O² = η₁ G₁, W_K² = λ Ĵ₂ and W_K¹ = 0, the derivative at η₁ = 0 of the loss is that of
-E Σ_s a_s u_s: layer-2 attention a on what the first memory reads, u_s = w_U(y)ᵀ G₁ W_V² x¹_s. If
position t of layer 1 attends more to r, x¹_t moves towards Φ₁ x_r, and this changes

    value   what t adds:                 a_t w_U(y)ᵀ G₁ W_V² Φ₁ x_r
    key     how much attention t gets:   a_t (u_t - ū) · λ x¹_Tᵀ Ĵ₂ Φ₁ x_r           (ū = Σ a_s u_s)
    query   for t = T, what T looks for: Σ_s a_s (u_s - ū) · λ (Φ₁ x_r)ᵀ Ĵ₂ x¹_s

Given τ, a layer-2 score depends on the tokens only through coincidences, the number of other
positions that hold the same content token. Position and mean stay exactly in the softmax; the
fluctuation of a is kept to first order in the value path and dropped from key and query, which
carry a factor λ already. At small λ nothing is lost to first order; at finite λ and with fixed
triggers the dropped part is of order 1/C² (claim S3b), C being the number of content tokens.

Arrays (τ, T) have a row for each τ; every sum over sequences is then a product of such arrays.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from assocmem.gradients.roles import CONTENT, FREE, OUTPUT, TRIGGER, TRIGGERS, Readout, Roles
from assocmem.model.blocks import POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS, BlockTable

Array = NDArray[Any]


class PreviousTokenSignal:
    """Position block of the gradient on W_K1, for an attention ``a`` (τ, T) of layer 2.

    ``scores`` (τ, T) are the mean layer-2 scores at λ = 1.
    """

    def __init__(self, roles: Roles, readout: Readout, second: BlockTable) -> None:
        self.roles, self.readout, self.second = roles, readout, second
        self.free, self.trigger, self.output = (
            roles.at[:, :, role] for role in (FREE, TRIGGER, OUTPUT)
        )
        self.content = self.free + self.output
        self.uniform = 0 * self.free + roles.one / self._length
        direct, self._kappa = self._key_scores(TOKENS, POSITIONS)
        self._remapped, self._remapped_kappa = self._key_scores(REMAPPED_TOKENS, REMAPPED_POSITIONS)
        self.scores = direct + self._remapped @ roles.causal_mean.T

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

    def through_scores(self, a: Array) -> Array:
        """All that comes with a factor λ."""
        total = self._value_fluctuation(a) + self._key(a)
        total[-1] = total[-1] + self._query(a)
        return total

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
        total: Any = 0
        for key, kappa in (
            (self.roles.identity, self._kappa),
            (self.roles.causal_mean, self._remapped_kappa),
        ):
            average, to_output = a @ key, self.output @ key.T
            at_output = (average * self.output).sum(axis=1, keepdims=True)
            total = (
                total
                + (
                    (a.T @ self.free) * key
                    + (a * to_output).T @ self.free
                    - a.T @ (self.free * (average + at_output))
                )
                * kappa
            )
        return total * self._worth(self.readout.remapped.surplus)

    def _key(self, a: Array) -> Array:
        """Σ_τ E[a_t (u_t - ū) x¹_Tᵀ Ĵ₂ Φ₁ x_r]: product of the means, then covariance."""
        total = self._weight(a).T @ self._remapped
        for matrix, f in self.readout.terms:
            average, over_free = a @ matrix, self.free @ matrix.T
            at_free = (a * over_free).sum(axis=1, keepdims=True)
            total = total + (
                (a.T @ self.free) * matrix
                + (a * over_free).T @ self.output
                - a.T @ (self.free * average + self.output * at_free)
            ) * (self._remapped_kappa * self._worth(f.surplus))
        return total

    def _query(self, a: Array) -> Array:
        """Σ_τ E[Σ_s a_s (u_s - ū) (Φ₁ w_E(z_r))ᵀ Ĵ₂ x¹_s], the row t = T.

        (Φ₁ p_r)ᵀ Ĵ₂ does not depend on r, so it drops when centred.
        """
        one, c = self.roles.one, self.roles.content
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
            weight = self._weight(a) @ key  # on the key atoms of position p
            on_trigger = (weight * self.trigger).sum(axis=1)
            on_content = (weight * self.content).sum(axis=1)
            from_trigger = (
                on_trigger * block.same[TRIGGERS]
                + on_content * block.different[TRIGGERS, CONTENT]
                + weight @ to_position[TRIGGERS]
            )
            from_content = (
                on_trigger * block.different[CONTENT, TRIGGERS]
                + on_content * (block.different[CONTENT, CONTENT] + kappa * one / c)
                + weight @ to_position[CONTENT]
            )
            total = total + from_trigger @ self.trigger + from_content @ self.content
            total = total + (self.content * weight).sum(axis=0) * kappa * (1 - one / c)
            # Covariance of u_s with the coincidence of z_r and z_p, one of them the output.
            average, to_output = a @ key, a * (self.output @ key.T)
            for matrix, f in self.readout.terms:
                mixed = a @ matrix
                by_free = to_output @ matrix - mixed * to_output.sum(axis=1, keepdims=True)
                by_output = (self.free * (a @ (key * matrix) - mixed * average)).sum(axis=1)
                total = total + ((self.free * by_free).sum(axis=0) + by_output @ self.output) * (
                    kappa * f.surplus / c
                )
        return total

    def _weight(self, a: Array) -> Array:
        """a_s (E u_s - ū): what one more unit of score at s is worth."""
        u = self.readout.mean
        return a * (u - (a * u).sum(axis=1, keepdims=True))
