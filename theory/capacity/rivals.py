"""The right score against one rival: the law of recall with a single competitor."""

from __future__ import annotations

import numpy as np
import sympy

from theory.algebra.calculus import symbols
from theory.derivation import Derivation


def against_one_rival(d: Derivation, text: str) -> None:
    """The law of the scores as one inequality for each wrong value, whatever the overlaps β."""
    beta, h, gamma = symbols("beta", 3), symbols("h", 3), sympy.Symbol("gamma")
    length = sympy.sqrt(beta @ beta)
    f = beta / length
    score = gamma * f + (np.eye(3, dtype=int) - np.outer(f, f)) @ h
    d.equal(
        text,
        length * (score[0] - score[1]),
        (gamma - f @ h) * (beta[0] - beta[1]) - length * (h[1] - h[0]),
        latex=r"(\gamma - \eta)(\beta_t - \beta_k) > |\beta|\,(h_k - h_t), \qquad \eta = f^\top h",
    )
