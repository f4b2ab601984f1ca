"""How wide is wide enough: a width at which the three memories are recalled, proved (claim W3)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, exp, inf, log

from assocmem._checks import checked_number, checked_probability
from assocmem.memory import AssociativeMemory
from assocmem.model import FrozenEmbeddings
from assocmem.probes import probe
from assocmem.tasks import InductionTask
from assocmem.topdown.steps import STEPS, top_down
from assocmem.width.arguments import numeric_task
from assocmem.width.moments import cantelli_failure, recall_moments

WIDEST = 1e12  # beyond it no float64 model tells the scores apart


class RecallBound:
    """Upper bound on the probability that some cue is not recalled, at every width.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    memories : mapping of str to AssociativeMemory
        ``W_O2``, ``W_K2`` and ``W_K1``, or some of them: their coefficients, as at infinite width,
        are written with Gaussian embeddings.

    Raises
    ------
    TypeError
        For what is no InductionTask, no mapping, or no memory.

    References
    ----------
    Claim W3: the exact mean and variance of every margin, Cantelli's inequality, and a union bound
    over the wrong answers of all cues.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=8, length=16)
    >>> bound = am.width.RecallBound(task, am.top_down(task, evaluate_on=None).memories)
    >>> print(f"{bound.at(10**4):.2f} {bound.at(10**6):.4f}")
    0.38 0.0046
    """

    def __init__(self, task: InductionTask, memories: Mapping[str, AssociativeMemory]) -> None:
        moments = recall_moments(task, memories)
        limit = FrozenEmbeddings.orthonormal(task)
        self._parts = [(moments[name], probe(name, task, limit)) for name in memories]

    def at(self, width: float) -> float:
        """Return the bound at a width.

        Parameters
        ----------
        width : float
            At least 1.

        Returns
        -------
        float
            No less than 0; it may exceed 1.

        Raises
        ------
        ValueError
            For a width below 1.
        """
        d = checked_number("width", width, "a finite number of at least 1", lambda d: 1 <= d < inf)
        return sum(cantelli_failure(m, d, p.targets, p.among) for m, p in self._parts)


def required_width(
    task: InductionTask,
    delta: float = 0.1,
    *,
    margins: tuple[float, float, float] = (0.5, 10.0, 5.0),
) -> int:
    """Width at which, with probability 1 − δ, all three memories of a task are recalled.

    The memories have the closed-form coefficients of the three steps at these margins, written with
    Gaussian embeddings. The width is proved to suffice; it is 10 to 300 times larger than the width
    at which random draws succeed: see "Which width suffices" in the guide.

    Parameters
    ----------
    task : InductionTask
        The task, with numeric sizes.
    delta : float
        Upper bound δ on the probability that some cue of some memory is not recalled.
    margins : three positive numbers
        The step sizes, as in `top_down`.

    Returns
    -------
    int
        The smallest width at which `RecallBound` is at most δ, or up to 0.2 % more.

    Raises
    ------
    TypeError
        For a task that is no InductionTask with numeric sizes.
    ValueError
        For a δ outside (0, 1), bad margins, a task where a step cannot be taken, and where no width
        up to 10^12 is enough: a memory then recalls not all of its cues at infinite width either,
        or barely.

    References
    ----------
    Claim W3; orders of magnitude in [BCBJB2023], Section 4.

    Examples
    --------
    >>> import assocmem as am
    >>> am.width.required_width(am.InductionTask(n_tokens=8, length=16), 0.1)
    43420
    """
    from scipy.optimize import brentq

    task, delta = numeric_task(task), checked_probability("delta", delta)
    run = top_down(task, margins=margins, evaluate_on=None)
    if run.failure:
        raise ValueError(
            f"task: expected one where all three steps can be taken; got {task}, where "
            f"{run.failure}. Take longer sequences or other margins."
        )
    bound = RecallBound(task, run.memories)
    low, high = log(10), log(WIDEST)
    if bound.at(WIDEST) > delta:
        forgotten = [name for name in STEPS if run.recall[name] < 1]
        raise ValueError(
            f"delta: expected a bound that some width up to {WIDEST:.0e} reaches; got {delta}, "
            f"but the bound is {bound.at(WIDEST):.3g} there. At infinite width "
            f"{' and '.join(forgotten) + ' forgets a cue' if forgotten else 'all is recalled'}: "
            f"take longer sequences, or a smaller second margin."
        )
    if bound.at(exp(low)) <= delta:
        return ceil(exp(low))
    root = brentq(lambda x: bound.at(exp(x)) - delta, low, high, xtol=1e-3)
    return ceil(exp(root + 1e-3))
