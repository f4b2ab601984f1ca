"""Finite width: exact laws at any d, and the three steps with random embeddings."""

from __future__ import annotations

from theory.claims import Claim

CLAIMS: tuple[Claim, ...] = ()
