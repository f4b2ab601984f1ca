"""Errors that are planted in families of vectors and in their coherence."""

from __future__ import annotations

import numpy as np

from tests.controls import altered_result


def repeated(family):
    """Each vector twice, the second time with the other sign."""

    def draw(n, d, *, rng):
        rows = family(n // 2, d, rng=rng)
        return np.concatenate([rows, -rows])

    return draw


def anisotropic(family):
    """The first coordinate carries twice its share."""

    def draw(n, d, *, rng):
        rows = family(n, d, rng=rng)
        weights = np.r_[np.sqrt(2), np.full(d - 1, np.sqrt((d - 2) / (d - 1)))]
        return rows * weights

    return draw


def mean_coherence(coherence):
    def mean(u, *, normalised=True):
        gram = np.abs(u @ u.T)
        return float(np.mean(gram[~np.eye(len(u), dtype=bool)]))

    return mean


def limits_scaled(low, high):
    return altered_result(lambda band: tuple(np.multiply(band, (low, high))))
