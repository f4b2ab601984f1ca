"""Errors that the tests of writers plant."""

from __future__ import annotations

import numpy as np

from tests.controls import altered_result


def tilted(amount):
    """An error: entries are larger, the more the further down the list."""
    return altered_result(lambda found: found * (1 + amount * np.arange(len(found)) / len(found)))
