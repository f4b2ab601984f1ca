"""Who plays which part in an induction sequence: the bookkeeping behind S1, S2 and S3.

Given the trigger q, its output o and the position τ of q, the tokens of an `InductionTask` sequence
are independent, so every moment of linear forms in the one-hot tokens follows from a few numbers.

* A *position* is ``free`` (i.i.d. uniform over the content), ``trigger`` (τ and T) or ``output``
  (τ + 1): the three position roles, in this order.
* A *token*, as an index of a table, is q, o, another content token c, or another trigger x (which
  does not occur in the sequence): the four token roles, in this order.

Averages over (q, o, τ) turn roles into the entries of a `BlockTable`, which depend on the class of
a token (trigger or content) only. All is rational in N and K, so both may be SymPy symbols.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assocmem._checks import Array, checked_kind, require_room
from assocmem.model.blocks import BlockTable
from assocmem.model.families import (
    OUTPUTS,
    POSITIONS,
    REMAPPED_POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    TokenBlock,
)
from assocmem.tasks import InductionTask

TRIGGERS, CONTENT = 0, -1  # the classes of tokens, one and the same when triggers are random

Q, O, C, X = range(4)  # token roles
FREE, TRIGGER, OUTPUT = range(3)  # position roles


class Roles:
    """Positions and tokens of an `InductionTask`, seen from (q, o, τ).

    Attributes
    ----------
    at : (T - 2, T, 3)
        ``at[τ, r, role]`` is 1 where position r plays the role, one slice for each τ.
    mean : (T, 3)
        The average of ``at`` over τ.
    occurs : (4, 3)
        ``occurs[token role, position role]``: probability that the token stands there.
    in_content : (4,)
        1 for the token roles in the content (o and c).
    identity, causal_mean : (T, T)
        x¹ holds the atoms w_E, p of position s itself, and those under Φ₁ averaged over r <= s:
        row s of ``causal_mean`` is 1/s, s times.
    one, dtype
        The number 1 and the array type of the task's arithmetic (float, or object for SymPy).
    """

    def __init__(self, task: InductionTask) -> None:
        checked_kind("task", task, InductionTask)
        require_room("task", "tables of positions", 64 * task.length**2, "Take a shorter length.")
        self.content = c = task.n_content
        self.one = one = c / c
        self.dtype: type = object if task.is_symbolic else float
        tau, length = np.arange(task.length - 2), task.length
        at = np.zeros((length - 2, length, 3), dtype=int)
        at[tau, tau, TRIGGER] = at[:, -1, TRIGGER] = at[tau, tau + 1, OUTPUT] = 1
        at[:, :, FREE] = 1 - at.sum(axis=2)
        self.at = self.array(at)
        self.mean = self.at.sum(axis=0) * one / (length - 2)
        self.occurs = self.array([[0, 1, 0], [one / c, 0, 1], [one / c, 0, 0], [0, 0, 0]])
        self.in_content = self.array([0, 1, 1, 0])
        self.identity = self.array(np.eye(length, dtype=int))
        steps = self.array([one / t for t in range(1, length + 1)])
        self.causal_mean = np.tri(length, dtype=int) * steps[:, None]
        self._single, self._pairs = self._probabilities(task)

    def _probabilities(self, task: InductionTask) -> tuple[Array, Array]:
        """Return P(role | class) and P(roles | classes of two different tokens).

        A pair that does not exist (two triggers when K = 1) gets the rational continuation in K.
        """
        n, k, c, one = task.n_tokens, task.n_triggers, self.content, self.one
        if task.random_triggers:
            single = self.array([[one, one, n - 2, 0]]) / n
            pairs = self.array(
                [
                    [0, one, n - 2, 0],
                    [one, 0, n - 2, 0],
                    [n - 2, n - 2, (n - 2) * (n - 3), 0],
                    [0, 0, 0, 0],
                ]
            )
            return single, pairs[None, None] / (n * (n - 1))
        single = self.array(
            [[one / k, 0, 0, (k - 1) * one / k], [0, one / c, (c - 1) * one / c, 0]]
        )
        pairs = single[:, None, :, None] * single[None, :, None, :]
        pairs[0, 0] = pairs[1, 1] = 0
        pairs[0, 0, Q, X] = pairs[0, 0, X, Q] = one / k
        pairs[0, 0, X, X] = (k - 2) * one / k
        pairs[1, 1, O, C] = pairs[1, 1, C, O] = one / c
        pairs[1, 1, C, C] = (c - 2) * one / c
        return single, pairs

    def array(self, entries: Any) -> Array:
        """Return the entries as an array of the task's arithmetic: no integer stays one."""
        return np.array(entries, dtype=self.dtype) * self.one

    # Averages over (q, o): from token roles to token classes.

    def by_class(self, of_role: Array) -> Array:
        """Average a number that depends on the role of one token: (4,) to (classes,)."""
        return self._reduced(self._single @ of_role)

    def by_pair(self, different: Array, same: Array) -> TokenBlock:
        """Average a number that depends on the roles of two tokens.

        ``different``: (4, 4), for two different tokens; ``same``: (4,), for one token twice.
        """
        return TokenBlock(
            self._reduced((self._pairs * different).sum(axis=(2, 3))),
            self._reduced(self._single @ same),
        )

    def _reduced(self, entries: Array) -> Array:
        """Bring SymPy expressions to lowest terms: they swell from step to step otherwise."""
        if not hasattr(self.one, "free_symbols"):
            return entries
        from sympy import cancel

        return np.vectorize(cancel, otypes=[object])(entries)

    # Moments over the sequence, given (q, o), averaged over τ.

    def bilinear(self, matrix: Array) -> Array:
        """Return mean_τ of at[τ]ᵀ · matrix · at[τ], so that E f̄ᵀ M ḡ = f · bilinear(M) · g."""
        taus, length, _ = self.at.shape
        left = self.at.transpose(1, 0, 2)
        right = (matrix @ left.reshape(length, -1)).reshape(length, taus, 3)
        product = left.reshape(-1, 3).T @ right.reshape(-1, 3)
        return product * self.one / taus

    def free_trace(self, matrix: Array) -> Any:
        """Return mean_τ of Σ matrix[r, r] over the free positions r."""
        return np.diagonal(matrix) @ self.mean[:, FREE]


class TokenFunction:
    """A function f of one token, given by its values on the four token roles.

    Attributes
    ----------
    values : (3,)
        Its values on q, o and another content token, which are those that occur.
    at_roles : (3,)
        Its mean at a free position, at the trigger, at the output.
    surplus : number
        f(o) minus its mean over the content: what coinciding with the output is worth.
    covariance : (4,)
        At a free position, the covariance of f with the indicator of a token of each role.
    """

    def __init__(self, roles: Roles, values: Array) -> None:
        c, one = roles.content, roles.one
        self.values = values[:X]
        mean = (values[O] + (c - 1) * values[C]) * one / c
        self.at_roles = roles.array([mean, values[Q], values[O]])
        self.surplus = values[O] - mean
        self.covariance = roles.in_content * (values - mean) * one / c


class FirstReadout:
    """What the first memory reads at a position: u_s = w_U(y)ᵀ G₁ W_V² x¹_s.

    As a linear form in the tokens, u = Σ matrix · f(z) + constant over ``terms``, the pairs
    (matrix, f): f(z_s) for the atom w_E(z_s), and the causal mean of g(z_r) for Φ₁ w_E(z_r).

    Attributes
    ----------
    terms : pairs ((T, T), TokenFunction)
    constant : (T,)
        What the positions contribute.
    mean : (T - 2, T)
        E u_s, a row for each τ.
    surplus : (T, T)
        By how much u_s rises where position r, free otherwise, holds the output.
    remapped, remapped_position
        g, and the (T,) readout of the atoms Φ₁ p.
    """

    def __init__(self, roles: Roles, first: BlockTable) -> None:
        f, g = (
            TokenFunction(roles, self._by_role(roles, first[OUTPUTS, tokens]))
            for tokens in (TOKENS, REMAPPED_TOKENS)
        )
        self.terms = ((roles.identity, f), (roles.causal_mean, g))
        self.remapped, self.remapped_position = g, first[OUTPUTS, REMAPPED_POSITIONS][CONTENT]
        self.constant = (
            first[OUTPUTS, POSITIONS][CONTENT] + roles.causal_mean @ self.remapped_position
        )
        self.mean = self.constant + sum(
            (roles.at @ f.at_roles) @ matrix.T for matrix, f in self.terms
        )
        self.surplus = sum(matrix * f.surplus for matrix, f in self.terms)

    @staticmethod
    def _by_role(roles: Roles, block: TokenBlock) -> Array:
        """The row of the label o of a block, by the role of the column; x does not occur."""
        to_trigger, to_content = block.different[CONTENT, TRIGGERS], block.different[CONTENT, -1]
        return roles.array([to_trigger, block.same[CONTENT], to_content, 0])
