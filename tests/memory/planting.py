"""Errors that are planted in the scores of a memory."""

from __future__ import annotations

import assocmem as am


def without_the_last_pair(scores):
    """One coefficient is forgotten."""

    def altered(self):
        coefficients = self.coefficients.copy()
        coefficients[-1, -1] = 0
        return scores(
            am.AssociativeMemory(keys=self.keys, values=self.values, coefficients=coefficients)
        )

    return altered


def coefficients_squared(scores):
    return lambda self: scores(
        am.AssociativeMemory(
            keys=self.keys, values=self.values, coefficients=self.coefficients**2 + 1
        )
    )


def doubled(scores):
    return lambda self: 2 * scores(self)
