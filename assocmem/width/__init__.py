"""Finite width: the noise of the memories, of their gradients and of what the model answers."""

from assocmem.width.attention import AttentionLaw
from assocmem.width.bounds import Deviations, Guarantee, ScoreTables, guarantee
from assocmem.width.gradient_noise import true_steps
from assocmem.width.moments import (
    cantelli_failure,
    gaussian_recall,
    head_moments,
    recall_moments,
)
from assocmem.width.recall import head_scores, output_scores, trigger_scores
from assocmem.width.required import RecallBound, required_width
from assocmem.width.response import linear_response
from assocmem.width.wick import ScoreMoments, Segment, Term, term_moments

__all__ = [
    "AttentionLaw",
    "Deviations",
    "Guarantee",
    "RecallBound",
    "ScoreMoments",
    "ScoreTables",
    "Segment",
    "Term",
    "cantelli_failure",
    "gaussian_recall",
    "guarantee",
    "head_moments",
    "head_scores",
    "linear_response",
    "output_scores",
    "recall_moments",
    "required_width",
    "term_moments",
    "trigger_scores",
    "true_steps",
]
