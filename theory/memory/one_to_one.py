"""The exact law of recall with a value for each key, and its leading order, for C2."""

from __future__ import annotations

import numpy as np
import sympy
from sympy import cos, sin

import assocmem as am
from theory.algebra.calculus import symbols
from theory.derivation import Derivation
from theory.memory.recall_limits import leading_order


def one_to_one(d: Derivation) -> None:
    """The law of recall with a value for each key, and its leading order."""
    law_of_the_scores(d)
    leading_order(d)


def law_of_the_scores(d: Derivation) -> None:
    """C2: from the definition to X and Y."""
    keys, values = symbols("u", 3, 2), symbols("v", 3, 2)
    scores = am.AssociativeMemory(keys=keys, values=values).scores()
    b = keys @ keys[0]
    g = values.T @ b
    d.equal(
        "The library's scores of key $i$, one to one: with $b_l = \\langle u_l, u_i\\rangle$ "
        "they are $V V^\\top b$ (here 3 pairs in the plane, all symbols).",
        scores[:, 0],
        values @ g,
        latex=r"(v_k^\top W u_i)_k = V V^\top b, \qquad b_l = \langle u_l, u_i\rangle",
    )
    d.say(
        "Given $u_i$, $b_i = \\|u_i\\|^2$ and the other $b_l$ are independent $\\mathcal{N}(0, "
        "\\|u_i\\|^2/d)$. So $b = |b| f$ with a unit vector $f = \\cos\\theta\\, e_i + "
        "\\sin\\theta\\, r$, where $r$ is uniform among the unit vectors orthogonal to $e_i$, and",
        r"\tan\theta = \frac{|b_{\ne i}|}{b_i} = \frac{\chi_{n-1}}{\chi_d}, \qquad"
        r" \sqrt d\,\|u_i\| \sim \chi_d",
    )
    theta = sympy.Symbol("theta", real=True)
    f = np.array([cos(theta), sin(theta), 0])  # in the frame e_i, r, rest
    project = np.eye(3, dtype=int) - np.outer(f, f)
    d.equal(
        "Split $V = f\\,(V^\\top f)^\\top + (I - ff^\\top) V$. The columns of $V$ are "
        "$\\mathcal{N}(0, I/d)$, so the two parts are uncorrelated, hence independent:",
        project @ f,
        np.zeros(3, dtype=int),
        latex=r"\mathrm{Cov}\big((I - ff^\top) V_{\cdot a},\; f^\top V_{\cdot a}\big)"
        r" = \tfrac1d (I - ff^\top) f = 0",
    )
    d.say(
        "With $g' = V^\\top f$: $V g' = f\\,|g'|^2 + (I - ff^\\top) V g'$, and $V g'/|g'|$ in "
        "the second part is a fresh normal vector. Divide by positive factors, which do not "
        "change who is first, and let $\\gamma = \\sqrt d\\,|g'| \\sim \\chi_d$, $h$ standard "
        "normal:",
        r"V V^\top b \;\propto\; \gamma f + (I - ff^\top)\, h",
    )
    gamma, h_i, h_r, h_rest = sympy.symbols("gamma h_i h_r h_rest", real=True)
    tau = sin(theta) * h_i - cos(theta) * h_r
    d.equal(
        "In the directions $e_i$, $r$ and the rest, with $\\tau = \\sin\\theta\\, h_i - "
        "\\cos\\theta\\, h_r \\sim \\mathcal{N}(0, 1)$, independent of the rest:",
        gamma * f + project @ np.array([h_i, h_r, h_rest]),
        [gamma * cos(theta) + tau * sin(theta), gamma * sin(theta) - tau * cos(theta), h_rest],
        latex=r"\gamma f + (I - ff^\top) h = \big(\gamma\cos\theta + \tau\sin\theta,\;"
        r" \gamma\sin\theta - \tau\cos\theta,\; h_{\mathrm{rest}}\big)",
    )
    d.say(
        "The first entry is the right score. The wrong scores are the vector of the others: its "
        "length is the root below ($h_{\\mathrm{rest}}$ has $n - 2$ entries), and since $r$ "
        "is uniform and $h_{\\mathrm{rest}}$ isotropic beside it, its direction is uniform in "
        "$\\mathbb{R}^{n-1}$ and independent of everything else. Divide by the length: the pair is "
        "recalled exactly when $X > Y$.",
        r"X = \frac{\gamma\cos\theta + \tau\sin\theta}"
        r"{\sqrt{(\gamma\sin\theta - \tau\cos\theta)^2 + \chi^2_{n-2}}}, \qquad"
        r" Y = \max_k e_k, \quad e \text{ uniform on the sphere in } \mathbb{R}^{n-1}",
    )
