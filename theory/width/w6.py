"""Derivation of W6: at a known width, the written head answers correctly."""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
import sympy
from sympy import Rational

from assocmem import InductionBatch, InductionTask
from assocmem._statistics import softmax
from assocmem.memory import AssociativeMemory
from assocmem.width.bounds import Deviations, ScoreTables, guarantee, moved
from theory.algebra.calculus import symbols
from theory.algebra.moments import agrees, expectation
from theory.derivation import Derivation

PRECISION = Rational(1, 10**12)  # of sums of a few hundred rounded numbers


def derive(d: Derivation) -> None:
    """If all scores between atoms are near their limits, so are, one layer after the other,
    attentions, layer-2 scores and logits, with explicit constants. How likely the scores are to be
    near is Chebyshev's inequality, with exact mean squares.
    """
    log_odds(d)
    worst_event(d)
    ranges(d)
    one_change_at_a_time(d)
    all_scores_at_once(d)
    with d.aside("Bookkeeping: the library's chain, against sums written out"):
        chain_of_the_library(d)


def log_odds(d: Derivation) -> None:
    """How far the log-odds of an event move."""
    s, e = symbols("s", 1, 3)[0], sympy.Symbol("epsilon", positive=True)
    weights = np.array([sympy.exp(x) for x in s])
    b = weights / weights.sum()
    d.say(
        "A softmax $b^\\circ$, whose scores change by at most $\\varepsilon$ each, to $b$. The "
        "probability of an event $A$ grows with the scores in $A$ and falls with the others (here "
        "three entries, the first two in $A$):",
        r"b_i = \frac{e^{s_i}}{\sum_j e^{s_j}}",
    )
    event = b[0] + b[1]
    d.equal(
        "its derivatives are",
        [sympy.diff(event, x) for x in s],
        [b[0] * (1 - event), b[1] * (1 - event), -b[2] * event],
        latex=r"\partial_i\, b(A) = b_i (1 - b(A)) \ (i \in A), \qquad -b_i\, b(A) \ (i \notin A)",
    )
    shifted = np.array(
        [weights[0] * sympy.exp(e), weights[1] * sympy.exp(e), weights[2] * sympy.exp(-e)]
    )
    d.equal(
        "so it is largest when the scores in $A$ gain $\\varepsilon$ and the others lose it, and "
        "then its odds are $e^{2\\varepsilon}$ times what they were.",
        (shifted[0] + shifted[1]) / shifted[2] / (event / (1 - event)),
        sympy.exp(2 * e),
        latex=r"\frac{b(A)}{1 - b(A)} \le e^{2\varepsilon}\, \frac{b^\circ(A)}{1 - b^\circ(A)}",
    )


def worst_event(d: Derivation) -> None:
    """The event whose probability moves most, and the library's formula."""
    u, c = sympy.symbols("u c", positive=True)  # e^λ and e^ε
    h = u * c**2 / (1 + u * c**2) - u / (1 + u)
    d.say(
        "So an event of log-odds $\\lambda$ gains at most",
        r"h(\lambda) = \sigma(\lambda + 2\varepsilon) - \sigma(\lambda), \qquad"
        r" \sigma(\lambda) = \frac{1}{1 + e^{-\lambda}}",
    )
    d.equal(
        "With $u = e^\\lambda$, $c = e^\\varepsilon > 1$ this grows as long as $u c < 1$, that is "
        "$\\lambda < -\\varepsilon$, and falls from there on:",
        sympy.diff(h, u),
        (c**2 - 1) * (1 - u * c) * (1 + u * c) / ((1 + u) ** 2 * (1 + u * c**2) ** 2),
        latex=r"\frac{dh}{du} = \frac{(c^2 - 1)(1 - u^2 c^2)}{(1 + u)^2 (1 + u c^2)^2}",
    )
    e = sympy.Symbol("epsilon", positive=True)
    d.equal(
        "At $\\lambda = -\\varepsilon$ it is",
        h.subs(u, 1 / c).subs(c, sympy.exp(e)),
        sympy.tanh(e / 2).rewrite(sympy.exp),
        latex=r"h(-\varepsilon) = \tanh\frac\varepsilon2",
    )
    d.say(
        "Let $\\lambda^\\circ$ be the log-odds of all entries but the largest. An event without "
        "the largest entry has $\\lambda \\le \\lambda^\\circ$ and gains at most $h(\\lambda)$. An "
        "event with it gains what its complement loses, at most $h(\\lambda - 2\\varepsilon)$ for "
        "the log-odds $\\lambda \\le \\lambda^\\circ$ of the complement. Total variation is the "
        "largest gain of an event; as $h$ grows up to $-\\varepsilon$,",
        r"\mathrm{TV}(b, b^\circ) \le \eta = h(\min(\lambda^\circ, -\varepsilon))",
    )
    with d.aside("Bookkeeping: the library at given sizes"):
        for start, error in ((0, Rational(1, 4)), (-5, Rational(1, 4)), (-5, 6)):
            least = min(start, -error)
            agrees(
                d,
                f"The library at $\\lambda^\\circ = {start}$, $\\varepsilon = {float(error):g}$:",
                float(moved(float(start), float(error))),
                1 / (1 + sympy.exp(-least - 2 * error)) - 1 / (1 + sympy.exp(-least)),
                r"\eta",
            )
        agrees(
            d,
            "and where no entry dominates, at $\\lambda^\\circ = 1$, $\\varepsilon = \\frac12$:",
            float(moved(1.0, 0.5)),
            sympy.tanh(Rational(1, 4)),
            r"\tanh\tfrac14",
        )


def ranges(d: Derivation) -> None:
    """A mean moves by total variation times range."""
    f, p, q = (symbols(name, 1, 3)[0] for name in "fpq")
    p[2], q[2] = 1 - p[0] - p[1], 1 - q[0] - q[1]
    c = sympy.Symbol("c")
    d.equal(
        "A mean over $b$ in place of $b^\\circ$. As both sum to 1, any constant may be taken off "
        "(here three entries):",
        sympy.expand(p @ f - q @ f),
        sympy.expand((p - q) @ (f - c)),
        latex=r"\mathbb{E}_b f - \mathbb{E}_{b^\circ} f = \sum_i (b_i - b^\circ_i)(f_i - c)",
    )
    d.say(
        "With $c$ half way between the largest and the smallest $f_i$, and $\\sum_i |b_i - "
        "b^\\circ_i| = 2\\, \\mathrm{TV}$,",
        r"|\mathbb{E}_b f - \mathbb{E}_{b^\circ} f| \le \mathrm{TV}(b, b^\circ)"
        r" \cdot (\max_i f_i - \min_i f_i)",
    )


def one_change_at_a_time(d: Derivation) -> None:
    """Layer-2 scores and logits are means over two attentions."""
    F, G = symbols("F", 2, 2), symbols("G", 2, 2)  # tables: of the model, and at the limit
    b, b0, a, a0 = (symbols(name, 1, 2)[0] for name in ("b", "c", "a", "h"))
    d.say(
        "Layer 2 reads $x^1_t = x_t + \\Phi_1 \\sum_r b_{tr} x_r$, so its score of $s$ is a mean "
        "of scores between atoms over $r \\sim b_T$ and $r' \\sim b_s$,",
        r"e_s = \sum_{r, r'} b_{Tr}\, b_{sr'}\, F_{rr'}, \qquad F_{rr'} = K^2(x_T, x_s) +"
        r" K^2(\Phi_1 x_r, x_s) + K^2(x_T, \Phi_1 x_{r'}) + K^2(\Phi_1 x_r, \Phi_1 x_{r'})",
    )
    d.equal(
        "and differs from the limit by three terms: the table changes, then row $T$, then row $s$ "
        "(here two positions).",
        sympy.expand(a @ F @ b - a0 @ G @ b0),
        sympy.expand(a @ (F - G) @ b + (a - a0) @ G @ b + a0 @ G @ (b - b0)),
        latex=r"b_T F b_s - b_T^\circ F^\circ b_s^\circ = b_T (F - F^\circ) b_s"
        r" + (b_T - b_T^\circ) F^\circ b_s + b_T^\circ F^\circ (b_s - b_s^\circ)",
    )
    d.say(
        "The first is at most the largest tolerance of an entry of $F$; the others at most "
        "$\\eta_T$ and $\\eta_s$ times ranges at the limit, over $r$ of $F^\\circ_{rr'}$ and "
        "over $r'$ of $\\sum_r b^\\circ_{Tr} F^\\circ_{rr'}$. That is the error $e'_s$, and by "
        "the first lemma layer 2 attends within $\\eta'$ of its limit $a^\\circ$, with "
        "$\\varepsilon = \\max_s e'_s$. The output's score stays the largest if its lead over "
        "every $s$ exceeds $e'_{\\tau+1} + e'_s$.",
    )
    D, D0 = symbols("D", 2, 2), symbols("E", 2, 2)
    B, B0 = symbols("b", 2, 2), symbols("c", 2, 2)

    def mean(weights: np.ndarray, rows: np.ndarray, table: np.ndarray) -> Any:
        return sum(weights[s] * rows[s, r] * table[s, r] for s in (0, 1) for r in (0, 1))

    d.equal(
        "A difference of logits is a mean of $D_{sr} = O_y(x_s) - O_k(x_s) + O_y(\\Phi_1 x_r) - "
        "O_k(\\Phi_1 x_r)$ over $s \\sim a$ and $r \\sim b_s$, and in the same way",
        sympy.expand(mean(a, B, D) - mean(a0, B0, D0)),
        sympy.expand(mean(a, B, D - D0) + mean(a - a0, B, D0) + mean(a0, B - B0, D0)),
        latex=r"\sum_s a_s\, b_s D_s - \sum_s a_s^\circ\, b_s^\circ D_s^\circ ="
        r" \sum_s a_s\, b_s (D_s - D_s^\circ) + \sum_s (a_s - a_s^\circ)\, b_s D_s^\circ"
        r" + \sum_s a_s^\circ (b_s - b_s^\circ) D_s^\circ",
    )
    d.say(
        "The difference of logits is off by at most the largest tolerance of an entry of $D$, plus "
        "$\\eta'$ times the range of $D^\\circ$, plus $\\sum_s a_s^\\circ \\eta_s$ times the "
        "range of $D_s^\\circ$ over $r \\le s$, and the answer is right if the limit's exceeds "
        "this for every $k \\ne y$. For the largest tolerance of a sum of scores, the library "
        "takes the sum of the largest; so it does for the range of $F^\\circ$ over $r$, and for "
        "that of $D^\\circ$.",
    )


def all_scores_at_once(d: Derivation) -> None:
    """Chebyshev for every score; and the library's second moments at d = 1."""
    rho, kappa = sympy.symbols("rho kappa", positive=True)
    d.equal(
        "It remains to say how likely the tolerances are. With $\\rho^2 = \\mathbb{E}(s - "
        "s^\\circ)^2$ for each score $s$ between atoms, by Chebyshev's inequality,",
        rho**2 / (kappa * rho) ** 2,
        kappa**-2,
        latex=r"\Pr(|s - s^\circ| > \kappa\rho) \le \frac{\mathbb{E}(s - s^\circ)^2}"
        r"{(\kappa\rho)^2} = \frac{1}{\kappa^2}",
    )
    task = InductionTask(n_tokens=3, length=3)
    rng = np.random.default_rng(0)
    shapes = {"W_K1": (3, 3), "W_K2": (12, 12), "W_O2": (2, 12)}
    tables = {name: np.zeros(shape, int) for name, shape in shapes.items()}
    for table in tables.values():
        for _ in range(4):
            table[tuple(rng.integers(table.shape))] = rng.integers(1, 4)
    memories = {
        name: AssociativeMemory(
            keys=np.eye(table.shape[1]), values=np.eye(len(table)), coefficients=table
        )
        for name, table in tables.items()
    }
    deviations = Deviations(task, memories)
    n, K, M = 6, 1, 2
    d.equal(
        "and a union bound over the scores that the last position uses: all of $K^1$, the rows of "
        "$K^2$ of the triggers, of $p_T$ and of all images, all of $O$. At $(N, T, K) = (3, 3, 1)$ "
        "they are",
        deviations.count,
        n**2 + (K + 1 + n) * 2 * n + M * 2 * n,
        latex=r"n = (N+T)^2 + (K + 1 + N + T) \cdot 2(N+T) + M \cdot 2(N+T) = "
        + str(deviations.count),
    )
    found = deviations.at(1.0)
    chosen = {"K1": [(0, 0), (1, 4), (5, 4)], "O": [(0, 0), (1, 4), (0, 7), (1, 10)]}
    chosen["K2"] = [(0, 0), (5, 4), (0, 7), (5, 11), (6, 1), (11, 5), (6, 6), (8, 10)]
    squares = mean_squares_at_one(tables, chosen)
    worst = max(abs(getattr(found, name)[at] ** 2 / float(m) - 1) for (name, at), m in squares)
    d.holds(
        "$\\rho^2$ is a polynomial in $1/d$ (W2). The library's, for integer coefficients at $d = "
        "1$, against the moments of the polynomial in all entries, at entries of every kind: "
        "largest relative difference.",
        sympy.Float(worst) < PRECISION,
        latex=rf"\rho^2 = \mathbb{{E}}(s - s^\circ)^2 \ \Rightarrow\ {worst:.1g}",
    )


def mean_squares_at_one(
    tables: dict[str, np.ndarray], chosen: dict[str, list[tuple[int, int]]]
) -> list[tuple[tuple[str, tuple[int, int]], Any]]:
    """E (s - s(∞))² at d = 1, where every vector and matrix is one normal number."""
    x, u = symbols("x", 6, 1), symbols("u", 2, 1)
    phi, v = (symbols(name, 1, 1) for name in ("phi", "v"))
    atoms = np.concatenate([x[:, 0], phi[0, 0] * x[:, 0]])
    K1 = np.zeros((6, 6), int)
    K1[3:, 3:] = tables["W_K1"]
    asked = {
        "K1": (x[:, 0], K1, x[:, 0]),
        "K2": (atoms, tables["W_K2"], atoms),
        "O": (u[:, 0], tables["W_O2"], v[0, 0] * atoms),
    }

    found = []
    for name, entries in chosen.items():
        left, C, right = asked[name]
        within = sympy.expand(left @ C @ right)
        for i, j in entries:
            deviation = left[i] * within * right[j] - C[i, j]
            found.append(((name, (i, j)), expectation(deviation**2, x, u, phi, v)))
    return found


def chain_of_the_library(d: Derivation) -> None:
    """The library's guarantee against the formulas above, position by position."""
    tokens, N = np.array([1, 0, 2, 1, 0]), 3  # trigger 0, output 2
    n = N + len(tokens)
    rng = np.random.default_rng(1)
    shapes = (n, n), (2 * n, 2 * n), (2, 2 * n)
    limit, tolerance = (ScoreTables(*(size * rng.random(s) for s in shapes)) for size in (1, 0.1))
    label = np.where(np.arange(len(tokens)) == len(tokens) - 1, 1, -1)
    batch = InductionBatch(
        tokens=[tokens], targets=[label], weights=[1.0 * (label > 0)], trigger_position=[1]
    )
    of_library = guarantee(limit, tolerance, batch)
    by_hand = guarantee_by_hand(limit, tolerance, tokens)
    for name, text in (
        ("leads", "lead of the output's score over each in layer 2"),
        ("lead_errors", "error of that lead"),
        ("margins", "margin of the label's logit over each"),
        ("margin_errors", "error of that margin"),
    ):
        left, right = by_hand[name], getattr(of_library, name)[0]
        compared = [k for k, value in enumerate(right) if 0 < value < np.inf]
        largest = max(abs(left[k] - right[k]) for k in compared)
        d.holds(
            f"The library, on the sequence {tokens.tolist()} with random tables, against sums and "
            f"maxima written out: {text} (largest difference).",
            sympy.Float(largest) < PRECISION,
            latex=f"{largest:.1g}",
        )


def guarantee_by_hand(
    limit: ScoreTables, tolerance: ScoreTables, tokens: np.ndarray
) -> dict[str, list[float]]:
    """One sequence with output at position 2 and label 1, one position after the other."""
    T, n, output, label = len(tokens), len(limit.K1), 2, 1
    x = [[tokens[t], n - T + t] for t in range(T)]  # token and position
    image = [[n + i for i in pair] for pair in x]

    def at(table: np.ndarray, rows: list[int], columns: list[int]) -> float:
        return float(table[np.ix_(rows, columns)].sum())

    def attention(scores: list[float], error: float) -> tuple[np.ndarray, float]:
        rest = sum(exp(score) for score in sorted(scores)[:-1])
        eta = moved(log(rest) - max(scores), error) if rest else 0
        return softmax(np.array(scores)), float(eta)

    first = [
        attention(
            [at(limit.K1, x[t], x[s]) for s in range(t + 1)],
            max(at(tolerance.K1, x[t], x[s]) for s in range(t + 1)),
        )
        for t in range(T)
    ]
    b_T, eta_T = first[-1]
    K, E = limit.K2, tolerance.K2
    by_image = [
        at(K, x[-1], image[k]) + sum(b_T[r] * at(K, image[r], image[k]) for r in range(T))
        for k in range(T)
    ]
    scores, errors = [], []
    for s, (b, eta) in enumerate(first):
        upto = range(s + 1)
        from_image = [at(K, image[r], x[s]) for r in range(T)]
        between = [[at(K, image[r], image[k]) for r in range(T)] for k in upto]
        scores.append(at(K, x[-1], x[s]) + b_T @ from_image + b @ by_image[: s + 1])
        errors.append(
            at(E, x[-1], x[s])
            + max(at(E, image[r], x[s]) for r in range(T))
            + max(at(E, x[-1], image[k]) for k in upto)
            + max(at(E, image[r], image[k]) for r in range(T) for k in upto)
            + eta_T * (np.ptp(from_image) + max(np.ptp(row) for row in between))
            + eta * np.ptp(by_image[: s + 1])
        )
    a, eta_2 = attention(scores, max(errors))
    margins, margin_errors = [], []
    for k in range(len(limit.O)):
        D = [[at(limit.O, [label], i) - at(limit.O, [k], i) for i in part] for part in (x, image)]
        noise = [
            max(at(tolerance.O, [label], i) + at(tolerance.O, [k], i) for i in part)
            for part in (x, image)
        ]
        of_rows = [(D[1][: s + 1], b, eta) for s, (b, eta) in enumerate(first)]
        margins.append(sum(a[s] * (D[0][s] + b @ row) for s, (row, b, _) in enumerate(of_rows)))
        margin_errors.append(
            sum(noise)
            + eta_2 * (np.ptp(D[0]) + np.ptp(D[1]))
            + sum(a[s] * eta * np.ptp(row) for s, (row, _, eta) in enumerate(of_rows))
        )
    return {
        "leads": [scores[output] - score for score in scores],
        "lead_errors": [errors[output] + error for error in errors],
        "margins": margins,
        "margin_errors": margin_errors,
    }
