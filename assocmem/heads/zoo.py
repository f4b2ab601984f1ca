"""Transformers whose heads are known, because they were put there: ground truth for detectors.

Every head of a specimen is one of

    previous token    looks at the position before its own, and writes an image of the token there
    induction         looks for what the previous-token head wrote of its own token, and copies
    duplicate         looks for its own token itself, and copies: one place too early
    shuffled          as induction, but for another token: composes as strongly, recalls nothing
    wrong source      as induction, but for what a random head wrote: no previous-token head behind
    recent            prefers near positions, the nearer the more, itself first
    anti-copying      looks for what the previous-token head wrote, and lowers what it sees
    random            weights of the same size that mean nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from assocmem._checks import (
    Array,
    Seed,
    checked_flag,
    checked_number,
    checked_option,
    checked_sequence,
    checked_size,
    generator,
)
from assocmem.heads.maps import Heads, Place
from assocmem.heads.reading import read
from assocmem.memory import AssociativeMemory
from assocmem.vectors import gaussian, orthonormal

Decoy = Literal["duplicate", "shuffled", "wrong source", "recent", "anti-copying"]

_WRITING = ("previous token", "source", "other source")
_BIG = 2**31  # bytes of all heads together


@dataclass(frozen=True, eq=False, repr=False)
class Specimen:
    """A model whose heads are known.

    Parameters
    ----------
    weights : dict
        Arrays by TransformerLens' names; no layer norm, no biases, no feed-forward layers.
    truth : dict of (layer, head) to str
        What each head is.
    wanted : frozenset of (kind, places)
        What a detector that is right finds, as `Detection.kind` and `Detection.places`.
    """

    weights: dict[str, Array]
    truth: dict[Place, str]
    wanted: frozenset[tuple[str, tuple[Place, ...]]]

    @property
    def heads(self) -> Heads:
        """The model as `read` gives it, with the maps of its heads and its forward pass."""
        return read(self.weights, layout="transformer_lens", norm="none")

    @property
    def circuit(self) -> tuple[Place, Place] | None:
        """The places of the previous-token head and of the induction head, if they are planted."""
        places = {kind: place for place, kind in self.truth.items()}
        if {"previous token", "induction"} <= places.keys():
            return places["previous token"], places["induction"]
        return None

    def __repr__(self) -> str:
        heads = ", ".join(
            f"{layer}.{index} {kind}"
            for (layer, index), kind in sorted(self.truth.items())
            if kind != "random"
        )
        return f"Specimen({heads or 'random heads only'})"


def specimen(
    *,
    n_tokens: int = 32,
    length: int = 32,
    width: int = 256,
    n_layers: int = 2,
    n_heads: int = 4,
    planted: bool = True,
    decoys: Sequence[Decoy] = (),
    noise: float = 0.0,
    coherence: float = 0.0,
    beta: float = 30.0,
    rng: Seed = None,
) -> Specimen:
    """Make a model with a planted induction head, or without one, among random heads and decoys.

    Parameters
    ----------
    n_tokens, length, width, n_layers, n_heads : int
        Heads have the size width / n_heads; outputs are the tokens.
    planted : bool
        Whether there are a previous-token head and an induction head, in two layers drawn at
        random. Everything else is the same without.
    decoys : sequence of str
        Heads that only look right, each in a place of its own: "duplicate", "shuffled", "wrong
        source", "recent", "anti-copying". See the module's docstring.
    noise : float
        Standard deviation of what is added to every entry of every head, in units of the root mean
        square entry of its matrix.
    coherence : float
        Mean cosine between two token embeddings, and between two position embeddings, in [0, 1).
    beta : float
        The score of the right key, and the logit of a copied token, where others are near 0.
    rng : int, generator of NumPy or None
        Where the draws come from; None draws anew each time.

    Returns
    -------
    Specimen
        Weights, and what each head is.

    Raises
    ------
    ValueError
        For a width that n_heads does not divide, fewer than 2 layers, decoys that do not fit in,
        sizes below 3, too large a model.

    Notes
    -----
    Random heads have matrices of the same size as planted ones. Planted ones are exact, before the
    noise, where there is room: 3 n_tokens + length atoms, and n_tokens more for a wrong source, in
    the width, and n_tokens and length in the size of a head. Beyond, they are least squares.

    Examples
    --------
    >>> one = specimen(decoys=["shuffled"], rng=0)
    >>> one.truth[one.circuit[0]], one.truth[one.circuit[1]]
    ('previous token', 'induction')
    >>> tokens = np.resize(np.arange(10), (1, 24))           # ten tokens, again and again
    >>> logits, maps = one.heads.run(tokens)
    >>> bool((logits[0, 10:-1].argmax(axis=1) == tokens[0, 11:]).mean() > 0.8)
    True
    """
    n, t = (checked_size(name, s) for name, s in (("n_tokens", n_tokens), ("length", length)))
    d, h = checked_size("width", width), checked_size("n_heads", n_heads)
    layers = checked_size("n_layers", n_layers)
    decoys, planted = _checked_decoys(decoys), checked_flag("planted", planted)
    _check_sizes(n, t, d, h, layers)
    noise, beta = (
        checked_number(name, number, "a number >= 0", lambda number: 0 <= number < np.inf)
        for name, number in (("noise", noise), ("beta", beta))
    )
    coherence = checked_number("coherence", coherence, "a number in [0, 1)", lambda c: 0 <= c < 1)
    rng = generator(rng)
    truth = _places(layers, h, planted, decoys, rng)
    return _Builder(truth, n, t, d, d // h, coherence, beta, rng).build(noise)


def _checked_decoys(decoys: Any) -> tuple[Decoy, ...]:
    given = checked_sequence("decoys", decoys, "names of decoys")
    for each in given:
        checked_option("decoys", each, get_args(Decoy))
    return tuple(given)


def _check_sizes(n: int, t: int, d: int, h: int, layers: int) -> None:
    if n < 3 or t < 3 or layers < 2:
        raise ValueError(
            f"n_tokens, length, n_layers: expected at least 3, 3 and 2; got {n}, {t} and {layers}."
        )
    if d % h:
        raise ValueError(f"n_heads: expected a divisor of the width {d}; got {h}.")
    if (needed := 8 * 4 * d * d * layers) > _BIG:
        raise ValueError(
            f"width, n_layers: expected a model of at most {_BIG:.2g} bytes; got {needed:.2g}."
        )


def _places(
    layers: int, h: int, planted: bool, decoys: Sequence[Decoy], rng: np.random.Generator
) -> dict[Place, str]:
    """A place for each head: those that read what a head wrote stand in a later layer."""
    reading: list[str] = [each for each in decoys if each not in ("duplicate", "recent")]
    reading += ["induction"] * planted
    anywhere: list[str] = [each for each in decoys if each in ("duplicate", "recent")]
    writing = ["previous token" if planted else "source"]
    writing += ["other source"] * ("wrong source" in decoys)
    early = [l for l in range(layers - 1) if len(reading) <= h * (layers - 1 - l)]
    if not early or len(writing) > h or len(reading + anywhere + writing) > h * layers:
        raise ValueError(
            f"decoys: expected room for {', '.join(writing + reading + anywhere)} in {layers} "
            f"layers of {h} heads, in which what a head wrote is read later; got too little. Ask "
            f"for more heads or layers."
        )
    first = int(rng.choice(early))
    truth = {(layer, head): "random" for layer in range(layers) for head in range(h)}
    for kinds, wanted in (
        (writing, [first]),
        (reading, range(first + 1, layers)),
        (anywhere, range(layers)),
    ):
        free = [place for place, kind in truth.items() if kind == "random" and place[0] in wanted]
        for kind, place in zip(kinds, rng.permutation(free), strict=False):
            truth[tuple(place.tolist())] = kind
    return truth


class _Builder:
    """The matrices of heads, as memories between atoms and codes of size d_h.

    Keys are the duals of the atoms: one is 1 on its own atom and, where the width has room for all
    atoms at once, 0 on every other.
    """

    def __init__(
        self, truth: dict[Place, str], n: int, t: int, d: int, d_h: int, coherence: float,
        beta: float, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.truth, self.n, self.t, self.d, self.d_h = truth, n, t, d, d_h
        self.beta, self.rng = beta, rng
        self.atoms = {
            name: np.sqrt(1 - coherence) * gaussian(size, d, rng=rng)
            + np.sqrt(coherence) * gaussian(1, d, rng=rng)
            for name, size in (("tokens", n), ("positions", t))
        }
        self.atoms["outputs"] = gaussian(n, d, rng=rng)
        codes = {kind: self.codes(n) for kind in _WRITING if kind in truth.values()}
        images = {kind: gaussian(d_h, d, rng=rng) for kind in codes}
        self.atoms |= {kind: codes[kind] @ images[kind] for kind in codes}
        stack = np.linalg.pinv(np.concatenate(list(self.atoms.values()))).T
        ends = np.cumsum([len(rows) for rows in self.atoms.values()])[:-1]
        self.duals = dict(zip(self.atoms, np.split(stack, ends), strict=True))
        self.sources = {kind: (self.memory("tokens", codes[kind]), images[kind]) for kind in codes}

    def codes(self, size: int) -> Array:
        """Orthonormal where there is room for them."""
        draw = orthonormal if size <= self.d_h else gaussian
        return draw(size, self.d_h, rng=self.rng)

    def memory(self, atoms: str, codes: Array) -> Array:
        """The matrix (d_h, d) that recalls a code from each atom."""
        return AssociativeMemory(keys=self.duals[atoms], values=codes).matrix

    def looking(self, queries: str, keys: str, shift: int = 0) -> list[Array]:
        """W_Q and W_K of a head for which query i + shift looks for key i, with score beta."""
        codes, strength = self.codes(len(self.atoms[keys])), np.sqrt(self.beta * np.sqrt(self.d_h))
        W_Q = self.memory(queries, np.roll(codes, shift, axis=0))
        return [strength * W_Q, strength * self.memory(keys, codes)]

    def copying(self, sign: float = 1.0) -> list[Array]:
        """W_V and W_O of a head that raises the output of the token it sees."""
        codes = self.codes(self.n)
        W_O = AssociativeMemory(keys=codes, values=self.atoms["outputs"]).matrix.T
        return [self.memory("tokens", codes), sign * W_O]

    def random(self) -> list[Array]:
        """A head of the same size as one that looks for tokens and copies, which means nothing."""
        like = [*self.looking("tokens", "tokens"), *self.copying()]
        return [np.sqrt(np.mean(W**2)) * self.rng.standard_normal(W.shape) for W in like]

    def head(self, kind: str) -> list[Array]:
        """W_Q, W_K, W_V (d_h, d) and W_O, whose rows are written."""
        if kind == "previous token":
            return [*self.looking("positions", "positions", shift=1), *self.sources[kind]]
        if kind in _WRITING:
            return [*self.random()[:2], *self.sources[kind]]
        if kind == "recent":
            return [*self.near(), *self.random()[2:]]
        if kind == "random":
            return self.random()
        written = "previous token" if "previous token" in self.sources else "source"
        keys = {"duplicate": "tokens", "wrong source": "other source"}.get(kind, written)
        looks = self.looking("tokens", keys, shift=kind == "shuffled")
        return [*looks, *self.copying(-1.0 if kind == "anti-copying" else 1.0)]

    def near(self) -> list[Array]:
        """W_Q and W_K of a head that prefers near positions: their codes turn slowly."""
        angles = np.pi * np.arange(self.t)[:, None] / (2 * self.t) * np.arange(1, self.d_h // 2 + 1)
        codes = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(self.d_h / 2)
        W = self.memory("positions", np.pad(codes, ((0, 0), (0, self.d_h % 2))))
        strength = np.sqrt(self.beta * np.sqrt(self.d_h))
        return [strength * W, strength * W]

    def build(self, noise: float) -> Specimen:
        """All heads, with noise."""
        found = {place: self.head(kind) for place, kind in self.truth.items()}
        weights = {
            "embed.W_E": self.atoms["tokens"],
            "pos_embed.W_pos": self.atoms["positions"],
            "unembed.W_U": self.beta * self.atoms["outputs"].T,
        }
        layers, h = (1 + max(place[axis] for place in found) for axis in range(2))
        for layer in range(layers):
            for part, name in enumerate("QKVO"):
                stack = np.stack([found[layer, head][part] for head in range(h)])
                size = np.sqrt(np.mean(stack**2, axis=(1, 2), keepdims=True))
                stack = stack + noise * size * self.rng.standard_normal(stack.shape)
                side = stack if name == "O" else stack.swapaxes(1, 2)
                weights[f"blocks.{layer}.attn.W_{name}"] = side
        sources = {"source", "other source"}
        shown = {p: "random" if kind in sources else kind for p, kind in self.truth.items()}
        return Specimen(weights, shown, _wanted(self.truth))


def _wanted(truth: dict[Place, str]) -> frozenset[tuple[str, tuple[Place, ...]]]:
    """What stands in the weights, by construction: copying heads copy, whatever they look for."""
    wanted: set[tuple[str, tuple[Place, ...]]] = set()
    places: dict[str, list[Place]] = {}
    for place, kind in truth.items():
        places.setdefault(kind, []).append(place)
    behind = places.get("previous token", []) + places.get("source", [])
    for kind, each in places.items():
        for place in each:
            if kind == "previous token":
                wanted.add(("previous token", (place,)))
            if kind in ("induction", "duplicate", "shuffled", "wrong source"):
                wanted.add(("copying", (place,)))
            if kind in ("induction", "anti-copying"):
                wanted |= {("induction", (source, place)) for source in behind}
            if kind == "wrong source":
                wanted |= {("induction", (source, place)) for source in places["other source"]}
    return frozenset(wanted)
