"""Errors that the tests of writers plant."""

from __future__ import annotations

import numpy as np


def scaled(factor):
    """An error: all numbers are larger by a factor."""
    return lambda function: lambda *args, **kw: factor * function(*args, **kw)


def tilted(amount):
    """An error: entries are larger, the more the further down the list."""

    def error(function):
        def wrong(*args, **kw):
            found = function(*args, **kw)
            return found * (1 + amount * np.arange(len(found)) / len(found))

        return wrong

    return error
