"""What tests of families of vectors and of embeddings share: sizes, tolerances, draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st
from scipy import stats

from assocmem.vectors.families import FAMILIES

FALSE_ALARM = 1e-6  # of each statistical test as a whole, all its cases and examples together
INDEPENDENT = ["gaussian", "sphere", "rademacher"]  # families with independent rows
LAWS = [  # (family, normalised) with a coherence bound above 0
    ("gaussian", True),
    ("gaussian", False),
    ("sphere", True),
    ("rademacher", True),
]
seeds = st.integers(0, 2**63 - 1)
sizes = st.integers(1, 12)
deltas = st.floats(1e-12, 0.999)


def rounding(*lengths: int, dtype: type = np.float64) -> float:
    """Relative error of sums and Householder steps of these lengths: a small constant times the
    product of the lengths (Higham, Accuracy and Stability of Numerical Algorithms, Thm 19.4)."""
    return float(8 * np.prod(lengths) * np.finfo(dtype).eps)


def draw(family: str, n: int, d: int, seed: int, **options: object) -> np.ndarray:
    return FAMILIES[family](n, d, rng=seed, **options)


def is_unlikely(square_norm: float, degrees: int, level: float = FALSE_ALARM) -> bool:
    """Whether a chi-square variable is in the two tails of total probability `level`."""
    return not (
        stats.chi2.isf(1 - level / 2, degrees) <= square_norm <= stats.chi2.isf(level / 2, degrees)
    )


TASK = SimpleNamespace(n_tokens=5, length=4, outputs=np.arange(3))
