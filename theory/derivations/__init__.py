"""The derivations, one module per family of claims; these need SymPy, the records do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theory import CLAIMS

if TYPE_CHECKING:
    from theory.derivation import Derive


def derivations() -> dict[str, Derive]:
    """The register of derivations: one for every claim that is not empirical, in their order.

    SymPy and the families are loaded by the first call.
    """
    from theory.derivations import (
        capacity,
        coherence,
        coherence_law,
        end_to_end,
        gradients,
        induction,
        layers,
        linear_response,
        memory,
        near_orthogonality,
        recall,
        symmetry,
        width,
    )

    found: dict[str, Derive] = {}
    families = (
        near_orthogonality,
        coherence,
        coherence_law,
        memory,
        recall,
        capacity,
        layers,
        gradients,
        symmetry,
        induction,
        width,
        linear_response,
        end_to_end,
    )
    for family in families:
        if twice := found.keys() & family.DERIVATIONS.keys():
            raise ValueError(
                f"DERIVATIONS: expected each claim derived once; got {sorted(twice)} twice."
            )
        found |= family.DERIVATIONS
    needed = {id for id, claim in CLAIMS.items() if claim.status != "empirical"}
    if not needed <= found.keys() <= CLAIMS.keys():
        raise ValueError(
            f"DERIVATIONS: expected one derivation per claim; without a derivation "
            f"{sorted(needed - found.keys())}, without a claim {sorted(found.keys() - CLAIMS)}. "
            f"Use the same ids in theory/<family>.py and theory/derivations/<family>.py."
        )
    return {id: found[id] for id in CLAIMS if id in found}
