"""How much a d x d matrix remembers: moments of scores, laws of recall, capacity, and the rules.

Keys and values are random and independent, rows of mean square norm 1. A map has n keys and one
value for each: one to one (a value per key) or many to one (n / m keys for each of m values).
"""

from assocmem.capacity.laws import (
    LinearRule,
    capacity,
    recall_probability,
    sampled_recall,
    storage_bound,
    zipf_recall,
)
from assocmem.capacity.moments import margin_moments, score_moments
from assocmem.capacity.rules import Rule, memorise, polar_factor
from assocmem.capacity.writers import polar_recall, polar_scores, sign_scores

__all__ = [
    "LinearRule",
    "Rule",
    "capacity",
    "margin_moments",
    "memorise",
    "polar_factor",
    "polar_recall",
    "polar_scores",
    "recall_probability",
    "sampled_recall",
    "score_moments",
    "sign_scores",
    "storage_bound",
    "zipf_recall",
]
