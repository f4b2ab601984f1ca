"""The check of D5 refuses runs of another experiment."""

import pytest

from tests.dynamics.planting import refuses


@pytest.mark.slow
def test_other_runs_are_refused(monkeypatch):
    assert refuses("D5", {"bigram outputs": "uniform outputs"}, monkeypatch)
