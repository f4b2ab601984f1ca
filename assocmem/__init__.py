"""Transformers whose weight matrices are associative memories: closed forms, steps and probes."""

from assocmem import capacity, gradients, sweeps, training
from assocmem.blocks import BlockTable
from assocmem.embeddings import FrozenEmbeddings
from assocmem.families import (
    coherence,
    coherence_bound,
    gaussian,
    gram,
    orthonormal,
    rademacher,
    sphere,
    welch_bound,
)
from assocmem.memory import AssociativeMemory
from assocmem.overlaps import (
    coherence_band,
    coherence_quantile,
    how_many_fit,
    overlap_law,
    overlap_moment,
)
from assocmem.probes import Evaluation, Probe, Rate, evaluate, induction_head, probe
from assocmem.symmetric import SymmetricTransformer
from assocmem.tasks import (
    Batch,
    BigramBatch,
    BigramTask,
    InductionTask,
    Language,
    Patterns,
    Task,
)
from assocmem.topdown import TopDownRun, top_down
from assocmem.transformer import FrozenTransformer

__version__ = "0.1.0"

__all__ = [
    "AssociativeMemory",
    "Batch",
    "BigramBatch",
    "BigramTask",
    "BlockTable",
    "Evaluation",
    "FrozenEmbeddings",
    "FrozenTransformer",
    "InductionTask",
    "Language",
    "Patterns",
    "Probe",
    "Rate",
    "SymmetricTransformer",
    "Task",
    "TopDownRun",
    "capacity",
    "coherence",
    "coherence_band",
    "coherence_bound",
    "coherence_quantile",
    "evaluate",
    "gaussian",
    "gradients",
    "gram",
    "how_many_fit",
    "induction_head",
    "orthonormal",
    "overlap_law",
    "overlap_moment",
    "probe",
    "rademacher",
    "sphere",
    "sweeps",
    "top_down",
    "training",
    "welch_bound",
]
