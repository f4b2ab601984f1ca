"""A checked case: predicted against measured, and a verdict that follows from the numbers alone.

The kind of a claim says how the two are compared:

    equal, rate, empirical   |measured - predicted| <= tolerance
    upper                    predicted - tolerance <= measured <= predicted (tolerance: how tight)
    lower                    predicted <= measured <= predicted + tolerance (tolerance: how tight)
    high_prob                measured <= predicted + tolerance (measured: how often it failed;
                             tolerance: the sampling error of that frequency)
    order                    the sign of a difference, over independent pairs of fresh runs:
                             predicted is 1 or -1, measured the mean of the signs. All pairs as
                             predicted confirm it, all the other way refute it, and it is undecided
                             otherwise: if neither sign is the likelier one, n pairs give a false
                             verdict of either kind with probability 2⁻ⁿ at most, whatever the
                             distribution of the difference.

Every tolerance is derived: a multiple of the rounding error, z standard errors, or a bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from theory.record import Claim

Profile = Literal["quick", "full"]

# What the tolerance of a case rests on:
#
#     identity     rounding: two ways to compute one thing
#     enumeration  rounding: every sequence of a small task, or every pattern of equal tokens
#     bound        a remainder or an inequality that is proved
#     estimate     the error of a limit or a slope, estimated from what it is computed from
#     statistics   draws: a false alarm has probability FALSE_ALARM at most
#     pairs        the signs of ten pairs of runs: a false verdict has probability 2⁻¹⁰ at most
#     range        limits that the claim states, and that nothing proves
Evidence = Literal["identity", "enumeration", "bound", "estimate", "statistics", "pairs", "range"]

# A statistical check fails by chance with at most this probability.
FALSE_ALARM = 1e-6

# Pairs of runs behind an order: a false verdict has a probability of 2⁻¹⁰, one in a thousand.
PAIRS = 10

# Relative rounding of an entry that about a thousand floating-point operations produce.
ROUNDING = 2**10 * float(np.finfo(float).eps)


@dataclass(frozen=True)
class Case:
    """One row of the report. ``case`` says in a few words what was compared, and where.

    ``evidence`` says what it rests on, ``undecided`` why the numbers, though they were measured,
    decide nothing: such a case neither holds nor fails. ``part`` is the letter of the proposition
    that it tests, of a claim that has several. ``scale`` is the size of what is compared,
    which `power` refers to: |predicted| when left out, or 1 where that is 0, as it is for
    differences that are relative already. ``sees`` is the power of a count that a number stands
    behind: the relative change of that number which changes the count for certain.
    """

    case: str
    predicted: float
    measured: float
    tolerance: float
    seconds: float = 0.0
    evidence: Evidence = "identity"
    scale: float | None = None
    sees: float | None = None
    undecided: str = ""
    part: str = ""

    def __post_init__(self) -> None:
        for name in ("predicted", "measured", "tolerance"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.tolerance < 0:
            raise ValueError(
                f"tolerance: expected a number >= 0 in the case {self.case!r}; got "
                f"{self.tolerance}. A bound that is met by less than nothing holds for no number."
            )
        if self.scale is not None and not self.scale > 0:
            raise ValueError(
                f"scale: expected a positive size in the case {self.case!r}; got {self.scale}."
            )

    def of(self, part: str) -> Case:
        """The same case of one part of its claim.

        >>> Case("one", predicted=2, measured=2, tolerance=0).of("b").part
        'b'
        """
        return replace(self, part=part)

    def passed(self, kind: str) -> bool | None:
        """Whether the measurement agrees with the prediction; None when that is undecided."""
        if self.undecided:
            return None
        excess = self.measured - self.predicted
        low, high = {
            "upper": (-self.tolerance, 0.0),
            "lower": (0.0, self.tolerance),
            "high_prob": (-np.inf, self.tolerance),
        }.get(kind, (-self.tolerance, self.tolerance))
        return bool(low <= excess <= high)  # False for NaN

    def power(self, kind: str) -> float | None:
        """The smallest relative error of the prediction that this case catches for certain.

        Where nothing may be off, as between two counts or two answers, any error of the count is
        seen, but how far a coefficient moves before the count does, the two do not tell: `sees`,
        or None.

        An error e of a prediction p, in the less favourable direction, turns the verdict once

            equal, rate, empirical   |e| > tolerance + |measured - p|
            upper, lower             |e| > the larger of |measured - p| and tolerance - that
            high_prob                e > tolerance: a true frequency of p + e is then measured
            order                    the sign is the prediction: its change is one of size 2

        A case that does not see an error of the size of its quantity, power >= 1, checks nothing.

        >>> Case("one", predicted=2, measured=2.5, tolerance=1).power("equal")
        0.75
        """
        excess = abs(self.measured - self.predicted)
        if self.tolerance == 0 and excess == 0:
            return self.sees
        seen = {
            "upper": max(excess, self.tolerance - excess),
            "lower": max(excess, self.tolerance - excess),
            "high_prob": self.tolerance,
        }.get(kind, self.tolerance + excess)
        return float(seen / (self.scale or abs(self.predicted) or 1.0))


@dataclass(frozen=True)
class Context:
    """What a check or a figure may depend on: its random generator and the profile.

    ``about`` says in words how to repeat it: the command and the seed. ``folder`` is where a long
    run may keep what it finished.
    """

    rng: np.random.Generator
    profile: Profile = "quick"
    about: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def full(self) -> bool:
        """Whether the full profile runs: more sizes, more draws."""
        return self.profile == "full"

    def runs(self, name: str) -> Path | None:
        """The folder of this name for runs to be taken up again; None for those that are short."""
        return self.folder / name if self.full and self.folder is not None else None


Check = Callable[[Context], Iterable[Case]]


def run(claim: Claim, check: Check, seed: int, profile: Profile) -> Iterator[Case]:
    """Run one check, timing each case; its randomness depends on the seed and the claim only.

    Raises ValueError for a case that does not name the part of the claim that it tests, and at the
    end for a part that no case tests.
    """
    rng = np.random.default_rng([seed, *claim.id.encode()])
    parts, tested = claim.parts or ("",), set()
    started = time.perf_counter()
    for case in check(Context(rng, profile)):
        now = time.perf_counter()
        if case.part not in parts:
            raise ValueError(
                f"{claim.id}, {case.case!r}: expected the part that it tests, one of {parts}; got "
                f"{case.part!r}. Mark it: `case.of(part)`."
            )
        tested.add(case.part)
        yield replace(case, seconds=now - started)
        started = time.perf_counter()
    if tested and (left := sorted(set(parts) - tested)):
        raise ValueError(f"{claim.id}: expected a case for every part; got none for {left}.")


def order(name: str, differences: Any, predicted: float = 1) -> Case:
    """The sign of a difference, from one number for each pair of runs.

    >>> import numpy as np
    >>> order("x", np.arange(PAIRS) - 0.5).undecided
    '9 of 10 pairs as predicted'
    """
    differences = np.asarray(differences, dtype=float)
    if differences.shape != (PAIRS,):
        raise ValueError(f"{name}: expected {PAIRS} differences; got shape {differences.shape}.")
    if predicted not in (1, -1):
        raise ValueError(f"{name}: expected a sign, 1 or -1, as prediction; got {predicted!r}.")
    mean = float(np.sign(differences).mean())
    agree = int((np.sign(differences) == predicted).sum())
    open_ = "" if abs(mean) == 1 or np.isnan(mean) else f"{agree} of {PAIRS} pairs as predicted"
    return Case(name, predicted, mean, 0, evidence="pairs", undecided=open_)


def between(case: str, low: float, high: float, measured: float, evidence: Evidence) -> Case:
    """A measured number within a range, ends included, for a claim that is no bound.

    The scale of its power is the end that is larger in size, whatever was measured: a change by as
    much as the range admits at most is seen if its power is below 1.

    >>> between("a share", 0, 0.5, measured=0.2, evidence="range").power("empirical")
    0.6
    """
    middle, half, scale = (low + high) / 2, (high - low) / 2, max(abs(low), abs(high))
    return Case(case, middle, measured, half, scale=scale, evidence=evidence)


def largest(array: Any) -> float:
    """Return the largest absolute entry."""
    return float(np.abs(np.asarray(array, dtype=float)).max())


def agreement(
    name: str,
    closed_form: Any,
    measured: Any,
    rounding: float,
    *,
    evidence: Evidence = "identity",
) -> Case:
    """Compare two arrays entry by entry: the largest difference over the largest entry is 0.

    ``rounding`` is the relative tolerance that floating point explains.
    """
    closed_form, measured = np.asarray(closed_form, float), np.asarray(measured, float)
    if closed_form.shape != measured.shape:
        raise ValueError(
            f"{name}: expected one shape; got {closed_form.shape} and {measured.shape}. Compare "
            f"arrays of the same entries."
        )
    difference = largest(closed_form - measured) / largest(measured)
    return Case(name, 0.0, difference, rounding, evidence=evidence)
