"""The register of claims: what the memory viewpoint states, one module per family."""

from theory import (
    capacity,
    dynamics,
    gradients,
    induction,
    memory,
    near_orthogonality,
    symmetry,
    width,
)
from theory.claims import Claim, register

FAMILIES = (
    near_orthogonality,
    memory,
    capacity,
    gradients,
    symmetry,
    induction,
    width,
    dynamics,
)

CLAIMS: dict[str, Claim] = register(*(family.CLAIMS for family in FAMILIES))
