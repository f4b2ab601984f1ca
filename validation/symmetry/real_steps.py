"""Checks of the claims in `theory.symmetry`: populations up to symmetry, and real step sizes."""

from __future__ import annotations

from assocmem.model.blocks import BlockTable


def _lead_by(first: BlockTable, margin: float) -> BlockTable:
    """The first memory, scaled so that the wanted coefficient leads the other outputs by margin."""
    return first * (margin / first.lead)
