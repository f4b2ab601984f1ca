"""The check of D3 refuses runs of another experiment."""

import pytest

from tests.dynamics.planting import refuses


@pytest.mark.slow
def test_other_runs_are_refused(monkeypatch):
    assert refuses("D3", {"K = 5 fixed": "K = 5 rare"}, monkeypatch)
