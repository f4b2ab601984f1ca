"""Derivation of B1: global before in-context, by the residual of the current token."""

from __future__ import annotations

from typing import Any

from sympy import QQ, Symbol

from theory.bigrams.enumeration import Independent
from theory.derivation import Derivation

SIZES = ((4, 1, 4), (4, 2, 4), (5, 2, 3))


def derive(d: Derivation) -> None:
    """After a token that is not a trigger, the next token is independent of the context, so these
    positions contribute only the error of the predictor. After a trigger, its own output has
    occurred in the context more often than other outputs, which gives every output a positive lead
    once the bigrams are known.
    """
    d.say(
        r"With zero attention, and $\hat p$ a predictor of the current token, the token block of "
        "the first step is",
        r"G_1[j,k] = \frac1T \sum_t \mathbb{E}\big[(1\{z_{t+1} = j\} - \hat p(j|z_t))\, "
        r"\tfrac1t \textstyle\sum_{s \le t} 1\{z_s = k\}\big].",
    )
    visits_do_not_depend_on_outputs(d)
    d.say(
        r"Off the triggers $z_{t+1}$ is independent of the past, so those positions "
        r"give $(f_j - \hat p(j)) X_k$, which is $0$ with the bigrams known, and "
        r"$(f_j - \frac1N) X_k$ at $W_F = 0$. On a trigger $q$ they give, with the "
        "output $o_q$ uniform,",
        r"\tfrac1M\, \mathbb{E}[\cdot\,|\,o_q = j]\, 1\{j \notin Q\} - \hat p(j|q)\, "
        r"\mathbb{E}[\cdot].",
    )
    d.say(
        r"Given $o_q = k$ the key $k$ stands after each earlier $q$, and otherwise where no "
        "trigger precedes; given another output the latter only, up to the outputs of other "
        r"triggers, which are independent of $o_q$. So $\mathbb{E}[\cdot|o_q{=}k] - "
        r"\mathbb{E}[\cdot|o_q{=}j]$ is the number of earlier $q$, $V_q$ in the mean, and "
        r"$\mathbb{E}[\cdot|o_q{=}k] - \mathbb{E}[\cdot] = (1 - \frac1M) V_q$. Subtract rows $j$ "
        r"and $k$; a trigger is never an output. By enumeration of all sequences, frequencies "
        "symbols:"
    )
    for n, k, length in SIZES:
        known, unknown, closed_known, closed_unknown = leads(Independent(n, k, length))
        where = f"$N = {n}$, $K = {k}$, $T = {length}$"
        d.equal(
            f"the bigrams known, all pairs of rows, {where};",
            [(a - b).as_expr() for a, b in zip(known, closed_known, strict=True)],
            [0] * len(known),
            latex=r"G_1[k,k] - G_1[j,k] = \tfrac1M V \ (j \notin Q),\quad "
            r"\tfrac1M (1 - \tfrac1M) V \ (j \in Q)",
        )
        d.equal(
            f"at $W_F = 0$, {where}.",
            [(a - b).as_expr() for a, b in zip(unknown, closed_unknown, strict=True)],
            [0] * len(unknown),
            latex=r"\tfrac1M V - (f_j - f_k) X_k \ (j \notin Q),\quad \tfrac1M (Y_k + (1 - "
            r"\tfrac1M) V) - (f_j - f_k) X_k \ (j \in Q)",
        )


def visits_do_not_depend_on_outputs(d: Derivation) -> None:
    share, power = Symbol("F"), Symbol("u")  # u = (-F)^n
    before, now = (1 - power) / (1 + share), (1 + share * power) / (1 + share)
    d.equal(
        "After a trigger comes none, after anything else $q$ with probability $f_q$, whatever the "
        r"outputs are. So $P(z_t = q) = f_q b_t$ and, from a visit at $r$, $f_q b_{t-r-1}$, where "
        r"$b_{n+1} = 1 - F b_n$, $b_0 = 0$, that is, with $u = (-F)^n$,",
        1 - share * before,
        now,
        latex=r"b_n = \frac{1 - (-F)^n}{1 + F}",
    )


def leads(population: Independent) -> tuple[list[Any], ...]:
    """G₁[k,k] - G₁[j,k] for all outputs k and rows j, enumerated, and by the formulas of B1."""
    f, k_triggers, m = population.frequencies, population.n_triggers, population.n_outputs
    tables = [population.first_step(knows) for knows in (True, False)]
    repeats = population.repeats
    found: tuple[list[Any], ...] = ([], [], [], [])
    for k in range(k_triggers, population.n_tokens):
        off = population.mean(lambda last, counts, k=k: counts[k] if last >= k_triggers else 0)
        on = population.mean(lambda last, counts, k=k: counts[k] if last < k_triggers else 0)
        for j in range(population.n_tokens):
            if j == k:
                continue
            trigger = j < k_triggers
            for table, into in zip(tables, found[:2], strict=True):
                into.append(table[k, k] - table[j, k])
            known = repeats * QQ(1, m) * (QQ(m - 1, m) if trigger else 1)
            found[2].append(known)
            found[3].append(known + (on * QQ(1, m) if trigger else 0) - (f[j] - f[k]) * off)
    return found
