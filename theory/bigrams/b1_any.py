"""Derivation of B1-any: one trigger in any language, in the limit of long sequences."""

from __future__ import annotations

import sympy
from sympy import Matrix, Symbol, symbols

from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """A long context forgets its last token, so the moments of the gradient are products of
    stationary probabilities. The chain starts anew at each trigger, which turns these into mean
    return times and visits per cycle.
    """
    d.say(
        r"As $t \to \infty$ the share of $k$ in the context tends to its stationary probability "
        r"and forgets the last token: $\mathbb{E}[1\{z_t = q\} \frac1t \sum_s 1\{z_s = k\}] \to "
        r"\pi^{(o)}_q \pi^{(o)}_k$, $\pi^{(o)}$ the stationary law given the output $o$. Only the "
        "trigger carries a residual, $1\\{o = j\\} - \\frac1M$, so",
        r"M\, G_1[j,k] \to \pi^{(j)}_q \pi^{(j)}_k - \tfrac1M \textstyle\sum_o \pi^{(o)}_q "
        r"\pi^{(o)}_k,\quad j \ne q;\qquad G_1[q,k] \to 0.",
    )
    a, b, c, e = symbols("a b c e", positive=True)  # rows of 1 and 2; 0 is the trigger
    rows = {1: (a, b, 1 - a - b), 2: (c, e, 1 - c - e)}
    left, right, reached = [], [], []
    for o in (1, 2):
        start = Matrix([[0, int(o == 1), int(o == 2)]])
        kernel = Matrix([list(start), rows[1], rows[2]])
        pi = _stationary(kernel)
        taboo = kernel[1:, 1:]
        visits = (sympy.eye(2) - taboo).inv()  # from row i, to column k, before the trigger
        tau = 1 + sum(visits[o - 1, k] for k in (0, 1))
        for k in (1, 2):
            nu = visits[o - 1, k - 1]
            left += [pi[0], pi[0] * pi[k]]
            right += [1 / tau, nu / tau**2]
            hit = sympy.Integer(1) if o == k else kernel[o, k] / (1 - kernel[o, o])
            reached.append(nu - hit * visits[k - 1, k - 1])
    d.equal(
        "The chain renews itself at each trigger: a cycle holds one trigger, takes $\\tau_o$ steps "
        r"and meets $k$ $\nu_o(k)$ times (any language of three tokens):",
        left,
        right,
        latex=r"\pi^{(o)}_q = \frac{1}{\tau_o},\qquad \pi^{(o)}_q \pi^{(o)}_k = "
        r"\frac{\nu_o(k)}{\tau_o^2}",
    )
    d.equal(
        "To be met, $k$ must be reached first, after which it returns as from itself:",
        reached,
        [0] * len(reached),
        latex=r"\nu_j(k) = h_j(k)\, \nu_k(k)",
    )
    d.say(
        r"The difference of rows $k$ and $j$ is the limit of the claim, and row $q$, which is 0, "
        r"is beaten where $\nu_k(k)/\tau_k^2$ exceeds the mean over outputs."
    )
    tau, ratio = Symbol("tau", positive=True), Symbol("h", positive=True)
    other = tau * sympy.sqrt(ratio)
    d.equal(
        r"The two are equal at $\tau_j = \tau_k \sqrt{h_j(k)}$:",
        1 / tau**2 - ratio / other**2,
        0,
        latex=r"\frac{1}{\tau_k^2} - \frac{h_j(k)}{\tau_j^2} = 0",
    )
    at_equal = 1 / tau**2 - ratio / tau**2
    d.equal(
        "Returns that take equally long suffice, as $h_j(k) \\le 1$:",
        at_equal,
        (1 - ratio) / tau**2,
        latex=r"\frac{1}{\tau^2} - \frac{h_j(k)}{\tau^2} = \frac{1 - h_j(k)}{\tau^2} \ge 0",
    )


def _stationary(kernel: Matrix) -> list[sympy.Expr]:
    """The stationary law, from cofactors (the Markov chain tree theorem)."""
    laplacian = sympy.eye(3) - kernel
    weights = [laplacian.minor(i, i) for i in range(3)]
    return [sympy.cancel(w / sum(weights)) for w in weights]
