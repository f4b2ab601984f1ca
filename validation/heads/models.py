"""Random models, in which there is nothing to find, in nanoGPT's layout."""

from __future__ import annotations

import numpy as np

from assocmem import heads

SIZES = {"n": 20, "length": 24, "d": 32}


def random_model(
    rng: np.random.Generator,
    *,
    uniform: bool,
    coherence: float,
    n: int = SIZES["n"],
    length: int = SIZES["length"],
    d: int = SIZES["d"],
) -> heads.Heads:
    """Two layers of two heads with layer norm and biases, entries normal or uniform.

    `coherence` is the mean cosine of two token or two position embeddings.
    """

    def entries(*shape: int) -> np.ndarray:
        if uniform:
            return rng.uniform(-1, 1, size=shape) * np.sqrt(3 / shape[-1])
        return rng.standard_normal(shape) / np.sqrt(shape[-1])

    def atoms(size: int) -> np.ndarray:
        return np.asarray(
            np.sqrt(1 - coherence) * entries(size, d) + np.sqrt(coherence) * entries(1, d)
        )

    weights = {"wte.weight": atoms(n), "wpe.weight": atoms(length), "lm_head.weight": atoms(n)}
    weights["ln_f.weight"] = rng.uniform(0.5, 1.5, size=d)
    for l in range(2):
        weights |= {
            f"h.{l}.ln_1.weight": rng.uniform(0.5, 1.5, size=d),
            f"h.{l}.ln_1.bias": entries(d),
            f"h.{l}.attn.c_attn.weight": entries(3 * d, d),
            f"h.{l}.attn.c_attn.bias": entries(3 * d),
            f"h.{l}.attn.c_proj.weight": entries(d, d),
        }
    return heads.read(weights, n_heads=2, layout="nanogpt")


def detections(model: heads.Heads) -> dict[str, heads.Detection]:
    """One detection of each kind."""
    return {
        "previous token": heads.previous_token(model, (0, 1)),
        "copying": heads.copying(model, (1, 0)),
        "induction": heads.induction(model, (0, 1), (1, 0)),
    }
