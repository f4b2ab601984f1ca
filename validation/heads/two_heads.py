"""A small transformer, trained: two heads a layer, layer norm in front, learned positions.

It is the reference with every parameter trained, on in-context bigrams of uniform statistics with
random triggers. `python -m validation.heads.two_heads` writes the weights that the documentation
reads, under the names that a PyTorch module would give them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import assocmem as am
from assocmem import heads
from validation.reference import training

TASK = am.BigramTask(am.Language.uniform(24), length=32, n_triggers=4, triggers="random")
ARCHITECTURE = training.Architecture(n_tokens=24, length=32, width=48, n_heads=2)
STEPS, RATE, BATCH = 900, 5e-3, 48
FILE = Path(__file__).parents[2] / "docs" / "data" / "two-heads.npz"

LAYOUT = heads.Layout(
    names={
        "tokens": "tokens.weight",
        "positions": "positions.weight",
        "outputs": "outputs.weight",
        "final_gain": "norm.weight",
        "gain": "layers.{layer}.norm.weight",
        "qkv": "layers.{layer}.attention.in_proj_weight",
        "output": "layers.{layer}.attention.out_proj.weight",
    },
    side="left",
)


def trained(rng: np.random.Generator, steps: int = STEPS) -> dict[str, np.ndarray]:
    """Parameters after so many steps of AdamW, each on a fresh batch."""

    def batches() -> Iterator[training.Example]:
        while True:
            batch = TASK.sample(BATCH, rng=rng)
            yield batch.tokens, batch.targets, batch.weights

    start = training.initial(ARCHITECTURE, rng)
    run = training.train(ARCHITECTURE, start, batches(), rate=RATE)
    params, _ = next(islice(run, steps, None))
    return params


def named(params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters under PyTorch's names, queries, keys and values fused."""
    weights = {
        "tokens.weight": params["W_E"],
        "positions.weight": params["W_P"],
        "outputs.weight": params["W_U"],
        "norm.weight": params["gain"],
    }
    for l in range(ARCHITECTURE.n_layers):
        fused = [params[f"{name}.{l}"] for name in ("W_Q", "W_K", "W_V")]
        weights |= {
            f"layers.{l}.norm.weight": params[f"gain_A.{l}"],
            f"layers.{l}.attention.in_proj_weight": np.concatenate(fused),
            f"layers.{l}.attention.out_proj.weight": params[f"W_O.{l}"],
        }
    return weights


def main() -> None:
    """Write the weights of one run in float32."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=FILE)
    arguments = parser.parse_args()
    weights = named(trained(np.random.default_rng(arguments.seed)))
    single: Any = {name: array.astype(np.float32) for name, array in weights.items()}
    np.savez(arguments.output, **single)


if __name__ == "__main__":
    main()
