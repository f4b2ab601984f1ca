"""S3: through the scores of layer 1, exactly at small λ and to leading order in C at finite λ."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Symbol, exp

import assocmem as am
from assocmem.blocks import (
    REMAPPED_TOKENS,
    TOKENS,
    BlockTable,
)
from theory.derivation import Derivation
from theory.derivations.from_the_loss import (
    LENGTHS,
    SETTINGS,
    agree,
    first_table,
    in_words,
    law_of_patterns,
    pattern_sums,
    second_table,
    softmax_at_zero,
)
from theory.patterns import Pattern
from theory.population import VOCABULARIES, PatternSums, exact, through_softmax
from theory.rational import FIELD, RING, C, c, degree

Array = NDArray[Any]


def derive_S3a(d: Derivation, lengths: tuple[int, ...] = LENGTHS) -> None:
    d.say(
        r"As in step 2, at $W_O^2 = \eta_1 G_1$ the derivative at $\eta_1 = 0$ of the loss is "
        r"that of $-\mathbb{E} \sum_s a_s u_s$, now with $a_s = \sigma(b)_s$, "
        r"$b_s = \lambda\, x^{1\top}_T \hat J_2 x^1_s$."
    )
    stream_of_one_position(d)
    softmax_at_zero(d)
    d.say(
        r"For layer 1 the same formula holds with $x^1_t$ in place of the read value: more score "
        r"of $t$ on $r$ moves $x^1_t$ along $\frac1t (\Phi_1 x_r - \frac1t \sum_{r' \le t} \Phi_1 "
        r"x_{r'})$. The score is $p_t^\top W_K^1 p_r$ plus blocks with tokens, which gives the "
        "statement's position block."
    )
    u, b, tilt = sympy.symbols("u_1:4"), sympy.symbols("b_1:4"), Symbol("lambda")
    weights = [exp(tilt * s) for s in b]
    a = [w / sum(weights) for w in weights]
    d.equal(
        r"Value $A$: at $\lambda = 0$ attention is uniform and $D_t = \frac1T G_1^\top w_U(y)$. "
        r"Slope $B$: the attention tilts (three positions), and the two other parts of $D_t$, "
        r"which have a factor $\lambda$, are taken at uniform attention.",
        [sympy.diff(p, tilt).subs(tilt, 0) for p in a],
        [(s - sum(b) / 3) / 3 for s in b],
        latex=r"\frac{d a_s}{d\lambda}\Big|_0 = \frac1T \big(b_s - \bar b\big)",
    )
    d.equal(
        r"At $\lambda = 0$ the read value is the mean of $u$.",
        sum(p * v for p, v in zip(a, u, strict=True)).subs(tilt, 0),
        sum(u) / 3,
        latex=r"\sum_s a_s u_s|_{\lambda=0} = \bar u",
    )
    law_of_patterns(d)
    for vocabulary in VOCABULARIES:
        values, slopes = [], []
        for t in lengths:
            sums, second = pattern_sums(t, vocabulary), second_table(t, vocabulary)
            value, slope = sums.third_step(first_table(t, vocabulary), second)
            values.append((value, am.gradients.third_step(sums.task, 0, second=second)))
            slopes.append((slope, am.gradients.third_step_slope(sums.task, second=second)))
        for name, pairs in (("value $A$", values), ("slope $B$", slopes)):
            agree(
                d,
                f"Sum over the patterns: the {name} is the library's, as a rational function of "
                f"$C$ and $K$, for $T$ = {in_words(lengths)} ({SETTINGS[vocabulary]}).",
                pairs,
            )
    d.say(
        "The same identities at $T = 7$ and $8$ are among the slow tests. Beyond, they rest on the "
        "library's use of the same independence given $(q, o, \\tau)$ at every $T$."
    )


def stream_of_one_position(d: Derivation) -> None:
    """How Σ a_s u_s changes when one x¹_t moves: the three parts of D_t."""
    eps, lam = Symbol("epsilon"), Symbol("lambda")
    u, b = sympy.symbols("u_1:4"), sympy.symbols("b_1:4")
    value, key, query = Symbol("v"), Symbol("k"), sympy.symbols("q_1:4")
    for t, last in ((0, False), (2, True)):
        scores = [s + (eps * lam * key if i == t else 0) for i, s in enumerate(b)]
        if last:
            scores = [s + eps * lam * q for s, q in zip(scores, query, strict=True)]
        values = [v + (eps * value if i == t else 0) for i, v in enumerate(u)]
        total = sum(exp(s) for s in scores)
        read = sum(exp(s) * v for s, v in zip(scores, values, strict=True)) / total
        a = [exp(s) / sum(exp(r) for r in b) for s in b]
        mean = sum(w * v for w, v in zip(a, u, strict=True))
        right = a[t] * value + a[t] * (u[t] - mean) * lam * key
        if last:
            right += sum(w * (v - mean) * lam * q for w, v, q in zip(a, u, query, strict=True))
        d.equal(
            f"If $x^1_t$ moves by $\\epsilon \\delta$, {'t = T' if last else 't < T'}, then $u_t$ "
            r"moves by $\epsilon v$, $v = w_U(y)^\top G_1 W_V^2 \delta$, the score $b_t$ by "
            r"$\epsilon \lambda k$, $k = x^{1\top}_T \hat J_2 \delta$"
            + (
                r", and as $t$ is also the query every score $b_s$ by $\epsilon \lambda q_s$, "
                r"$q_s = \delta^\top \hat J_2 x^1_s$ (three positions):"
                if last
                else " (three positions):"
            ),
            sympy.diff(read, eps).subs(eps, 0),
            right,
            latex=r"\frac{d}{d\epsilon}\Big|_0 \sum_s a_s u_s = a_t v + a_t (u_t - \bar u)"
            r"\, \lambda k" + (r" + \sum_s a_s (u_s - \bar u)\, \lambda q_s" if last else ""),
        )


def derive_S3b(d: Derivation, lengths: tuple[int, ...] = (5, 6)) -> None:
    d.say(
        r"Write, given $\tau$, $b = \mathbb{E}[b|\tau] + \delta b$ for the layer-2 scores at "
        r"$\lambda = 1$. In $D_t$ of S3a the attention is $a(\mathbb{E} b) + \delta a$. Kept: "
        r"$\mathbb{E}[D_t \cdot \Phi_1 x_r]$ at $a(\mathbb{E} b)$, exactly, and in the value path "
        r"the first order of $\delta a$. Dropped: the second order of $\delta a$ in the value "
        "path, and the first in key and query. The orders below are at fixed $T$, $K$ and "
        r"$\lambda$, fixed triggers; units are $1/C$ for $u$ (the order of $G_1$) and the wanted "
        r"coefficient of $J_2$ for $b$."
    )
    coincidences(d, lengths[0])
    for length in lengths:
        fluctuations(d, length)
    fluctuations(d, lengths[0], "all")
    d.say(
        r"Orders multiply. $\delta b$ takes finitely many values given $\tau$, all $O(\kappa) = "
        r"O(1/C)$, and it is nearly constant: it differs from a value of order $\kappa / C$ only "
        r"if two of the $T - 2$ content positions coincide, of probability $O(1/C)$. So "
        r"$\mathbb{E}|\delta b|^m = O(\kappa^m / C)$ for $m \ge 1$. The softmax is smooth with "
        r"bounded derivatives, so the second order in the value path is $O(\kappa^2 / C) = "
        r"O(C^{-3})$."
    )
    d.say(
        r"First order in key and query: $\mathbb{E}[\delta b\, X]$ with $X$ a product of $u_t - "
        r"\bar u$ and a score, a bounded function of the tokens given $\tau$. As "
        r"$\mathbb{E}\,\delta b = 0$, subtract from $X$ its value $X_0$ without coincidence: "
        r"$|\mathbb{E}[\delta b (X - X_0)]| \le O(\kappa)\, P(\text{coincidence}) = O(C^{-2})$. "
        r"The order is attained, by the term in $\lambda^2$ above."
    )
    d.say(
        r"For $t < T$ what is kept is of order 1: $\mathbb{E} u$ and $\mathbb{E} b$ vary with the "
        r"position through $\tau$ already for $C \to \infty$ (the lead of $J_2$ is not zero there, "
        r"see S2-sign). The relative size of the dropped part is therefore $O(C^{-2})$."
    )
    sums = pattern_sums(lengths[0], "random")
    second = am.gradients.second_step(sums.task)
    _, orders = orders_in_c(sums, first_table(lengths[0], "random"), second)
    d.equal(
        f"Fixed triggers are needed. With random triggers, $T = {lengths[0]}$, every token is a "
        r"trigger of some sequence: $\kappa$ and the dropped term in $\lambda^2$ are of order 1.",
        [degree(worth_of_sharing(second, TOKENS)), orders["key"], orders["kept"]],
        [0, 0, 0],
        latex=r"\kappa = \Theta(1),\quad \text{dropped} = \Theta(\lambda^2),\quad "
        r"\text{kept} = \Theta(1)",
    )


def fluctuations(d: Derivation, length: int, vocabulary: str = "content") -> None:
    """Exact moments of scores and readout, and their orders in C."""
    where = f"$T = {length}$, {SETTINGS[vocabulary]}:"
    sums = pattern_sums(length, vocabulary)
    second = am.gradients.second_step(sums.task)
    for name, text in (
        (TOKENS, "its own key $w_E$"),
        (REMAPPED_TOKENS, "the remapped key $\\Phi_1 w_E$"),
    ):
        kappa = worth_of_sharing(second, name)
        d.equal(
            f"{where} a content token scores $\\kappa$ times its share of the sequence on top of "
            f"what all content tokens score; by {text}, in units of the wanted coefficient:",
            degree(kappa),
            -1,
            latex=r"\kappa \sim " + sympy.latex(_leading(kappa)),
        )
    moments, dropped = orders_in_c(sums, first_table(length, vocabulary), second)
    d.equal(
        f"{where} the largest orders in $C$, over $\\tau$ and all positions, of the means of $u$ "
        "and $b$ and of their covariances given $\\tau$, from the sums over patterns.",
        [moments[name] for name in ("u", "b", "bu", "bb")],
        [0, 0, -2, -3],
        latex=r"\mathbb{E} u,\ \mathbb{E} b = \Theta(1),\quad \mathrm{Cov}(b_s, u_t) = "
        r"\Theta(C^{-2}),\quad \mathrm{Cov}(b_s, b_t) = \Theta(C^{-3})",
    )
    d.equal(
        f"{where} the dropped part itself at its lowest order in $\\lambda$, which is "
        r"$\lambda^2$, rows $t < T$: with $\delta$ for $\delta b$ less its mean over $s$, the "
        "orders of the value path, of the key, and of what is kept ($A$).",
        [dropped[name] for name in ("value", "key", "kept")],
        [-3, -2, 0],
        latex=r"\tfrac{1}{2T} \mathbb{E}[(\delta_t^2 - \overline{\delta^2}) v_r] = \Theta(C^{-3}),"
        r"\quad \tfrac1T \mathbb{E}[(\delta_t (u_t - \bar u) - \overline{\delta u}) k_r] = "
        r"\Theta(C^{-2})",
    )


def worth_of_sharing(second: BlockTable, key: str) -> Any:
    """κ, in units of the wanted coefficient."""
    block, wanted = second[REMAPPED_TOKENS, key], second[TOKENS, REMAPPED_TOKENS].same[0]
    return (block.same[-1] - block.different[-1, -1]) / wanted


def orders_in_c(
    sums: PatternSums, first: BlockTable, second: BlockTable
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Largest degrees in C of moments given τ, and of the parts of the third step.

    In units of the leading order of G₁, 1/C, and of the wanted coefficient of J₂.
    """
    length, (read, scale), (match, match_scale) = (
        sums.length,
        sums.cleared(first),
        sums.cleared(second),
    )
    of_u = c / FIELD(scale * sums.unit)
    of_b = 1 / (second[TOKENS, REMAPPED_TOKENS].same[0] * FIELD(match_scale * sums.unit**2))
    centre = length * np.eye(length, dtype=int).astype(object) - 1  # T (1 - mean over s)
    moments: dict[str, Any] = {}
    parts: dict[str, Any] = {}

    def seen(pattern: Pattern) -> tuple[Array, ...]:
        """u and b at every position, v and k of every Φ₁ x_r."""
        rows, j = sums.stack(sums.streams(pattern)), sums.matches(pattern, match)
        g, remapped = sums.stack(sums.readout(pattern, read)), sums.remapped(pattern)
        as_query = rows[-1] @ j
        return rows @ g, rows @ as_query, remapped @ g, remapped @ as_query

    def means(pattern: Pattern) -> dict[str, Array]:
        u, b, _, _ = seen(pattern)
        return {"u": u, "b": b, "bu": np.outer(b, u), "bb": np.outer(b, b)}

    for tau in range(length - 2):
        mean = sums.expectation(means, tau=tau)
        for name, unit in (("bu", of_b * of_u), ("bb", of_b * of_b)):
            covariance = (mean[name] - np.outer(mean[name[0]], mean[name[1]])) * unit
            moments[name] = max(_degree(covariance), moments.get(name, -np.inf))
        for name, unit in (("u", of_u), ("b", of_b)):
            moments[name] = max(_degree(mean[name] * unit), moments.get(name, -np.inf))
        many = RING.gens[0] ** (length - 2)  # clears the denominators of E[b|τ]
        expected = np.array([(many * e).to_poly() for e in mean["b"]] + [None])[:-1]

        def lost(
            pattern: Pattern, many: Any = many, expected: Array = expected
        ) -> dict[str, Array]:
            u, b, v, k = seen(pattern)
            delta = centre @ (b * many - expected)
            square, product = delta * delta, delta * (centre @ u)
            mixed = length * product - (delta * u).sum() * length
            return {
                "value": np.outer(centre @ square, v),
                "key": np.outer(mixed, k),
                "kept": np.outer([1] * length, v),
            }

        n, cleared = FIELD(length), FIELD(many)
        for name, part in sums.expectation(lost, tau=tau).items():
            unit = {
                "value": of_u * sums.unit * (of_b / (cleared * n)) ** 2 / (2 * n * n),
                "key": of_u * (of_b / cleared) * (of_b * sums.unit) / n**4,
                "kept": of_u * sums.unit / n,
            }[name]
            parts[name] = parts.get(name, 0) + part * unit
    orders = {name: _degree(through_softmax(part)[:-1]) for name, part in parts.items()}
    return moments, orders


def _degree(array: Array) -> Any:
    return max(degree(e) for e in array.ravel())


def coincidences(d: Derivation, length: int) -> None:
    """Cov(f(z_p), share of z_r) given τ, for f = 1{z = o}, whose surplus is 1 - 1/C."""
    sums = pattern_sums(length, "content")

    def statistic(pattern: Pattern) -> dict[str, Any]:
        holds = pattern.holds
        f, share = holds[:, pattern.output], holds @ holds.sum(axis=0)
        return {"f": f, "share": share, "both": np.outer(f, share)}

    worth = (1 - 1 / c) / c
    found, expected = [], []
    for tau in range(length - 2):
        mean = sums.expectation(statistic, tau=tau)
        found.append(mean["both"] - np.outer(mean["f"], mean["share"]))
        free = [s not in (tau, tau + 1, length - 1) for s in range(length)]
        expected.append(
            exact(
                [
                    [worth if free[p] and r in (p, tau + 1) else 0 for r in range(length)]
                    for p in range(length)
                ]
            )
        )
    d.equal(
        f"A coincidence is worth the surplus of the output: for a function $f$ of one token, with "
        r"surplus $f(o) - \mathbb{E} f$ over the content, position $p$ free and $r = p$ or $r = "
        r"\tau + 1$ (0 otherwise). By the sum over patterns for $T = "
        f"{length}$, $f = 1\\{{z = o\\}}$:",
        np.array(found),
        np.array(expected),
        latex=r"\mathrm{Cov}(f(z_p), \text{share of } z_r \,|\, \tau)"
        r" = \frac{\text{surplus}(f)}{T C}",
    )


def _leading(value: Any) -> Any:
    """The leading term at large C."""
    order = degree(value)
    limit = sympy.limit(value.as_expr() * C ** (-order), C, sympy.oo)
    return sympy.factor(limit) * C**order
