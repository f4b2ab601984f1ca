"""The exact law of recall with a value for each key, and its leading order, for C2."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import cos, sin

import assocmem as am
from theory.algebra.calculus import symbols
from theory.algebra.draws import decided_alike, laws, right_is_first
from theory.derivation import Derivation
from theory.memory.recall_limits import leading_order

n_, d_ = sympy.symbols("n d", positive=True, integer=True)


def one_to_one(d: Derivation) -> None:
    """The law of recall with a value for each key, and its leading order."""
    law_of_the_scores(d)
    with d.aside("Bookkeeping: the library's sampler, and the moments of C1"):
        sampled(d)
        moments_of_the_law(d)
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


def sampled(d: Derivation) -> None:
    """C2: the library's sampler."""

    def decide(
        own: np.ndarray, _: np.ndarray, others: np.ndarray, h: np.ndarray, gamma: np.ndarray
    ) -> bool:
        norm = np.linalg.norm(others)
        return right_is_first(np.arctan2(norm, own), others / norm, gamma, h)

    n, width = 30, 16
    decided_alike(
        d,
        f"The library's sampler draws these variables ($n = {n}$, $d = {width}$), and decides as "
        "$X > Y$ does, computed from the same numbers, in each of 300 draws.",
        laws(width, n),
        decide,
        latex=r"\texttt{sampled\_recall(n, d)}: \qquad \chi_d, \quad r \chi_{n-1}, \quad h,"
        r" \quad \gamma",
        n=n,
        d=width,
    )


def moments_of_the_law(d: Derivation) -> None:
    """C2: with the factors put back, the law has the moments of C1."""
    A, B, gamma, chi, tau = sympy.symbols("A B gamma chi tau")
    freedom = {A: d_, B: n_ - 1, gamma: d_, chi: n_ - 2, tau: 1}

    def mean(polynomial: Any) -> Any:
        """E χ_m^{2k} = m(m+2)...(m+2k-2); τ is normal, so that its odd powers vanish."""
        return sum(
            coefficient
            * sympy.prod(
                [
                    m + 2 * i
                    for p, m in zip(powers, freedom.values(), strict=True)
                    for i in range(p // 2)
                ]
            )
            for powers, coefficient in sympy.Poly(polynomial, *freedom).terms()
            if powers[-1] % 2 == 0
        )

    # |b| |g'| / √d times the vector above, with |b| (cos θ, sin θ) = (A, B) A/d and |g'| = γ/√d
    factor = A * gamma / d_**2
    right = factor * (gamma * A + tau * B)
    along_r = factor * (gamma * B - tau * A)
    rest = factor**2 * (A**2 + B**2) * chi**2
    d.equal(
        "A check on the law. Put the factors back, with $A = \\sqrt d\\,\\|u_i\\| \\sim \\chi_d$ "
        "and $B \\sim \\chi_{n-1}$: the right score is $A\\gamma(\\gamma A + \\tau B)/d^2$. Its "
        "mean is 1 and its variance that of C1,",
        [mean(right), mean(sympy.expand(right**2)) - 1],
        [1, (n_ + 4 * d_ + 3) / d_**2],
        latex=r"\mathbb{E}\,\frac{A\gamma(\gamma A + \tau B)}{d^2} = 1, \qquad"
        r" \mathrm{Var} = \frac{n + 4d + 3}{d^2},",
    )
    d.equal(
        "and the square length of the vector of wrong scores, shared by $n - 1$ of them, has the "
        "mean that C1 gives to each.",
        mean(sympy.expand(along_r**2 + rest)) / (n_ - 1),
        (n_ + 2 * d_ + 2) / d_**2,
        latex=r"\frac{1}{n-1}\,\mathbb{E}\sum_{k \ne i} (v_k^\top W u_i)^2"
        r" = \frac{n + 2d + 2}{d^2}",
    )
