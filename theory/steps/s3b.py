"""Derivation of S3b: step 3 at finite lead: what is kept, and the order in C of what is dropped."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy

import assocmem as am
from assocmem import _statistics
from assocmem.model.blocks import BlockTable
from assocmem.model.families import POSITIONS, REMAPPED_TOKENS, TOKENS
from theory.algebra.calculus import symbols
from theory.algebra.patterns import Pattern
from theory.algebra.population import PatternSums, exact, through_softmax
from theory.algebra.rational import FIELD, RING, C, c, degree
from theory.derivation import Derivation
from theory.steps.from_the_loss import SETTINGS, first_table, pattern_sums, second_table

# What is kept is compared with the library at these T, C, K and λ, where attention is neither
# uniform nor at one position.
COMPARED = {"content": (5, 5, 2, 0.1), "all": (5, 6, 1, 1.0), "random": (6, 20, 1, 0.05)}


def derive(d: Derivation, lengths: tuple[int, ...] = (5, 6)) -> None:
    """Given the place of the trigger, the scores of layer 2 fluctuate only where content tokens
    coincide, which has a probability and an effect of order $1/C$ each. If the mean is kept in the
    softmax and the fluctuation to first order, the relative error is of order $C^{-3}$.
    """
    d.say(
        r"Write, given $\tau$, $b = \mathbb{E}[b|\tau] + \delta b$ for the layer-2 scores at "
        r"$\lambda = 1$. In $D_t$ of S3a the attention is $a(\mathbb{E} b) + \delta a$, to first "
        r"order $\delta a_t = \lambda a_t (\delta b_t - \sum_s a_s \delta b_s)$. Kept: "
        r"$\mathbb{E}[D_t \cdot \Phi_1 x_r]$ at $a(\mathbb{E} b)$, exactly, and the first order "
        r"of $\delta a$ where it meets what the label reads, $v_r = w_U(y)^\top G_1 \Phi_1 x_r$ "
        r"in the value path and $u$ in key and query. Dropped: the second order of $\delta a$, "
        r"and its "
        "first where it meets the fluctuation of the key or query. The orders below are at fixed "
        r"$T$, $K$ and $\lambda$, fixed triggers; units are $1/C$ for $u$ (the order of $G_1$) and "
        r"the wanted coefficient of $J_2$ for $b$."
    )
    weight_by_first_order(d)
    coincidences(d, lengths[0])
    with d.aside("Bookkeeping at small lengths: orders in $C$, and the library's table"):
        for length in lengths:
            fluctuations(d, length)
        fluctuations(d, lengths[0], "all")
        for vocabulary, sizes in COMPARED.items():
            kept_part(d, vocabulary, *sizes)
    d.say(
        r"Orders multiply. $\delta b$ takes finitely many values given $\tau$, all $O(\kappa) = "
        r"O(1/C)$, and it is nearly constant: it differs from a value of order $\kappa / C$ only "
        r"if two of the $T - 2$ content positions coincide, of probability $O(1/C)$. So "
        r"$\mathbb{E}|\delta b|^m = O(\kappa^m / C)$ for $m \ge 1$. The softmax is smooth with "
        r"bounded derivatives, so whatever is of second order in $\delta b$ is $O(\kappa^2 / C) = "
        r"O(C^{-3})$: the second order of $\delta a$, and its first times the fluctuation of a key "
        r"or query, which is $\kappa$ times a function of the coincidences too, as $\delta b$ is. "
        r"The first order of $\delta a$ with $u$, which is kept, is $O(\kappa / C) = O(C^{-2})$."
    )
    d.say(
        r"For $t < T$ what is kept is of order 1: $\mathbb{E} u$ and $\mathbb{E} b$ vary with the "
        r"position through $\tau$ already for $C \to \infty$ (the lead of $J_2$ is not zero there, "
        r"see T-S2). The relative size of the dropped part is therefore $O(C^{-3})$, and the "
        r"term in $\lambda^2$ above attains the order."
    )
    sums = pattern_sums(lengths[0], "random")
    second = am.gradients.second_step(sums.task)
    _, orders = orders_in_c(sums, first_table(lengths[0], "random"), second)
    d.equal(
        f"Fixed triggers are needed. With random triggers, $T = {lengths[0]}$, every token is a "
        r"trigger of some sequence: $\kappa$ and the first order that is kept are of order 1, and "
        r"the dropped term in $\lambda^2$ falls like $1/C$ only.",
        [degree(worth_of_sharing(second, TOKENS))]
        + [orders[name] for name in ("shared", "value", "key", "kept")],
        [0, 0, -1, -1, 0],
        latex=r"\kappa = \Theta(1),\quad \text{dropped} = \Theta(\lambda^2 / C),\quad "
        r"\text{kept} = \Theta(1)",
    )


def tilted(order: int) -> tuple[Any, Any, dict[str, Any]]:
    """Derivatives at x = 0 of a_1 and of a_1 (u_1 - ū) for a ∝ w exp(x δ), three positions.

    Third: the averages over a = w / Σ w that they are expressed by, of δ and u centred.
    """
    x, w, u, moved = sympy.Symbol("x"), symbols("w", 3), symbols("u", 3), symbols("delta", 3)
    weights = np.array([w[s] * sympy.exp(x * moved[s]) for s in range(3)])
    a = weights / weights.sum()

    def at_zero(value: Any) -> Any:
        return sympy.diff(value, x, order).subs(x, 0)

    start = w / w.sum()
    by, read = moved - start @ moved, u - start @ u
    averages = {
        "a": start[0],
        "delta": by[0],
        "u": read[0],
        "var": start @ by**2,
        "cov": start @ (by * read),
        "third": start @ (by**2 * read),
    }
    return at_zero(a[0]), at_zero(a[0] * (u[0] - a @ u)), averages


def weight_by_first_order(d: Derivation) -> None:
    """What E[a_t (u_t - ū)] becomes by the first order of the attention, as it shares with u."""
    attention, weight, of = tilted(1)
    d.equal(
        "With scores moved by $x \\delta$ the attention is $a_s \\propto w_s e^{x \\delta_s}$. Its "
        "derivative at $x = 0$, here at three positions, and that of $a_t (u_t - \\bar u)$, bars "
        "for averages over $a$:",
        [attention, weight],
        [of["a"] * of["delta"], of["a"] * (of["delta"] * of["u"] - of["cov"])],
        latex=r"a_t (\delta_t - \bar\delta), \qquad a_t\Big((\delta_t - \bar\delta)(u_t - \bar u)"
        r" - \textstyle\sum_s a_s (\delta_s - \bar\delta)(u_s - \bar u)\Big)",
    )
    d.say(
        r"So with $\delta = \lambda\,\delta b$ the mean of $a_t (u_t - \bar u)$ given $\tau$ is "
        r"what $\mathbb{E} u$ gives, with $\tilde u_t = \mathbb{E} u_t + "
        r"\lambda\,\mathrm{Cov}(b_t - \bar b, u_t - \bar u)$ in its place.",
        r"\mathbb{E}[a_t (u_t - \bar u)] \approx a_t \big(\tilde u_t - \textstyle\sum_s a_s "
        r"\tilde u_s\big)",
    )


def kept_part(d: Derivation, vocabulary: str, length: int, C: int, K: int, lead: float) -> None:
    """The library's table against what is kept, from moments given τ."""
    sums = pattern_sums(length, vocabulary)
    at_zero, by_lead = np.zeros((2, length, length))
    task = am.InductionTask(
        C + (1 if sums.random else K),
        length,
        "random" if sums.random else K,
        "content" if vocabulary == "content" else "all",
    )
    unit = am.gradients.second_step(task).lead
    for tau in range(length - 2):
        b, u, v, k, q, bu, bv, uk, uq = moments_given_tau(vocabulary, length, tau, (C, K), unit)
        a = _statistics.softmax(lead * b)
        fluctuation, shared = bv - np.outer(b, v), bu - np.outer(b, u)
        at_zero = at_zero + np.outer(a, v)
        gain = a[:, None] * (fluctuation - a @ fluctuation + uk - a @ uk)
        gain[-1] += a @ np.einsum("ssr->sr", uq) - np.einsum("s,p,psr->r", a, a, uq)
        # the first order of a_t (u_t - ū) in δb: a' = λ a (δb - Σ a δb) in both places
        own, mean, both = np.diag(shared), a @ shared, a @ shared @ a
        moved = own - mean - shared @ a + both
        moved = lead * a * (moved - a @ own + both)
        gain = gain + np.outer(moved, k)
        gain[-1] += moved @ q
        by_lead = by_lead + gain
    kept = through_softmax((at_zero + lead * by_lead) / (length - 2))
    found = am.gradients.third_step(task, lead)[POSITIONS, POSITIONS]
    error = float(np.abs(found - kept).max() / np.abs(kept).max())
    d.holds(
        f"The library's S3b is what is kept, {SETTINGS[vocabulary]}, $(N, T, K) = "
        f"({task.n_tokens}, {length}, {task.n_triggers})$, $\\lambda = {lead}$: $a = \\sigma("
        r"\lambda\,\mathbb{E}[b|\tau])$ with the means given $\tau$ that stand in $D_t$, summed "
        "over patterns. Up to rounding:",
        error < 1e-12,
        latex=r"\frac{\|\text{library} - \text{kept}\|_\infty}{\|\text{kept}\|_\infty} < 10^{-12}",
    )


def moments_given_tau(
    vocabulary: str, length: int, tau: int, sizes: tuple[int, int], unit: float
) -> tuple[np.ndarray, ...]:
    """E of b_s, u_s, v_r, k_r, q_{sr}, b_s u_t, b_s v_r, u_s k_r and u_s q_{s'r} given τ.

    ``sizes`` are C and K, ``unit`` is the unit of J₂.
    """
    sums = pattern_sums(length, vocabulary)
    (read, scale), (match, match_scale) = (
        sums.cleared(first_table(length, vocabulary)),
        sums.cleared(second_table(length, vocabulary)),
    )

    def statistic(pattern: Pattern) -> dict[str, np.ndarray]:
        rows, j = sums.stack(sums.streams(pattern)), sums.matches(pattern, match)
        g, remapped = sums.stack(sums.readout(pattern, read)), sums.remapped(pattern)
        u, v, k = rows @ g, remapped @ g, remapped @ (rows[-1] @ j)
        b, q = rows @ (rows[-1] @ j), (remapped @ j @ rows.T).T
        return with_pairs({"b": b, "u": u, "v": v, "k": k, "q": q})

    def with_pairs(one: dict[str, Any]) -> dict[str, Any]:
        pairs = ("bu", "bv", "uk", "uq")
        return one | {pair: np.multiply.outer(one[pair[0]], one[pair[1]]) for pair in pairs}

    of_g, of_x, of_j = FIELD(scale), FIELD(sums.unit), FIELD(match_scale)
    of_k = of_x * of_j
    divisors = with_pairs({"b": of_x * of_k, "u": of_g * of_x, "v": of_g, "k": of_k, "q": of_k})
    found = sums.expectation(statistic, tau=tau)
    at = np.vectorize(lambda e: float(Fraction(*map(int, (e.numer(*sizes), e.denom(*sizes))))))
    numbers = {name: at(found[name] / divisor) for name, divisor in divisors.items()}
    return tuple(part if name in ("u", "v") else part / unit for name, part in numbers.items())


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
        r"$\lambda^2$, rows $t < T$: with $\delta$ for $\delta b$ less its mean over $s$ and $w_t "
        r"= \delta_t (u_t - \bar u) - \overline{\delta u}$, the orders of the value path, of the "
        r"key, "
        "of what the key keeps of this order, and of all that is kept ($A$).",
        [dropped[name] for name in ("value", "key", "shared", "kept")],
        [-3, -3, -2, 0],
        latex=r"\tfrac{1}{2T} \mathbb{E}[(\delta_t^2 - \overline{\delta^2}) v_r],\ \tfrac1T "
        r"\mathrm{Cov}(w_t, k_r) = \Theta(C^{-3}),\quad \tfrac1T \mathbb{E}[w_t] \mathbb{E}[k_r] = "
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

    def seen(pattern: Pattern) -> tuple[np.ndarray, ...]:
        """u and b at every position, v and k of every Φ₁ x_r."""
        rows, j = sums.stack(sums.streams(pattern)), sums.matches(pattern, match)
        g, remapped = sums.stack(sums.readout(pattern, read)), sums.remapped(pattern)
        as_query = rows[-1] @ j
        return rows @ g, rows @ as_query, remapped @ g, remapped @ as_query

    def means(pattern: Pattern) -> dict[str, np.ndarray]:
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
            pattern: Pattern, many: Any = many, expected: np.ndarray = expected
        ) -> dict[str, np.ndarray]:
            u, b, v, k = seen(pattern)
            delta = centre @ (b * many - expected)
            square, product = delta * delta, delta * (centre @ u)
            mixed = length * product - (delta * u).sum() * length
            return {
                "value": np.outer(centre @ square, v),
                "key": np.outer(mixed, k),
                "kept": np.outer([1] * length, v),
                "mixed": mixed,
                "k": k,
            }

        n, cleared = FIELD(length), FIELD(many)
        found = sums.expectation(lost, tau=tau)
        shared = np.outer(found["mixed"], found["k"])
        of_key = of_u * (of_b / cleared) * (of_b * sums.unit) / n**4
        for name, part in {
            "value": found["value"] * of_u * sums.unit * (of_b / (cleared * n)) ** 2 / (2 * n * n),
            "key": (found["key"] - shared) * of_key,
            "shared": shared * of_key,
            "kept": found["kept"] * of_u * sums.unit / n,
        }.items():
            parts[name] = parts.get(name, 0) + part
    orders = {name: _degree(through_softmax(part)[:-1]) for name, part in parts.items()}
    return moments, orders


def _degree(array: np.ndarray) -> Any:
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
