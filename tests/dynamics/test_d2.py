"""The check of D2 refuses runs of another experiment."""

import pytest

from tests.dynamics.planting import refuses


@pytest.mark.slow
def test_other_runs_are_refused(monkeypatch):
    assert refuses("D2", {"all three": "W_K2 late"}, monkeypatch)
