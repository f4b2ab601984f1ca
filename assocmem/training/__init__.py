"""Training of the learned matrices by gradient descent, and a history of what forms when."""

from assocmem.model.step import TrainingStep
from assocmem.training.history import History
from assocmem.training.loop import train
from assocmem.training.metrics import Metrics, memory_probes
from assocmem.training.presets import published
from assocmem.training.run import Settings, TrainingRun
from assocmem.training.sgd import momentum_step

__all__ = [
    "History",
    "Metrics",
    "Settings",
    "TrainingRun",
    "TrainingStep",
    "memory_probes",
    "momentum_step",
    "published",
    "train",
]
