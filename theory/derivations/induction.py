"""IH from the forward pass; what decides tau = 1; Theorem T from the closed forms."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import sympy
from sympy import Rational, Symbol, exp, harmonic, limit, oo

import assocmem as am
from assocmem.blocks import BlockTable, TokenBlock
from theory.derivation import Derivation, Derive
from theory.derivations.output_memory import derive_T_m1, derive_T_S1
from theory.derivations.rows import derive_T_S3
from theory.derivations.thresholds import derive_T_S2

Array = Any


def _softmax(scores: list[Any]) -> list[Any]:
    total = sum(exp(score) for score in scores)
    return [exp(score) / total for score in scores]


def _hand_built_scores(task: am.InductionTask, tokens: list[int], beta: Any) -> list[Any]:
    """Layer-2 scores of the last position, by the definition of the forward pass."""
    emb = am.FrozenEmbeddings.orthonormal(task)
    head = am.induction_head(task, emb, beta=1)
    W_K1, W_K2, Phi1 = (
        sympy.Matrix(matrix.astype(int))
        for matrix in (head["W_K1"].matrix, head["W_K2"].matrix, emb.Phi1)
    )
    x = [
        sympy.Matrix((emb.tokens[token] + emb.positions[t]).astype(int))
        for t, token in enumerate(tokens)
    ]
    x1 = []
    for t in range(len(x)):
        b = _softmax([beta * (x[t].T * W_K1 * x[s])[0] for s in range(t + 1)])
        copied = sum((b[s] * x[s] for s in range(t + 1)), sympy.zeros(len(x[0]), 1))
        x1.append(x[t] + Phi1 * copied)
    return [sympy.simplify(beta * (x1[-1].T * W_K2 * key)[0]) for key in x1]


def derive_IH(d: Derivation) -> None:
    beta, tau, s = (Symbol(name, positive=True) for name in ("beta", "tau", "s"))
    task = am.InductionTask(n_tokens=4, length=5)
    d.say(
        r"With $W_K^1 = \beta \sum_t p_t p_{t-1}^\top$ position $t \ge 2$ gives the score $\beta$ "
        r"to $t-1$ and 0 to the others. Position 1 can attend only to itself.",
        r"b_{t,t-1} = \frac{e^\beta}{e^\beta + t - 1}, \qquad b_{ts} = \frac{1}{e^\beta + t - 1}",
    )
    d.say(
        r"The query $q$ scores $\beta$ times the share of $\Phi_1 w_E(q)$ in $x^1_s$: the layer-1 "
        r"attention that $s$ pays to the positions $\tau$ and $T$, which hold $q$.",
        r"e_s = \beta \sum_{r \le s} b_{sr}\, 1\{z_r = q\}",
    )
    for place in (1, 2, 3):
        tokens = [1, 2, 3, 1, 2]
        tokens[place - 1] = tokens[-1] = 0
        predicted: list[Any] = [0] * 5
        for r in range(place, 6):
            predicted[r - 1] = beta / (exp(beta) + r - 1)
        predicted[place - 1] = beta if place == 1 else predicted[place - 1]
        predicted[place] = beta * exp(beta) / (exp(beta) + place)
        predicted[4] = 2 * predicted[4]
        d.equal(
            rf"Forward pass at $T = 5$, $\tau = {place}$, all matrices explicit:",
            _hand_built_scores(task, tokens, beta),
            predicted,
            latex=r",\; ".join(f"e_{i + 1} = {sympy.latex(e)}" for i, e in enumerate(predicted)),
        )
    d.equal(
        r"The output's score falls short of $\beta$ by a vanishing amount,",
        limit(beta - beta * exp(beta) / (exp(beta) + tau), beta, oo),
        0,
        latex=r"\lim_{\beta\to\infty}\big(\beta - e_{\tau+1}\big) = 0",
    )
    d.equal(
        r"and every other score with $s > 1$ vanishes: the softmax puts weight 1 on $\tau + 1$.",
        limit(beta / (exp(beta) + s), beta, oo),
        0,
        latex=r"\lim_{\beta\to\infty} \beta/(e^\beta + s - 1) = 0",
    )
    gap = beta - beta * exp(beta) / (exp(beta) + 1)
    d.equal(
        r"For $\tau = 1$ position 1 scores $\beta$, and position 2 trails by",
        gap,
        beta / (exp(beta) + 1),
    )
    d.equal(
        "which vanishes: both get weight 1/2.",
        1 / (1 + limit(exp(gap), beta, oo)),
        Rational(1, 2),
        latex=r"\lim_{\beta\to\infty} \frac{1}{1 + e^{e_1 - e_2}} = \frac12",
    )
    d.holds(
        r"At finite $\beta$ position 1 is ahead, $a_1 > a_2$. If $q$ is a predicted class "
        r"its logit $a_1 + a_T$ exceeds the output's $a_2$: an error, in a share "
        r"$\frac{1}{T-2}$ of the sequences. If only the content is predicted, position 1 votes for "
        r"no class.",
        beta / (exp(beta) + 1) > 0,
        latex=r"e_1 - e_2 = \frac{\beta}{e^\beta + 1} > 0",
    )
    d.say(
        r"At finite width every inner product of atoms differs from its value here by "
        r"$O(d^{-1/2})$ (NO1, NO4), and the limits follow as $d$ grows."
    )


def _at(element: Any, n: int, k: int) -> Any:
    """The value of an element of the field Q(N, K)."""
    return sympy.sympify(getattr(element, "as_expr", lambda: element)()).subs({"N": n, "K": k})


def _rational_table(task: am.InductionTask) -> BlockTable:
    """Step 2 of a numeric task in exact arithmetic: the symbolic table at its N and K."""
    _, n, k = sympy.field("N, K", sympy.QQ)
    table = am.gradients.second_step(am.InductionTask(n, task.length, k))

    def value(part: Array) -> Array:
        numbers = [_at(entry, task.n_tokens, task.n_triggers) for entry in part.ravel()]
        return np.array(numbers, dtype=object).reshape(part.shape)

    blocks = {
        name: TokenBlock(value(table[name].different), value(table[name].same))
        if isinstance(table[name], TokenBlock)
        else value(table[name])
        for name in table
    }
    return BlockTable(task, "W_K2", blocks)


def _mean_gap(table: BlockTable) -> Any:
    """Mean of score(x_2) - score(x_1) for tau = 1 and a perfect previous-token head, by blocks.

    x¹_T = x_T + Φ₁ x_{T-1}: position T - 1 is content and coincides with z_2 with probability 1/C.
    """
    c = table.task.n_content
    direct, copied = table["w_E", "w_E"], table["Phi1 w_E", "w_E"]
    by_class = table["p", "w_E"][-1] + table["Phi1 p", "w_E"][-2]
    coincide = Rational(1, c) * (copied.same[-1] - copied.different[-1, -1])
    to_output = direct.different[0, -1] + copied.different[-1, -1] + coincide + by_class[-1]
    to_trigger = direct.same[0] + copied.different[-1, 0] + by_class[0]
    by_position = (
        table["w_E", "p"][0]
        + table["p", "p"][-1]
        + table["Phi1 w_E", "p"][-1]
        + table["Phi1 p", "p"][-2]
    )
    return to_output - to_trigger + by_position[1] - by_position[0]


def derive_tie(d: Derivation) -> None:
    x_1, x_2, phi_1, phi_2, b = sympy.symbols(
        "s_{x_1} s_{x_2} s_{\\Phi_1x_1} s_{\\Phi_1x_2} b_{22}"
    )
    d.say(
        r"Position 1 attends to itself and position 2 to both, $b_{21} = 1 - b_{22}$:",
        r"x^1_1 = x_1 + \Phi_1 x_1, \qquad x^1_2 = x_2 + (1 - b_{22})\Phi_1 x_1 + b_{22}\Phi_1 x_2",
    )
    e_1, e_2 = x_1 + phi_1, x_2 + (1 - b) * phi_1 + b * phi_2
    d.equal(
        r"The layer-2 score $s$ is linear in the key; $\Phi_1 w_E(q)$ cancels up to $b_{22}$.",
        e_2 - e_1,
        x_2 - x_1 - b * (phi_1 - phi_2),
        latex=r"e_2 - e_1 = s(x_2) - s(x_1) - b_{22}\,(s(\Phi_1 x_1) - s(\Phi_1 x_2))",
    )
    d.say(
        r"The scores $s(x_1)$, $s(x_2)$ are read off the blocks of S2: token classes, positions, "
        r"and a coincidence of two content tokens with probability $\frac1C$."
    )
    for sizes in ((4, 5, 1), (5, 5, 2)):
        task = am.InductionTask(*sizes)
        table = _rational_table(task)
        J = table.coefficients()
        n, length, atoms = task.n_tokens, task.length, task.n_tokens + task.length
        total, count = Rational(0), 0
        for q, *content in product(task.triggers, *[task.contents] * (length - 2)):
            tokens = [q, *content, q]
            query = [tokens[-1], n + length - 1, atoms + tokens[-2], atoms + n + length - 2]
            total += sum(
                J[atom, tokens[1]] + J[atom, n + 1] - J[atom, tokens[0]] - J[atom, n]
                for atom in query
            )
            count += 1
        d.equal(
            rf"Perfect previous-token head ($b_{{22}} = 0$), $(N, T, K) = {sizes}$: the blocks "
            rf"against the mean over all {count} sequences with $\tau = 1$, in exact arithmetic.",
            _mean_gap(table),
            total / count,
            latex=rf"\mathbb{{E}}[s(x_2) - s(x_1)] = {sympy.latex(total / count)}",
        )
    d.say(
        r"So the sign is a matter of the blocks, not of chance; in units of the lead of $J_2$ it "
        r"is 3.0, 2.1 and 2.6 at the sizes of the claim, where position 1 never wins. What a head "
        r"loses at $\tau = 1$ is its lead over the later positions."
    )


def derive_T(d: Derivation) -> None:
    _, n, k = sympy.field("N, K", sympy.QQ)
    t = Symbol("T", integer=True, positive=True)
    c = n - k
    lengths = (3, 4, 5, 6)
    _output_memory(d, n, k, c, t, lengths)
    d.say(
        r"Step 2. For prediction over the content its coefficient $w_E(q) \to \Phi_1 w_E(q)$ leads "
        r"the other triggers by $c_T \frac{C-1}{K C^2}$ and the content by "
        r"$c_T \frac{C^2-1}{K C^3}$, with a number $c_T$ that depends on $T$ alone (S2-limit: "
        r"$c_T = \Phi(T)/T^3$). Recall holds exactly when $c_T > 0$."
    )
    constants = {
        3: Rational(-107, 2916),
        4: Rational(-49, 9216),
        5: Rational(71623, 121500000),
        6: Rational(87601, 49766400),
    }
    for length, c_t in constants.items():
        block = am.gradients.second_step(am.InductionTask(n, length, k))["w_E", "Phi1 w_E"]
        d.equal(
            f"From the table at $T = {length}$, with symbols for $N$ and $K$:",
            [block.same[0] - block.different[0, 0], block.same[0] - block.different[0, 1]],
            [c_t * (c - 1) / (k * c**2), c_t * (c**2 - 1) / (k * c**3)],
            latex=f"c_{length} = {sympy.latex(c_t)}",
        )
    d.holds(
        "Step 2 forgets every trigger at $T = 3, 4$ and recalls every one at $T = 5, 6$.",
        sympy.And(*(constants[i] < 0 for i in (3, 4)), *(constants[i] > 0 for i in (5, 6))),
        latex=r"c_3, c_4 < 0 < c_5, c_6",
    )
    d.say(
        "With S2-sign, which shows it for every $T$: the threshold is $T^*(N, K) = 5$ for all $N$ "
        "and $K$, and beyond it $m_2$ sets the lead at will. The conditions for the other "
        "vocabularies are T-S2, those for step 1 T-S1, those for step 3 at small lead T-S3."
    )
    _random_and_all(d, n, k)
    _flat_value_path(d, n, k)
    d.say(
        "What is left is S3(b), a function of $(N, T, K)$ and of the lead $m_2$ that is computed, "
        "not bounded: the figures `map` and `margins` show where its sub-diagonal wins and over "
        "which range of margins the head works; the check of this claim runs three points of them."
    )


def _output_memory(d: Derivation, n: Any, k: Any, c: Any, t: Any, lengths: tuple[int, ...]) -> None:
    d.say(
        "Step 1. The output $o$ stands once more than any other content token, so that with "
        r"prediction over the content the wanted coefficient always leads, by $1/(CT)$."
    )
    share = (t - harmonic(t) - 1 / t) / (t - 2)
    for length in lengths:
        table = am.gradients.first_step(am.InductionTask(n, length, k))
        direct, copied = table["w_U", "w_E"], table["w_U", "Phi1 w_E"]
        lead = direct.same[-1] - direct.different[-1, -1]
        d.equal(
            f"From the table at $T = {length}$:",
            lead,
            1 / (c * length),
            latex=rf"\mathrm{{lead}}(G_1) = \frac{{1}}{{{length}\,C}}",
        )
        d.equal(
            r"The second memory, $w_U(k) (W_V^2 \Phi_1 w_E(k))^\top$, leads by this share of it:",
            (copied.same[-1] - copied.different[-1, -1]) / lead,
            share.subs(t, length).doit(),
            latex=sympy.latex(share.subs(t, length).doit()),
        )
    d.equal(
        r"It is the mean of $h_r = \sum_{s \ge r} \frac1s$ over $r = \tau + 1 = 2, ..., T-1$; all "
        r"$h_r$ sum to $T$, each $\frac1s$ being counted $s$ times (checked for $T = 3, ..., 12$).",
        [
            sum(Rational(1, s) for r in range(2, length) for s in range(r, length + 1))
            for length in range(3, 13)
        ],
        [(share * (t - 2)).subs(t, length).doit() for length in range(3, 13)],
        latex=r"\frac{1}{T-2}\sum_{r=2}^{T-1} h_r = \frac{T - H_T - 1/T}{T-2}",
    )
    d.equal(
        r"With $H_T = \ln T + \gamma + o(1)$ it tends to 1: both memories become equally strong.",
        limit(share.subs(harmonic(t), sympy.log(t) + sympy.EulerGamma), t, oo),
        1,
        latex=r"\lim_{T\to\infty} \frac{T - H_T - 1/T}{T-2} = 1",
    )
    d.say(
        r"What it costs at the readout: the head attends to $x^1_{\tau+1}$, which carries $w_E(o)$ "
        r"and $\Phi_1 w_E(q)$, and the second memory reads $q$ from it. If $q$ is not a class "
        r"nothing is lost; if it is, its logit is the share above of that of $o$."
    )
    for length in lengths:
        table = am.gradients.first_step(am.InductionTask(n, length, "random", "all"))
        direct, copied = table["w_U", "w_E"], table["w_U", "Phi1 w_E"]
        margin = (direct.same[0] - direct.different[0, 0]) - (
            copied.same[0] - copied.different[0, 0]
        )
        scaled = _large_n(margin * n * length)
        d.equal(
            rf"Random triggers, $T = {length}$: what is left of the margin $1/(NT)$, "
            "large $N$.",
            scaled,
            1 - share.subs(t, length).doit(),
            latex=rf"1 - \frac{{T - H_T - 1/T}}{{T-2}} = {sympy.latex(scaled)}",
        )


def _large_n(element: Any) -> Any:
    """The limit N -> infinity of an element of the field."""
    return limit(element.as_expr(), Symbol("N"), oo)


def _random_and_all(d: Derivation, n: Any, k: Any) -> None:
    fixed = am.gradients.second_step(am.InductionTask(n, 6, k))["w_E", "Phi1 w_E"]
    random = am.gradients.second_step(am.InductionTask(n, 6, "random", "all"))["w_E", "Phi1 w_E"]
    everything = am.gradients.second_step(am.InductionTask(n, 6, k, "all"))["w_E", "Phi1 w_E"]
    leads = {
        "fixed": fixed.same[0] - fixed.different[0, -1],
        "random": random.same[0] - random.different[0, -1],
        "all": everything.same[0] - everything.different[0, -1],
    }
    c_6 = Rational(87601, 49766400)
    for name, scale in (("fixed", k * n), ("random", n**2), ("all", k * n)):
        d.equal(
            f"Large $N$, $T = 6$, {name}: the lead of step 2 tends to the same constant.",
            _large_n(leads[name] * scale),
            c_6,
            latex=rf"\lim_{{N\to\infty}} {sympy.latex(scale.as_expr())}\,\mathrm{{lead}} = c_6",
        )
    d.say(
        r"Random triggers learn more slowly because each trigger is seen in a share $\frac1N$ of "
        r"the sequences instead of $\frac1K$: the same constant, a lead $N/K$ times smaller."
    )
    task = am.InductionTask(n, 6, k, "all")
    position = am.gradients.first_step(task)["w_U", "p"]
    d.equal(
        "Fixed triggers, prediction over all tokens: labels are content, classes are all tokens, "
        "and every position memorises the difference of the two frequencies.",
        position[-1, 0],
        (1 / (n - k) - 1 / n) / 6,
        latex=r"G_1[k, p_t] = \frac{1}{T}\Big(\frac{1}{N-K} - \frac{1}{N}\Big), \qquad T = 6",
    )
    at_three, at_four = (_at(leads["all"], size, 1) for size in (3, 4))
    d.holds(
        "This reading of positions competes with the wanted one in step 2: at $T = 6$, $K = 1$ "
        "the lead is negative for $N = 3$ and positive for $N = 4$.",
        sympy.And(at_three < 0, at_four > 0),
        latex=rf"{sympy.latex(at_three)} < 0 < {sympy.latex(at_four)}",
    )


def _flat_value_path(d: Derivation, n: Any, k: Any) -> None:
    d.say(
        r"Step 3 at $\lambda = 0$. The value path rewards copying $x_r$ by what the first memory "
        r"reads from $\Phi_1 x_r$, whose mean over $\tau$ is the same at every inner position."
    )
    table = am.gradients.third_step(am.InductionTask(n, 7, k), 0)["p", "p"]
    inner = range(1, 5)  # positions 2 .. T-2, counted from 0
    d.equal(
        "$T = 7$: row 6 is the same at $r = 2, ..., T-2$, so that it cannot prefer $t-1$.",
        [table[5, r] for r in inner],
        [table[5, 1] for _ in inner],
        latex=r"A_{6,2} = A_{6,3} = A_{6,4} = A_{6,5}",
    )
    slope = am.gradients.third_step_slope(am.InductionTask(16, 16))["p", "p"]
    wins = [bool(slope[r, r - 1] > np.delete(slope[r, : r + 1], r - 1).max()) for r in range(3, 14)]
    d.holds(
        r"The slope in $\lambda$ can: at $(N, T, K) = (16, 16, 1)$ its sub-diagonal is the strict "
        "maximum of every row from $t = 4$ to $t = 14$.",
        sympy.sympify(all(wins)),
        latex=r"B_{t,t-1} > \max_{r \ne t-1} B_{t,r}",
    )


DERIVATIONS: dict[str, Derive] = {
    "IH": derive_IH,
    "tie": derive_tie,
    "T": derive_T,
    "T-S1": derive_T_S1,
    "T-S2": derive_T_S2,
    "T-m1": derive_T_m1,
    "T-S3": derive_T_S3,
}
