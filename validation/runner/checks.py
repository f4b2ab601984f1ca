"""Where the check of a claim stands: ``check`` in the module that bears its id."""

from __future__ import annotations

from importlib import import_module

from theory.record import Claim
from validation.runner.cases import Check


def check_of(claim: Claim) -> Check:
    """Return the check of a claim: ``check`` of validation/<chapter>/<id>.py."""
    check: Check = import_module(f"validation.{claim.chapter}.{claim.module}").check
    return check
