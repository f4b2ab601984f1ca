"""The check of D1 refuses runs of another experiment."""

import pytest

from tests.dynamics.planting import refuses


@pytest.mark.slow
def test_other_runs_are_refused(monkeypatch):
    assert refuses("D1", {"all three": "one layer"}, monkeypatch)
