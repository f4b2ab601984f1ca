"""What a loss is an expectation over: tasks, and the weighted batches they produce."""

from assocmem._checks import Ints
from assocmem.tasks.batch import Batch, Task
from assocmem.tasks.bigram_batch import BigramBatch
from assocmem.tasks.bigrams import BigramTask
from assocmem.tasks.induction import InductionTask
from assocmem.tasks.induction_batch import InductionBatch
from assocmem.tasks.languages import Language
from assocmem.tasks.symmetry import Patterns

__all__ = [
    "Batch",
    "BigramBatch",
    "BigramTask",
    "InductionBatch",
    "InductionTask",
    "Ints",
    "Language",
    "Patterns",
    "Task",
]
