"""For your own tests and lemmas: strategies and assertions, and comparisons with a verdict.

Strategies and assertions need Hypothesis (``pip install 'assocmem[testing]'``) and load it on first
use; `check_mean` and `check_gradient`, which compare what a lemma predicts with what is measured,
do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from assocmem.testing.lemma import (
    Comparison,
    check_gradient,
    check_mean,
    reference_gradient,
)

if TYPE_CHECKING:
    from assocmem.testing.properties import (
        assert_near_orthogonal,
        assert_recalls,
        embeddings,
        induction_tasks,
        memories,
        random_memory,
    )

__all__ = [
    "Comparison",
    "assert_near_orthogonal",
    "assert_recalls",
    "check_gradient",
    "check_mean",
    "embeddings",
    "induction_tasks",
    "memories",
    "random_memory",
    "reference_gradient",
]


def __getattr__(name: str) -> Any:
    """Load Hypothesis with the first name that needs it."""
    if name in __all__:
        globals()[name] = value = getattr(import_module("assocmem.testing.properties"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
