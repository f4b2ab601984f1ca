"""Families of nearly orthogonal random vectors, and the laws of their overlaps and coherence."""

from assocmem.vectors.families import (
    coherence,
    coherence_bound,
    gaussian,
    gram,
    orthonormal,
    rademacher,
    sphere,
    welch_bound,
)
from assocmem.vectors.overlaps import (
    coherence_band,
    coherence_quantile,
    how_many_fit,
    overlap_law,
    overlap_moment,
)

__all__ = [
    "coherence",
    "coherence_band",
    "coherence_bound",
    "coherence_quantile",
    "gaussian",
    "gram",
    "how_many_fit",
    "orthonormal",
    "overlap_law",
    "overlap_moment",
    "rademacher",
    "sphere",
    "welch_bound",
]
