"""Moments of additive functionals of Markov chains, by one recursion forward and one backward.

Let z_1, z_2, ... be a Markov chain with start μ_1 and kernel P. Whatever a gradient asks for is a
sum over times r <= t of E[f(z_r) · 1{z_r = i} · e_t(z_t)], and the Markov property cuts it at r:

    E Σ_{t>=r} ω_t 1{z_r = i} e_t(z_t) = μ_r(i) B_r(i),
    μ_{r+1} = μ_r P  (push),        B_r = ω_r e_r + P B_{r+1}  (pull).

Forward vectors carry what happened up to r, backward vectors what will happen after it. A moment of
two functionals and the end needs two more vectors each way, not a matrix: O(T N²) operations where
a recursion on the joint table of (i, z_t) takes O(T N³). A functional more costs a factor: N where
it counts the visits to a token, for each of which there is another chain (`MarkedChains`), and T
where it is a pair of positions (`copied_moments`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assocmem._checks import Array, Ints


@dataclass(frozen=True)
class Chains:
    """C Markov chains that share a start and a kernel, up to K rows of each.

    >>> kernel = np.full((3, 3), 1 / 3)
    >>> chains = Chains(np.array([1.0, 0, 0]), kernel, np.array([[0]]), np.array([[2]]))
    >>> [law[:, 0].round(3).tolist() for law in chains.laws(3)]   # after 0 always comes 2
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.333, 0.333, 0.333]]

    Parameters
    ----------
    start (N,), kernel (N, N)
        The law of z_1, and the rows of the laws of z_{t+1} given z_t.
    rows (C, K)
        The states from which chain c does not follow the kernel; different within a chain.
    to (C, K)
        Where it goes from them: a state, or -1 for nowhere. The chain that ends after its first
        visit to q (a taboo chain) knows whether q has occurred before.
    """

    start: Array
    kernel: Array
    rows: Ints
    to: Ints

    @property
    def _chains(self) -> Ints:
        return np.arange(len(self.rows))

    def push(self, laws: Array) -> Array:
        """One step of measures (N, C, ...): μ P, chain by chain."""
        rest = laws.copy()
        rest[self.rows.T, self._chains] = 0
        n = len(self.kernel)
        pushed = (self.kernel.T @ rest.reshape(n, -1)).reshape(laws.shape)
        for row, to in zip(self.rows.T, self.to.T, strict=True):
            alive = self._chains[to >= 0]
            pushed[to[alive], alive] += laws[row[alive], alive]
        return pushed

    def pull(self, functions: Array) -> Array:
        """One step of functions (N, C, ...): E[f(z_{t+1}) | z_t], chain by chain."""
        n = len(self.kernel)
        pulled = (self.kernel @ functions.reshape(n, -1)).reshape(functions.shape)
        for row, to in zip(self.rows.T, self.to.T, strict=True):
            values = functions[np.maximum(to, 0), self._chains]
            values[to < 0] = 0
            pulled[row, self._chains] = values
        return pulled

    def laws(self, length: int) -> Array:
        """The measures μ_1, ..., μ_T of z_1, ..., z_T, (T, N, C)."""
        laws = np.empty((length, len(self.start), len(self.rows)))
        laws[0] = self.start[:, None]
        for t in range(1, length):
            laws[t] = self.push(laws[t - 1])
        return laws


@dataclass(frozen=True)
class MarkedChains(Chains):
    """Chains of which one visit to a token is chosen: state i before it, N + i from then on.

    A path counts once for each of its visits, so that over the states from N on

        μ_t(N + i) = E[N_t(j) 1{z_t = i}],      N_t(j) = Σ_{r<=t} 1{z_r = j}.

    >>> marked = MarkedChains.of(Chains(np.ones(1), np.eye(1), *np.full((2, 1, 1), 0)), token=0)
    >>> [law[:, 0].tolist() for law in marked.laws(3)]   # one, two, three visits
    [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]

    Parameters
    ----------
    start (2N,)
        Of both kinds of states; the other fields are those of the chains.
    token : int
        The token j whose visit is chosen.
    """

    token: int

    @classmethod
    def of(cls, chains: Chains, token: int) -> MarkedChains:
        """The chains, a visit to the token chosen."""
        chosen = chains.start * (np.arange(len(chains.start)) == token)
        start = np.append(chains.start, chosen)
        return cls(start, chains.kernel, chains.rows, chains.to, token)

    def push(self, laws: Array) -> Array:
        """One step of measures (2N, C, ...)."""
        n = len(self.kernel)
        pushed = np.concatenate([super().push(laws[:n]), super().push(laws[n:])])
        pushed[n + self.token] += pushed[self.token]
        return pushed

    def pull(self, functions: Array) -> Array:
        """One step of functions (2N, C, ...)."""
        n = len(self.kernel)
        free = functions[:n].copy()
        free[self.token] += functions[n + self.token]
        return np.concatenate([super().pull(free), super().pull(functions[n:])])


@dataclass(frozen=True)
class Harmonic:
    """The sums over s of 1/s and 1/s² that causal means leave, H_0 = 0 first: (T + 1,)."""

    first: Array
    second: Array

    @classmethod
    def of(cls, length: int) -> Harmonic:
        """Up to a length.

        >>> Harmonic.of(3).first.round(3).tolist()
        [0.0, 1.0, 1.5, 1.833]
        """
        s = np.arange(1, length + 1)
        return cls(*(np.append(0.0, np.cumsum(1 / s**power)) for power in (1, 2)))


@dataclass(frozen=True)
class OverAtoms:
    """Numbers over the atoms of x¹: w_E and Φ₁ w_E by token, p and Φ₁ p by position; M a chain.

    As coefficients they are the additive functional with which an output reads the stream,

        u_s = α(z_s) + β_s + (1/s) Σ_{r<=s} (γ(z_r) + δ_r).

    `tokens` α, `remapped_tokens` γ are (N, C, M), `positions` β, `remapped_positions` δ (T, C, M).
    """

    tokens: Array
    positions: Array
    remapped_tokens: Array
    remapped_positions: Array

    def at(self, s: int) -> tuple[Array, Array]:
        """What stands at s, counted from 1, itself and in the causal means from s on, (N, C, M)."""
        return (
            self.tokens + self.positions[s - 1],
            self.remapped_tokens + self.remapped_positions[s - 1],
        )

    def __sub__(self, other: OverAtoms) -> OverAtoms:
        return OverAtoms(
            self.tokens - other.tokens,
            self.positions - other.positions,
            self.remapped_tokens - other.remapped_tokens,
            self.remapped_positions - other.remapped_positions,
        )


class _Sums:
    """Moments by time and state, summed over times for tokens and over states for positions."""

    def __init__(self, length: int, shape: tuple[int, ...]) -> None:
        self.tokens, self.positions = np.zeros(shape), np.zeros((length, *shape[1:]))

    def add(self, s: int, moments: Array) -> None:
        """Add what stands at one position s, counted from 1."""
        self.tokens += moments
        self.positions[s - 1] = moments.sum(axis=0)


def output_moments(chains: Chains, laws: Array, ends: Array) -> OverAtoms:
    """E Σ_t e_t(z_t) o_t, the output of layer 2 at zero attention met by an end, over its keys.

    o_t = (1/t) Σ_{s<=t} (x_s + (1/s) Σ_{r<=s} Φ₁ x_r) holds x_r with the weight 1/t and Φ₁ x_r with
    (H_t - H_{r-1}) / t.

    Parameters
    ----------
    laws (T, N, C)
        Of the chains.
    ends (T, N, C, M)
        M functions e_t(z_t) of the last token of every prefix.
    """
    length = len(laws)
    h = Harmonic.of(length).first
    direct, remapped = _Sums(length, ends.shape[1:]), _Sums(length, ends.shape[1:])
    ahead = np.zeros((*ends.shape[1:], 2))
    for r in range(length, 0, -1):
        ahead = chains.pull(ahead) if r < length else ahead
        ahead += ends[r - 1, ..., None] * np.array([1 / r, h[r] / r])
        here = laws[r - 1, ..., None]
        direct.add(r, here * ahead[..., 0])
        remapped.add(r, here * (ahead[..., 1] - h[r - 1] * ahead[..., 0]))
    return OverAtoms(direct.tokens, direct.positions, remapped.tokens, remapped.positions)


def present_moments(chains: Chains, laws: Array, ends: Array) -> OverAtoms:
    """E Σ_t e_t(z_t) x¹_t, the stream at the current position met by an end.

    x¹_t = x_t + (1/t) Σ_{r<=t} Φ₁ x_r holds Φ₁ x_r as o_t holds x_r. Shapes as in `output_moments`.
    """
    now = laws[..., None] * ends
    mean = output_moments(chains, laws, ends)
    return OverAtoms(now.sum(axis=0), now.sum(axis=1), mean.tokens, mean.positions)


def _past(chains: Chains, laws: Array, reading: OverAtoms, h: Array) -> tuple[Array, Array]:
    """E[· 1{z_s = i}] of S_s = Σ_{r<=s} (γ + δ_r) and of Σ_{r<=s} (α + β_r - H_{r-1} (γ + δ_r)).

    With them Σ_{r<=s} u_r up to any later t is the second plus H_t times the first.
    """
    shape = (len(laws), *reading.tokens.shape)
    mass, rest = np.empty(shape), np.empty(shape)
    for s in range(1, len(laws) + 1):
        own, mean = reading.at(s)
        here = laws[s - 1, ..., None]
        mass[s - 1] = here * mean
        rest[s - 1] = here * (own - h[s - 1] * mean)
        if s > 1:
            both = chains.push(np.stack([mass[s - 2], rest[s - 2]], axis=-1))
            mass[s - 1] += both[..., 0]
            rest[s - 1] += both[..., 1]
    return mass, rest


def attention_moments(chains: Chains, laws: Array, ends: Array, reading: OverAtoms) -> OverAtoms:
    """E Σ_t e_t(z_t) Cov_s(u_s, κ_s), s uniform on 1..t: what a score on the key κ is worth.

    Cov_s(u_s, κ_s) = (1/t) Σ_s u_s κ_s - (1/t²) Σ_s u_s Σ_s κ_s, by the atoms of the key
    κ_s = x_s + (1/s) Σ_{r<=s} Φ₁ x_r. `laws` and `ends` are as in `output_moments`, but that ends
    may stop at a time before the last; `reading` holds one u for each end. Cut at the time s of the
    key's token, the sum over r of u has a past part, which two forward vectors carry, and a future
    part, for which backward vectors do:

        b_0 .. b_4   ends with the weights 1/t, H²_t/t, 1/t², H_t/t², (H_t)²/t²
        y_0, y_1     future Σ u_r, with 1/t² and H_t/t²;  y_2   future means that hold the key
    """
    length = len(ends)
    sums = Harmonic.of(length)
    h, h2 = sums.first, sums.second
    mass, rest = _past(chains, laws[:length], reading, h)
    direct, remapped = (_Sums(len(laws), ends.shape[1:]) for _ in range(2))
    ahead = np.zeros((8, *ends.shape[1:]))
    for s in range(length, 0, -1):
        if s < length:  # what stands at s + 1, met by the ends from there on
            own, mean = reading.at(s + 1)
            b, c = ahead[:5], own - h[s] * mean
            ahead[5] += c * b[2] + mean * b[3]
            ahead[6] += c * b[3] + mean * b[4]
            ahead[7] += (own / (s + 1) - h2[s] * mean) * b[0] + mean * b[1]
            ahead = np.moveaxis(chains.pull(np.moveaxis(ahead, 0, -1)), -1, 0).copy()
        weights = np.array([1 / s, h2[s] / s, 1 / s**2, h[s] / s**2, h[s] ** 2 / s**2])
        ahead[:5] += np.multiply.outer(weights, ends[s - 1])
        b0, b1, b2, b3, b4, y0, y1, y2 = ahead
        here, own = laws[s - 1, ..., None], reading.at(s)[0]
        S, X = mass[s - 1], rest[s - 1]
        direct.add(s, (here * own + S / s) * b0 - (X * b2 + S * b3 + here * y0))
        remapped.add(
            s,
            S * (b1 - h2[s - 1] * b0)
            + here * (own / s * b0 + y2)
            - X * (b3 - h[s - 1] * b2)
            - S * (b4 - h[s - 1] * b3)
            - here * (y1 - h[s - 1] * y0),
        )
    return OverAtoms(direct.tokens, direct.positions, remapped.tokens, remapped.positions)


def copied_moments(
    chains: Chains, laws: Array, ends: Array, copied: OverAtoms, scores: OverAtoms | None = None
) -> Array:
    """E Σ_{t>=s} e_t(z_t) a_ts c_r by s and r <= s, (T, T, C, M): what x¹_s gains by Φ₁ x_r.

    c_r = γ(z_r) + δ_r is what `copied` reads of Φ₁ x_r, and a_ts the layer-2 attention of t on s:
    1/t, or with `scores` e its slope at zero scores, (1/t) (e_s - (1/t) Σ_{s'<=t} e_s'). Cut at s,
    three forward vectors for each r carry c_r alone and with the past of the scores: O(T² N²).
    """
    length = len(laws)
    h, worth = Harmonic.of(length).first, _worth(chains, ends, scores)
    if scores is not None:
        mass, rest = _past(chains, laws, scores, h)
    total = np.zeros((length, length, *worth.shape[2:4]))
    moved = np.empty((*worth.shape[1:4], 0, worth.shape[4]))  # by z_s, chain, end and r
    for s in range(1, length + 1):
        moved = chains.push(moved) if s > 1 else moved
        now = laws[s - 1, ..., None, None]
        if scores is not None:
            own, mean = scores.at(s)
            moved[..., 1] += mean[..., None] * moved[..., 0]
            moved[..., 2] += (own - h[s - 1] * mean)[..., None] * moved[..., 0]
            past = np.broadcast_to(laws[s - 1, ..., None], mass[s - 1].shape)
            now = np.stack([past, mass[s - 1], rest[s - 1]], axis=-1)
        new = now * copied.at(s)[1][..., None]
        moved = np.concatenate([moved, new[..., None, :]], axis=-2)
        total[s - 1, :s] = np.einsum("ncmrv,ncmv->rcm", moved, worth[s - 1])
    return total


def _worth(chains: Chains, ends: Array, scores: OverAtoms | None) -> Array:
    """What the attention on s is worth given z_s, (T, N, C, M, 1); with scores, (T, N, C, M, 3).

    Then it is linear in the past: times 1, and times the sums S_s and X_s of `_past`.
    """
    length = len(ends)
    h = Harmonic.of(length).first
    ahead = np.zeros((*ends.shape[1:], 4))  # ends with 1/t, 1/t², H_t/t², and future scores / t²
    worth = np.empty((length, *ends.shape[1:], 1 if scores is None else 3))
    for s in range(length, 0, -1):
        if s < length:
            if scores is not None:
                own, mean = scores.at(s + 1)
                ahead[..., 3] += (own - h[s] * mean) * ahead[..., 1] + mean * ahead[..., 2]
            ahead = chains.pull(ahead)
        ahead[..., :3] += ends[s - 1, ..., None] * np.array([1 / s, 1 / s**2, h[s] / s**2])
        b0, b2, b3, y0 = np.moveaxis(ahead, -1, 0)
        worth[s - 1, ..., 0] = b0
        if scores is not None:
            own = scores.at(s)[0]
            worth[s - 1] = np.stack([own * b0 - y0, b0 / s - b3, -b2], axis=-1)
    return worth
