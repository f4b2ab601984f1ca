"""Errors that are planted in the scores of a memory."""

from __future__ import annotations

import assocmem as am


def with_coefficients(change):
    """The scores of a memory whose coefficients are changed."""

    def error(scores):
        return lambda W: scores(
            am.AssociativeMemory(
                keys=W.keys, values=W.values, coefficients=change(W.coefficients.copy())
            )
        )

    return error


def without_the_last_pair(coefficients):
    coefficients[-1, -1] = 0
    return coefficients


SCORES = {
    "without the last pair": with_coefficients(without_the_last_pair),
    "squared": with_coefficients(lambda coefficients: coefficients**2 + 1),
    "doubled": lambda scores: lambda W: 2 * scores(W),
}
