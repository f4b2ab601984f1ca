"""Populations up to symmetry: sequences with the same pattern of equal tokens count once."""

from __future__ import annotations

from theory.claims import Claim

CLAIMS: tuple[Claim, ...] = ()
