"""Memory capacity: how many associations a matrix of width d keeps, by rule and by weights."""

from __future__ import annotations

from theory.claims import Claim

CLAIMS: tuple[Claim, ...] = ()
