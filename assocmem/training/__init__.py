"""Training of the learned matrices by any optimiser, and a history of what forms when."""

from assocmem.model.step import TrainingStep
from assocmem.training.checkpoint import CheckpointError
from assocmem.training.former import memory_probes as memory_probes  # deprecated
from assocmem.training.former import momentum_step as momentum_step  # deprecated
from assocmem.training.history import History
from assocmem.training.loop import train
from assocmem.training.metrics import Metrics
from assocmem.training.optimizers import SGD, Adam, Muon, Optimizer, Schedule, SignDescent
from assocmem.training.presets import published, published_probes
from assocmem.training.run import TrainingRun
from assocmem.training.settings import Settings

__all__ = [
    "SGD",
    "Adam",
    "CheckpointError",
    "History",
    "Metrics",
    "Muon",
    "Optimizer",
    "Schedule",
    "Settings",
    "SignDescent",
    "TrainingRun",
    "TrainingStep",
    "published",
    "published_probes",
    "train",
]
