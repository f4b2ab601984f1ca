"""Derivations of the claims in `theory.symmetry`."""

from __future__ import annotations

from theory.derivation import Derive

DERIVATIONS: dict[str, Derive] = {}
