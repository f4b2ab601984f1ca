"""Experiments that are run in place of those that a claim is about."""

import numpy as np

from theory import CLAIMS
from validation.dynamics import experiments, measures
from validation.runner.cases import Context
from validation.runner.checks import check_of


def refuses(claim_id, planted, monkeypatch):
    """Whether the check, which trains five models of each experiment, fails on the wrong ones."""
    right = experiments.histories

    def wrong(names, **keywords):
        swapped = {name: planted.get(name, name) for name in names}
        found = right(sorted(set(swapped.values())), **keywords)
        return {name: found[other] for name, other in swapped.items()}

    monkeypatch.setattr(measures, "histories", wrong)
    claim = CLAIMS[claim_id]
    cases = check_of(claim)(Context(np.random.default_rng(7), "full"))
    return not all(case.passed(claim.kind) for case in cases)
