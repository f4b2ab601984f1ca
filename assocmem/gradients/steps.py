"""S1, S2, S3: what the three top-down steps on `InductionTask` write into each matrix.

Population gradients at infinite width, as block tables whose cost depends neither on N nor on the
width. The first layer starts at zero, so that with x_t = w_E(z_t) + p_t

    x¹_s = x_s + (1/s) Σ_{r<=s} Φ₁ x_r ,        o_T = (1/T) Σ_s W_V² x¹_s ,

and everything is a linear form in the one-hot tokens, read through one of two matrices: the
identity (atoms w_E, p) or the causal mean (atoms Φ₁ w_E, Φ₁ p).
"""

from __future__ import annotations

import numpy as np

from assocmem._checks import Array, checked_kind, checked_number, renamed
from assocmem._statistics import softmax
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.gradients.roles import FREE, FirstReadout, Roles
from assocmem.model.blocks import BlockTable
from assocmem.model.families import (
    OUTPUTS,
    POSITIONS,
    REMAPPED_POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    TokenBlock,
)
from assocmem.tasks import InductionTask

Blocks = dict[tuple[str, str], "TokenBlock | Array"]


def first_step(task: InductionTask) -> BlockTable:
    r"""S1: return what the first step writes into W_O2, the output memory and its remapped twin.

    It is :math:`G_1 = -\nabla` with rows :math:`E[(1\{y=k\} - 1/M)\, o_T]`, so that with :math:`h_r
    = \sum_{s \ge r} 1/s` the coefficients are

    .. math::
        w_E(i)&: \tfrac{1}{T} \sum_r E[(1\{y=k\} - 1/M)\, 1\{z_r=i\}]
        & p_r&: (p(y=k) - 1/M) / T \\
        \Phi_1 w_E(i)&: \text{the same with weights } h_r
        & \Phi_1 p_r&: \text{the same times } h_r

    The twin is the remapped memory, on the images under Φ₁.

    Parameters
    ----------
    task : InductionTask
        It may hold SymPy sizes.

    Returns
    -------
    BlockTable
        Of "W_O2": rows are outputs, columns the images under W_V² of the atoms. Exact.

    Raises
    ------
    TypeError
        For a task that is not an InductionTask.

    References
    ----------
    [BCBJB2023], Section 6 and appendix, first step.

    Examples
    --------
    >>> import assocmem as am
    >>> table = am.gradients.first_step(am.InductionTask(n_tokens=10**6, length=256))
    >>> table["outputs", "tokens"].same[-1] > table["outputs", "tokens"].different[-1, -1]
    np.True_
    """
    roles, length = Roles(task), task.length
    label = roles.array([0, 1, 0, 0]) - roles.one / task.n_outputs  # 1{y=k} - 1/M by the role of k
    blocks: Blocks = {}
    for tokens, positions, matrix in _keys(roles):
        weight = matrix.sum(axis=0) * roles.one / length  # 1/T or h_r/T
        occupancy = roles.occurs @ (weight @ roles.mean)  # E Σ_r weight_r 1{z_r=i}
        blocks[OUTPUTS, tokens] = roles.by_pair(np.outer(label, occupancy), label * occupancy)
        blocks[OUTPUTS, positions] = np.outer(roles.by_class(label), weight)
    return BlockTable(task, "W_O2", blocks)


def second_step(task: InductionTask) -> BlockTable:
    r"""S2: return what the second step writes into W_K2 at W_O2 = η₁ G₁, the induction head.

    It is the derivative of -∇ at η₁ = 0, with s uniform on 1..T,

    .. math::
        J_2 = E[x^1_T \otimes \mathrm{Cov}_s(u_s, x^1_s)], \quad
        u_s = w_U(y)^\top G_1 W_V^2 x^1_s:

    a query learns to attend to the positions whose reading by the first memory raises the logit of
    the answer.

    Parameters
    ----------
    task : InductionTask
        It may hold SymPy sizes.

    Returns
    -------
    BlockTable
        Of "W_K2": rows are the query's atoms, columns the key's. Exact, all 16 blocks.

    Raises
    ------
    TypeError
        For what is no InductionTask.

    References
    ----------
    [BCBJB2023], Section 6 and appendix, second step; the closed form at finite N and T is derived
    here.

    Examples
    --------
    >>> import assocmem as am
    >>> am.gradients.second_step(am.InductionTask(n_tokens=32, length=32)).lead > 0
    np.True_
    """
    roles, length = Roles(task), task.length
    readout = FirstReadout(roles, first_step(task))
    centre = (roles.identity - roles.one / length) / length  # Cov_s(u, x) = uᵀ centre x
    mean_readout = readout.mean.sum(axis=0) * roles.one / (length - 2)
    is_trigger = roles.array([1, 0, 0, 0])
    # m_i, the share of Φ₁ w_E(i) in x¹_T, and the shares of p_t and Φ₁ p_t
    share = roles.occurs @ roles.array([length - 3, 2, 1]) * roles.one / length
    last, flat = roles.identity[-1], roles.causal_mean[-1]
    blocks: Blocks = {}
    for tokens, positions, key in _keys(roles):
        form = centre @ key
        by_key, with_share, with_own_share = _token_moments(roles, readout, form)
        blocks[TOKENS, tokens] = roles.by_pair(np.outer(is_trigger, by_key), is_trigger * by_key)
        blocks[REMAPPED_TOKENS, tokens] = roles.by_pair(
            np.outer(share, by_key) + with_share / length, share * by_key + with_own_share / length
        )
        profile = mean_readout @ form  # E[uᵀ F], with which m_i is not correlated
        blocks[TOKENS, positions] = np.outer(roles.by_class(is_trigger), profile)
        blocks[REMAPPED_TOKENS, positions] = np.outer(roles.by_class(share), profile)
        for query, weight in ((POSITIONS, last), (REMAPPED_POSITIONS, flat)):
            blocks[query, tokens] = np.outer(weight, roles.by_class(by_key))
            blocks[query, positions] = np.outer(weight, profile)
    return BlockTable(task, "W_K2", blocks)


def _keys(roles: Roles) -> tuple[tuple[str, str, Array], ...]:
    """Return the two kinds of atoms in x¹_s and the matrix that says how positions enter."""
    return (
        (TOKENS, POSITIONS, roles.identity),
        (REMAPPED_TOKENS, REMAPPED_POSITIONS, roles.causal_mean),
    )


def _token_moments(roles: Roles, readout: FirstReadout, form: Array) -> tuple[Array, Array, Array]:
    """Return E[uᵀ F 1_j] by the role of j, and T Cov(m_i, uᵀ F 1_j) for i ≠ j and for i = j.

    Tokens are independent given (q, o, τ), so with u = Σ U f(z) + v and f̄, 1̄_j the means,

    E[f(z)ᵀ M 1_j(z)] = f̄ᵀ M 1̄_j + Σ_free M_rr Cov(f, 1_j),   M = Uᵀ F,

    and the covariance with m_i = (1/T) Σ_r 1_i(z_r) replaces one factor by its covariance with 1_i.
    The third central moment of (1_i, f, 1_j) is left out: it averages to 0 over o.
    """
    one, c, content = roles.one, roles.content, roles.in_content
    constant = readout.constant @ form
    by_key = roles.occurs @ (constant @ roles.mean)
    against_free = constant @ roles.mean[:, FREE]  # E Σ_free (Fᵀ u)_r, which meets Cov(1_i, 1_j)
    different, same = 0 * np.outer(content, content), 0 * content
    for matrix, f in readout.terms:
        moments, trace = roles.bilinear(matrix.T @ form), roles.free_trace(matrix.T @ form)
        by_key = by_key + roles.occurs @ (f.at_roles @ moments) + f.covariance * trace
        against_free = against_free + f.at_roles @ moments[:, FREE]
        mean_key = roles.occurs @ moments[FREE]
        different = different + np.outer(f.covariance, mean_key)
        same = same + f.covariance * mean_key
    different = different - np.outer(content, content) * against_free / c**2
    same = same + content * against_free * (one / c - one / c**2)
    return by_key, different, same


def third_step(
    task: InductionTask,
    margin: float = 10.0,
    *,
    second: BlockTable | None = None,
    lead: float | None = None,
) -> BlockTable:
    """S3: return what the third step writes into W_K1 at W_O2 = η₁ G₁, W_K2 = λ Ĵ₂: positions only.

    It is the derivative at η₁ = 0 of -∇. Ĵ₂ is J₂ scaled so that the wanted coefficient leads by 1.
    At λ = 0 this is S3a, exact: it has the value path alone, which is nearly constant along a row
    and cannot prefer t - 1. At λ > 0 it is S3b: given τ, layer 2 attends by its mean scores,
    exactly in the softmax, and the fluctuation of the scores enters to first order, in value, key
    and query. With fixed triggers, the relative error falls with the third power of the number of
    content tokens; `third_step_error` bounds it.

    Parameters
    ----------
    task : InductionTask
        With SymPy sizes, only λ = 0 is possible.
    margin : float
        The second margin λ >= 0 of `top_down`: the lead of the wanted score of layer 2.
    second : BlockTable, optional
        Ĵ₂, a multiple of `second_step`; by default the one whose lead is 1.
    lead : float, optional
        Deprecated name of ``margin``.

    Returns
    -------
    BlockTable
        Of "W_K1": its position block.

    Raises
    ------
    ValueError
        For a negative or non-finite margin, for a task whose step 2 does not lead (pass
        ``second``), and for a table of another task.
    TypeError
        For SymPy sizes with λ > 0.

    References
    ----------
    [BCBJB2023], Section 6 and appendix, third step; the closed forms are derived here.

    Examples
    --------
    >>> import assocmem as am
    >>> table = am.gradients.third_step(am.InductionTask(n_tokens=32, length=32))
    >>> row = table["positions", "positions"][20]  # of position 20, counted from 0
    >>> int(row.argmax())
    19
    """
    if lead is not None:
        renamed("lead=", "margin=", "The lead of a table is another number.")
        margin = lead
    checked_kind("task", task, InductionTask)
    margin = checked_number(
        "margin", margin, "a finite number, 0 or more", lambda margin: 0 <= margin < np.inf
    )
    if margin > 0 and task.is_symbolic:
        raise TypeError(
            f"margin: expected 0 with SymPy sizes, as the softmax needs numbers; got {margin!r}. "
            f"Build the task with integers."
        )
    if second is None and margin == 0:
        second = second_step(task)  # the value path does not depend on it
    signal = _signal(task, second)
    if margin == 0:
        total = signal.value(signal.uniform)
    else:
        a = _attention(signal, margin)
        with np.errstate(over="ignore", invalid="ignore"):
            total = signal.value(a) + margin * signal.through_scores(a, margin)
        if not np.isfinite(total).all():
            raise _too_large(margin)
    return BlockTable(task, "W_K1", {(POSITIONS, POSITIONS): signal.block(total)})


def third_step_slope(task: InductionTask, *, second: BlockTable | None = None) -> BlockTable:
    """S3a: return the derivative of `third_step` at λ = 0, the part that can prefer position t - 1.

    Parameters
    ----------
    task, second
        As in `third_step`.

    Returns
    -------
    BlockTable
        Of "W_K1": its position block.

    Raises
    ------
    TypeError, ValueError
        As `third_step`.

    Examples
    --------
    >>> import assocmem as am
    >>> table = am.gradients.third_step_slope(am.InductionTask(n_tokens=32, length=32))
    >>> int(table["positions", "positions"][20].argmax())
    19
    """
    signal = _signal(task, second)
    tilt = signal.scores - (signal.uniform * signal.scores).sum(axis=1, keepdims=True)
    total = signal.value(signal.uniform * tilt) + signal.through_scores(signal.uniform, 0)
    return BlockTable(task, "W_K1", {(POSITIONS, POSITIONS): signal.block(total)})


def third_step_error(
    task: InductionTask, margin: float = 10.0, *, second: BlockTable | None = None
) -> Array:
    """Upper bound on the error of `third_step`, for the entries of each row t < T.

    The bound is safe rather than sharp. Relative to the entries of the step it falls like C⁻³, with
    C the number of content tokens. It is 0 at margin 0, and infinite at margins so large that it
    overflows.

    Parameters
    ----------
    task, margin, second
        As in `third_step`; sizes must be numbers.

    Returns
    -------
    array, shape (T - 1,)
        One bound for each row, in units of the coefficients of `third_step`.

    Raises
    ------
    TypeError, ValueError
        As `third_step`.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=1000, length=64)
    >>> step = am.gradients.third_step(task, 1.0)["positions", "positions"]
    >>> error = am.gradients.third_step_error(task, 1.0)
    >>> bool((error[1:] / abs(step).max(axis=1)[1:-1]).max() < 1e-8)  # row 0 is one entry, 0
    True
    """
    checked_kind("task", task, InductionTask)
    margin = checked_number(
        "margin", margin, "a finite number, 0 or more", lambda margin: 0 <= margin < np.inf
    )
    if task.is_symbolic:
        raise TypeError(
            f"task: expected sizes that are numbers; got {task!r}. Build it with integers."
        )
    signal = _signal(task, second)
    return signal.dropped_at_most(_attention(signal, margin), margin)


def _attention(signal: PreviousTokenSignal, margin: float) -> Array:
    """Layer-2 attention given τ at its mean scores."""
    with np.errstate(over="ignore"):
        scores = margin * signal.scores
    if not np.isfinite(scores).all():
        raise _too_large(margin)
    return softmax(scores)


def _too_large(margin: float) -> ValueError:
    return ValueError(
        f"margin: expected one whose step float64 holds; got {margin:g}. Attention has settled "
        f"long before: take a smaller one."
    )


def _signal(task: InductionTask, second: BlockTable | None) -> PreviousTokenSignal:
    checked_kind("task", task, InductionTask)
    if second is None:
        second = second_step(task)
        if not second.lead > 0:
            raise ValueError(
                f"task: expected one where step 2 has a positive lead, by which it is scaled; got "
                f"{second.lead:.3g}. Pass second=, in units of your choice."
            )
        second = second / second.lead
    checked_kind("second", second, BlockTable)
    if second.matrix != "W_K2" or second.task != task:
        raise ValueError(
            f"second: expected a multiple of second_step({task}); got {second!r}. Take the same "
            "task."
        )
    roles = Roles(task)
    return PreviousTokenSignal(roles, FirstReadout(roles, first_step(task)), second)
