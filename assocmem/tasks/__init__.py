"""What a loss is an expectation over: tasks, and the weighted batches they produce."""

from assocmem.tasks.batch import Batch, Ints, Task
from assocmem.tasks.induction import InductionTask

__all__ = ["Batch", "InductionTask", "Ints", "Task"]
