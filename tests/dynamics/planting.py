"""Histories that are made up: what the orders of a claim say of them is known."""

import numpy as np

from theory import CLAIMS
from validation.dynamics import d4
from validation.dynamics.record import CLAIMED
from validation.runner.cases import PAIRS

STEPS = np.arange(0, 601, 20)


def rising(level, when):
    """A curve that rises to its level, of which it has the half after so many updates."""
    curve = level / (1 + np.exp(-(STEPS - when) / 20))
    curve[-1] = level
    return curve


def run(**columns):
    """One run with these columns; a number stands for a curve that ends there."""
    curves = {
        name: rising(value, 300) if np.isscalar(value) else value for name, value in columns.items()
    }
    return {"step": STEPS, **curves}


def runs(seed=0, count=PAIRS, **columns):
    """Runs that differ by a little: every number is multiplied by 1 up to 2 %."""
    rng = np.random.default_rng(seed)
    scales = 1 + 0.02 * rng.uniform(-1, 1, count)
    return [run(**{n: v * s for n, v in columns.items()}) for s in scales]


def verdicts(claim_id, found):
    """What each order of the claim says: True, False or None."""
    kind = CLAIMS[claim_id].kind
    return [case.passed(kind) for case in CLAIMED[claim_id].orders(found)]


def without_gradients(monkeypatch):
    """The predictions of D3 and D4 are tested apart: here every sign is the claimed one."""
    from validation.dynamics import d3

    monkeypatch.setattr(d3, "global_first", lambda name: 1.0)
    values = iter(range(10**6, 0, -1))
    monkeypatch.setattr(d4, "query_lead", lambda name, token: next(values))
    monkeypatch.setattr(d4, "output_lead", lambda name: next(values))
