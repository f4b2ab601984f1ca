"""Checks of W1 to W4: the law without the width, the noise of the steps, and widths that do."""

from __future__ import annotations

from typing import Any

import assocmem as am

KEYS = {"W_O2": "values", "W_K2": "atoms", "W_K1": "positions"}


VALUES = {"W_O2": "outputs", "W_K2": "atoms", "W_K1": "positions"}


def with_coefficients(
    coefficients: Any, name: str, embeddings: am.FrozenEmbeddings
) -> am.AssociativeMemory:
    """The memory of this name with these coefficients."""
    return am.AssociativeMemory(
        keys=getattr(embeddings, KEYS[name]),
        values=getattr(embeddings, VALUES[name]),
        coefficients=coefficients,
    )


def written(
    memory: am.AssociativeMemory, name: str, embeddings: am.FrozenEmbeddings
) -> am.AssociativeMemory:
    """A memory's coefficients, written with other embeddings."""
    return with_coefficients(memory.coefficients, name, embeddings)
