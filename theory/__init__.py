"""The register of claims: what the memory viewpoint states, one chapter per subject.

The paper's own results come first. The statements of a chapter are in its ``claims`` module, and
the derivation of a claim is the function ``derive`` of the module that bears its id.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from theory.record import Claim, register

CHAPTERS: dict[str, ModuleType] = {
    name: import_module(f"theory.{name}.claims")
    for name in (
        "lemmas",
        "steps",
        "induction_head",
        "bigrams",
        "dynamics",
        "vectors",
        "memory",
        "capacity",
        "symmetry",
        "width",
        "heads",
        "writers",
    )
}

CLAIMS: dict[str, Claim] = register({name: module.CLAIMS for name, module in CHAPTERS.items()})
