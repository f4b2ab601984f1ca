"""Transformers whose weight matrices are associative memories: closed forms, steps and probes.

One convention of sign: what is called a step is the descent direction -∇, which a step of size η
adds η times; what is called a gradient (`loss_and_gradients`) is +∇.

One rule for randomness: whatever may draw takes ``rng`` by name. None, the default, draws anew each
time; an integer or a generator of NumPy draws the same again.

Packages and names load on first use, so that the import costs little more than that of NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assocmem import (
        capacity,
        gradients,
        heads,
        model,
        plots,
        sweeps,
        tasks,
        testing,
        training,
        vectors,
        width,
    )
    from assocmem.memory import AssociativeMemory
    from assocmem.model import (
        BlockTable,
        FrozenEmbeddings,
        FrozenTransformer,
        SymmetricTransformer,
    )
    from assocmem.probes import (
        Evaluation,
        Probe,
        Rate,
        Share,
        bigram_divergence,
        evaluate,
        induction_head,
        probe,
    )
    from assocmem.tasks import (
        Batch,
        BigramBatch,
        BigramTask,
        InductionBatch,
        InductionTask,
        Language,
        Patterns,
        Task,
    )
    from assocmem.topdown import TopDownRun, top_down
    from assocmem.vectors import (
        coherence,
        coherence_band,
        coherence_bound,
        coherence_quantile,
        gaussian,
        gram,
        how_many_fit,
        orthonormal,
        overlap_law,
        overlap_moment,
        rademacher,
        sphere,
        welch_bound,
    )

__version__ = "0.2.0"

__all__ = [
    "AssociativeMemory",
    "Batch",
    "BigramBatch",
    "BigramTask",
    "BlockTable",
    "Evaluation",
    "FrozenEmbeddings",
    "FrozenTransformer",
    "InductionBatch",
    "InductionTask",
    "Language",
    "Patterns",
    "Probe",
    "Rate",
    "Share",
    "SymmetricTransformer",
    "Task",
    "TopDownRun",
    "bigram_divergence",
    "capacity",
    "coherence",
    "coherence_band",
    "coherence_bound",
    "coherence_quantile",
    "evaluate",
    "gaussian",
    "gradients",
    "gram",
    "heads",
    "how_many_fit",
    "induction_head",
    "model",
    "orthonormal",
    "overlap_law",
    "overlap_moment",
    "plots",
    "probe",
    "rademacher",
    "sphere",
    "sweeps",
    "tasks",
    "testing",
    "top_down",
    "training",
    "vectors",
    "welch_bound",
    "width",
]

_PACKAGES = (
    *("capacity", "gradients", "heads", "model", "plots", "sweeps"),
    *("tasks", "testing", "training", "vectors", "width"),
)
_ROOMS = ("vectors", "memory", "tasks", "model", "probes", "topdown")


def __getattr__(name: str) -> Any:
    """Load a package, or a name from the room that lists it."""
    if name in _PACKAGES:
        return import_module(f"assocmem.{name}")
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f"assocmem.{room}")
            if name in module.__all__:
                globals()[name] = value = getattr(module, name)
                return value
    raise AttributeError(f"module 'assocmem' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
