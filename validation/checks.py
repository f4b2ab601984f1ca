"""The register of checks: one for every claim, under the claim's id."""

from __future__ import annotations

from theory import CLAIMS
from validation import (
    capacity,
    dynamics,
    end_to_end,
    gradients,
    induction,
    memory,
    near_orthogonality,
    symmetry,
    width,
)
from validation.cases import Check

_FAMILIES = (
    near_orthogonality,
    memory,
    capacity,
    gradients,
    symmetry,
    induction,
    width,
    end_to_end,
    dynamics,
)

CHECKS: dict[str, Check] = {}
for _family in _FAMILIES:
    if twice := CHECKS.keys() & _family.CHECKS.keys():
        raise ValueError(f"CHECKS: expected each claim checked once; got {sorted(twice)} twice.")
    CHECKS |= _family.CHECKS

if CHECKS.keys() != CLAIMS.keys():
    raise ValueError(
        f"CHECKS: expected one check per claim; without a check {sorted(CLAIMS.keys() - CHECKS)}, "
        f"without a claim {sorted(CHECKS.keys() - CLAIMS)}. Use the same ids in theory/<family>.py "
        f"and validation/<family>.py."
    )
