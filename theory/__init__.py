"""The register of claims: what the memory viewpoint states, one module per family."""

from theory import gradients, induction, memory, near_orthogonality
from theory.claims import Claim, register

CLAIMS: dict[str, Claim] = register(
    near_orthogonality.CLAIMS, memory.CLAIMS, gradients.CLAIMS, induction.CLAIMS
)
