"""What a model holds and does: recall, attention, accuracy, divergence from the bigrams."""

from assocmem._statistics import Rate, Share
from assocmem.probes.associations import Probe, induction_head, pairs_of, probe
from assocmem.probes.evaluation import Evaluation, bigram_divergence, evaluate

__all__ = [
    "Evaluation",
    "Probe",
    "Rate",
    "Share",
    "bigram_divergence",
    "evaluate",
    "induction_head",
    "pairs_of",
    "probe",
]
