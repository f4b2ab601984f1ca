"""Derivation of S3b-bound: how much the closed form of step 3 at finite lead drops, at most."""

from __future__ import annotations

from typing import Any

import numpy as np

import assocmem as am
from assocmem.gradients.previous_token import PreviousTokenSignal
from assocmem.gradients.roles import FirstReadout, Roles
from assocmem.model.families import REMAPPED_TOKENS, TOKENS
from theory.algebra.patterns import Pattern, patterns
from theory.algebra.population import exact
from theory.algebra.rational import FIELD, c
from theory.derivation import Derivation
from theory.steps.from_the_loss import SETTINGS, pattern_sums
from theory.steps.s3b import tilted, worth_of_sharing

RANGES: dict[str, tuple[int, int, Any]] = {
    "content": (6, 6, 2),
    "all": (6, 6, 2),
    "random": (5, 6, "random"),
}


def derive(d: Derivation, length: int = 6) -> None:
    """The error is the second-order remainder of Taylor's formula along the fluctuation of the
    scores. The variance of the fluctuation is known exactly, and the other factors are bounded by
    ranges that the tables of steps 1 and 2 give.
    """
    attention, weight, of = tilted(2)
    by, read = of["delta"], of["u"]
    d.equal(
        "With scores moved by $x \\delta$ the attention is $a_s \\propto w_s e^{x \\delta_s}$. "
        "Bars are averages over $a$, $\\delta$ and $u$ are centred by them; the second "
        "derivatives in $x$ of $a_t$ and $a_t u_t$ are, here at three positions,",
        [attention, weight],
        [
            of["a"] * (by**2 - of["var"]),
            of["a"] * (read * (by**2 - of["var"]) - 2 * by * of["cov"] - of["third"]),
        ],
        latex=r"a_t (\delta_t^2 - \overline{\delta^2}), \qquad a_t\big(u_t (\delta_t^2 - "
        r"\overline{\delta^2}) - 2 \delta_t\, \overline{\delta u} - \overline{\delta^2 u}\big)",
    )
    shares(d, length)
    for vocabulary, length in (("content", 5), ("random", 4)):
        linear_in_shares(d, length, vocabulary)
    d.say(
        r"$\delta b_s = \sum_r K_{sr}\, \delta\mathrm{share}_r$ with $K = \kappa_w I + \kappa M$, "
        r"$M$ the causal mean, and $\kappa_w$, $\kappa$ what a share is worth by the keys $w_E$ "
        r"and $\Phi_1 w_E$. With $\bar\kappa = \max_s \sum_r |K_{sr}|$ the triangle inequality in "
        r"the mean square gives $\mathbb{E}\, \delta b_s^2 \le \bar\kappa^2 \sigma^2$. As a share "
        r"fluctuates by less than 1, $|\delta b_s| \le \bar\kappa$: on the way from the mean "
        r"scores to the true ones no attention exceeds $\gamma = e^{2 \lambda \bar\kappa}$ times "
        r"that of the mean scores, $a$. So all along, with $\delta = \lambda\, \delta b$, the "
        r"means of $\overline{\delta^2}$ and of the centred $\delta_t^2$ are at most",
        r"\gamma \lambda^2 \bar\kappa^2 \sigma^2, \qquad 4 \gamma \lambda^2 \bar\kappa^2 \sigma^2 "
        r".",
    )
    d.say(
        r"Let $U$ bound the range of $u$, so that $|u_t| \le U$ and $|\overline{\delta u}| \le "
        r"\frac12 U (\overline{\delta^2})^{1/2}$. The first second derivative is then at most "
        r"$4$, the terms of the other at most $4 U$, $U$, $2 U$ and $U$, times $\gamma^2 a_t "
        r"\lambda^2 \bar\kappa^2 \sigma^2$ in the mean. By Taylor's formula what $a_t$ and $a_t "
        r"u_t$ differ by from their "
        "first order is in the mean at most",
        r"2 \gamma^2 a_t \lambda^2 \bar\kappa^2 \sigma^2, \qquad 4 U \gamma^2 a_t \lambda^2 "
        r"\bar\kappa^2 \sigma^2,",
    )
    for vocabulary, sizes in RANGES.items():
        ranges(d, vocabulary, *sizes)
    d.say(
        r"and the first order of $a_t u_t$, of S3b, has a root mean square of at most $\frac52 U "
        r"a_t \lambda \bar\kappa \sigma$. What is dropped in row $t < T$, times $t$, at column "
        r"$r$ is the mean of: the second order of $a_t$ times $v_r - \bar v$, at most $V$; "
        r"$\lambda$ times the second order of $a_t u_t$ times $k_r - \bar k$, at most $X$; and "
        r"$\lambda$ times the first order of $a_t u_t$ times the fluctuation of $k_r - \bar k$, "
        r"whose root mean square is at most $2 |\kappa| \sigma$ (bars here for means over $r \le "
        r"t$). The last by Cauchy and Schwarz, and with the mean over $\tau$ of $a_t$:",
        r"|\text{dropped}_{tr}| \le \frac{\langle a_t \rangle_\tau}{t} \lambda^2 \sigma^2 "
        r"\bar\kappa \Big(4 e^{4 \lambda \bar\kappa} \big(\tfrac12 V + \lambda U X\big) "
        r"\bar\kappa + 5 |\kappa| U\Big)",
    )


def linear_in_shares(d: Derivation, length: int, vocabulary: str) -> None:
    """Given τ the scores are a constant plus K times the shares, pattern by pattern."""
    sums = pattern_sums(length, vocabulary)
    second = am.gradients.second_step(sums.task)
    match, scale = sums.cleared(second)
    wanted = second[TOKENS, REMAPPED_TOKENS].same[0]
    unit = FIELD(1) / (wanted * FIELD(scale * sums.unit**2))
    own, remapped = (worth_of_sharing(second, key) for key in (TOKENS, REMAPPED_TOKENS))
    sharing = exact(np.eye(length, dtype=int)) * own + exact(sums.past) * remapped / sums.unit
    constants: list[list[np.ndarray]] = []
    for tau in range(length - 2):
        content = [r for r in range(length) if r not in (tau, length - 1)]
        constants.append([])
        for pattern in patterns(length, tau):
            rows = sums.stack(sums.streams(pattern))
            scores = exact(rows @ (rows[-1] @ sums.matches(pattern, match))) * unit
            share = exact(pattern.holds @ pattern.holds.sum(axis=0)) / length
            constants[-1].append(scores - sharing[:, content] @ share[content])
    d.equal(
        f"The layer-2 scores at $T = {length}$, {SETTINGS[vocabulary]}, over all patterns: given "
        r"$\tau$ they are a constant plus $K$ times the shares of the content positions.",
        np.array([found[1:] for found in constants]),
        np.array([[found[0]] * (len(found) - 1) for found in constants]),
        latex=r"b_s = b_s^0(\tau) + \sum_r K_{sr}\, \mathrm{share}_r",
    )


def ranges(d: Derivation, vocabulary: str, n: int, length: int, n_triggers: Any) -> None:
    """The library's V, U and X against what occurs."""
    predict: Any = "content" if vocabulary == "content" else "all"
    task = am.InductionTask(n, length, n_triggers, predict)
    first, second = am.gradients.first_step(task), am.gradients.second_step(task)
    signal = PreviousTokenSignal(Roles(task), FirstReadout(Roles(task), first), second)
    batch = task.enumerate()
    x = np.zeros((len(batch), length, n + length))
    np.put_along_axis(x, batch.tokens[:, :, None], 1, axis=2)
    x[:, :, n:] = np.eye(length)
    x1 = np.concatenate([x, np.tri(length) / np.arange(1, length + 1)[:, None] @ x], axis=2)
    g, j = first.coefficients()[batch.targets[:, -1]], second.coefficients()
    copied = np.einsum("bra,ba->br", x, g[:, n + length :])
    read = np.einsum("bra,ba->br", x1, g)
    scored = np.einsum("bra,ba->br", x, (x1[:, -1] @ j)[:, n + length :])
    found = [float(np.ptp(part, axis=1).max()) for part in (copied, read, scored)]
    d.holds(
        f"The library's $V$, $U$, $X$ at $(N, T, K) = ({n}, {length}, {n_triggers})$, "
        f"{SETTINGS[vocabulary]}, $\\hat J_2 = J_2$, bound the largest ranges in a sequence:",
        all(f <= b * (1 + 1e-12) for f, b in zip(found, signal.ranges(), strict=True)),
        latex=r",\; ".join(
            f"{f:.4g} \\le {b:.4g}" for f, b in zip(found, signal.ranges(), strict=True)
        ),
    )


def shares(d: Derivation, length: int) -> None:
    """The variance of the share of the sequence that a content token holds."""
    sums = pattern_sums(length, "content")

    def statistic(pattern: Pattern) -> dict[str, Any]:
        share = pattern.holds @ pattern.holds.sum(axis=0)
        return {"share": share, "square": share * share}

    found = []
    for tau in range(length - 2):
        mean = sums.expectation(statistic, tau=tau)
        variance = mean["square"] - mean["share"] ** 2
        found += [variance[r] for r in range(length) if r not in (tau, length - 1)]
    d.equal(
        "The share of the sequence that the token of a content position holds is $1/T$ times one "
        "plus the number of the $T - 3$ other content positions that hold it, each with "
        f"probability $1/C$, independently. Its variance, by the sum over patterns for $T = "
        f"{length}$:",
        np.array(found),
        exact([(length - 3) * (1 - 1 / c) / c] * len(found)),
        latex=r"\sigma^2 = \frac{(T - 3)(1 - \frac1C)}{C\, T^2}",
    )
