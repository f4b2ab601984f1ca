"""The library's sampler of recall, draw by draw, against the law that a derivation ends at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assocmem import capacity
from theory.derivation import Derivation


class RecordedDraws(np.random.Generator):
    """A generator that keeps what it gives, and of which law."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.laws: list[str] = []
        self.numbers: list[np.ndarray] = []

    def chisquare(self, df: Any, size: Any = None) -> Any:
        """Keep the root, χ."""
        numbers = super().chisquare(df, size)
        self.laws.append(f"chi {df}")
        self.numbers.append(np.sqrt(numbers).ravel())
        return numbers

    def standard_normal(self, size: Any = None, *args: Any, **kw: Any) -> Any:
        numbers = super().standard_normal(size, *args, **kw)
        self.laws.append(f"normal {numbers.size}")
        self.numbers.append(numbers.ravel())
        return numbers


def laws(width: int, values: int) -> list[str]:
    """What a draw of linear overlaps takes: its own χ and normal, those of the rivals, h, γ."""
    own = [f"chi {width}", "normal 1"]
    return [*own, f"normal {values - 1}", f"normal {values}", f"chi {width}"]


def decided_alike(
    d: Derivation,
    text: str,
    drawn: list[str],
    decide: Callable[..., Any],
    /,
    *,
    latex: str,
    **arguments: Any,
) -> None:
    """Add a step: the library draws these laws, and decides each draw as the derivation does.

    ``decide`` takes what was drawn, in that order, and says whether the key is recalled. Of 300
    draws some are recalled and some are not.
    """
    found = []
    for seed in range(300):
        rng = RecordedDraws(seed)
        rate = capacity.sampled_recall(**arguments, draws=1, rng=rng)
        alike = rng.laws == drawn and rate.successes == bool(decide(*rng.numbers))
        found.append((alike, rate.successes))
    agree, recalled = np.array(found).T
    d.holds(text, bool(agree.all() and 0 < recalled.sum() < len(found)), latex=latex)


def right_is_first(theta: Any, direction: np.ndarray, gamma: np.ndarray, h: np.ndarray) -> bool:
    """X > Y of C2; the right value comes first in h, direction is that of the other overlaps."""
    cos, sin = np.cos(theta), np.sin(theta)
    along = h[1:] @ direction
    tau = sin * h[0] - cos * along
    wrong = (gamma * sin - tau * cos) * direction + h[1:] - along * direction
    length = np.linalg.norm(wrong)
    return bool((gamma * cos + tau * sin) / length > (wrong / length).max())
