"""Transformers whose weight matrices are associative memories: closed forms, steps and probes."""

from assocmem import gradients
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
from assocmem.probes import Evaluation, Probe, Rate, evaluate, induction_head, probe
from assocmem.tasks import Batch, InductionTask, Task
from assocmem.topdown import TopDownRun, top_down
from assocmem.transformer import FrozenTransformer

__version__ = "0.1.0"

__all__ = [
    "AssociativeMemory",
    "Batch",
    "BlockTable",
    "Evaluation",
    "FrozenEmbeddings",
    "FrozenTransformer",
    "InductionTask",
    "Probe",
    "Rate",
    "Task",
    "TopDownRun",
    "coherence",
    "coherence_bound",
    "evaluate",
    "gaussian",
    "gradients",
    "gram",
    "induction_head",
    "orthonormal",
    "probe",
    "rademacher",
    "sphere",
    "top_down",
    "welch_bound",
]
