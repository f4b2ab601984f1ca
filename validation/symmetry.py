"""Checks of the claims in `theory.symmetry`."""

from __future__ import annotations

from validation.cases import Check

CHECKS: dict[str, Check] = {}
