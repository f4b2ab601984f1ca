"""The check of D6 refuses runs of another experiment."""

import pytest

from tests.dynamics.planting import refuses
from validation.dynamics import experiments


@pytest.mark.slow
def test_other_runs_are_refused(monkeypatch):
    assert refuses("D6", {experiments.REFERENCE: "all three"}, monkeypatch)
