"""Checks of the claims in `theory.capacity`."""

from __future__ import annotations

from validation.cases import Check

CHECKS: dict[str, Check] = {}
