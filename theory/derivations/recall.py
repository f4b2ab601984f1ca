"""AM3: the law of recall for one-to-one Gaussian memories, and the capacity that follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Rational, cos, exp, log, sin, sqrt

import assocmem as am
from theory.derivation import Derivation, Derive
from theory.derivations.layers import symbols

Array = NDArray[Any]

n_, d_ = sympy.symbols("n d", positive=True, integer=True)


def recall_and_capacity(d: Derivation) -> None:
    """AM3."""
    law_of_the_scores(d)
    moments_of_the_law(d)
    capacity(d)


def law_of_the_scores(d: Derivation) -> None:
    """AM3: from the definition to X and Y."""
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


def moments_of_the_law(d: Derivation) -> None:
    """AM3: with the factors put back, the law has the moments of AM2."""
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
        "mean is 1 and its variance that of AM2,",
        [mean(right), mean(sympy.expand(right**2)) - 1],
        [1, (n_ + 4 * d_ + 3) / d_**2],
        latex=r"\mathbb{E}\,\frac{A\gamma(\gamma A + \tau B)}{d^2} = 1, \qquad"
        r" \mathrm{Var} = \frac{n + 4d + 3}{d^2},",
    )
    d.equal(
        "and the square length of the vector of wrong scores, shared by $n - 1$ of them, has the "
        "mean that AM2 gives to each.",
        mean(sympy.expand(along_r**2 + rest)) / (n_ - 1),
        (n_ + 2 * d_ + 2) / d_**2,
        latex=r"\frac{1}{n-1}\,\mathbb{E}\sum_{k \ne i} (v_k^\top W u_i)^2"
        r" = \frac{n + 2d + 2}{d^2}",
    )


def capacity(d: Derivation) -> None:
    """AM3: leading order."""
    tails(d)
    right_score(d)
    largest_wrong_score(d)
    where_they_meet(d)


def tails(d: Derivation) -> None:
    """AM3: how far χ² and τ are from their means (Laurent and Massart)."""
    u, x, k = sympy.symbols("u x k", positive=True)
    upper = u**2 / (1 - 2 * u) - (-log(1 - 2 * u) / 2 - u)
    lower = u**2 - (u - log(1 + 2 * u) / 2)
    p, h = sympy.symbols("p h", positive=True)
    d.equal(
        "Leading order, with bounds from both sides (Laurent and Massart). For one normal $h$, "
        "with $p = 1 - 2s > 0$:",
        2 * sympy.integrate(exp(-p * h**2 / 2), (h, 0, sympy.oo)) / sqrt(2 * sympy.pi),
        1 / sqrt(p),
        latex=r"\mathbb{E}\, e^{s h^2} = \frac{1}{\sqrt{1 - 2s}}, \qquad s < \tfrac12",
    )
    d.equal(
        "So with $s = \\pm u$, $0 < u < \\tfrac12$, "
        "$\\ln \\mathbb{E}\\, e^{\\pm u (\\chi^2_k - k)}$ "
        "is $k$ times the left sides of the bounds below. Both sides vanish at $u = 0$,",
        [upper.subs(u, 0), lower.subs(u, 0)],
        [0, 0],
        latex=r"-\tfrac12 \ln(1 - 2u) - u \le \frac{u^2}{1 - 2u}, \qquad"
        r" u - \tfrac12 \ln(1 + 2u) \le u^2",
    )
    d.equal(
        "and the right sides grow faster.",
        [sympy.diff(gap, u) for gap in (upper, lower)],
        [2 * u**2 / (1 - 2 * u) ** 2, 4 * u**2 / (1 + 2 * u)],
        latex=r"\frac{d}{du}(\text{right} - \text{left}) = \frac{2u^2}{(1 - 2u)^2} > 0"
        r"\quad\text{and}\quad \frac{4u^2}{1 + 2u} > 0",
    )
    best = sqrt(x) / (sqrt(k) + 2 * sqrt(x))
    d.equal(
        "Chernoff at $u = \\sqrt x/(\\sqrt k + 2\\sqrt x)$, at $u = \\sqrt{x/k}$, and for $\\tau$ "
        "at $u = \\sqrt{2x}$: each exponent is $-x$, so each event has probability at most "
        "$e^{-x}$.",
        [
            (k * u**2 / (1 - 2 * u) - u * (2 * sqrt(k * x) + 2 * x)).subs(u, best),
            (k * u**2 - u * 2 * sqrt(k * x)).subs(u, sqrt(x / k)),
            (u**2 / 2 - u * sqrt(2 * x)).subs(u, sqrt(2 * x)),
        ],
        [-x, -x, -x],
        latex=r"\chi^2_k > k + 2\sqrt{kx} + 2x, \qquad \chi^2_k < k - 2\sqrt{kx}, \qquad"
        r" \pm\tau > \sqrt{2x}",
    )
    d.equal(
        "Take $x = \\sqrt{\\ln d}$ and $n \\ge d \\to \\infty$. But for probability $O(e^{-x})$, "
        "which vanishes, all the $\\chi^2_k$ are within $k\\,(1 \\pm \\varepsilon)$ with one "
        "$\\varepsilon \\to 0$, $\\chi^2_{n-2}$ also within $(n-1)(1 \\pm \\varepsilon)$; and "
        "$|\\tau| \\le \\sqrt{2x}$, which is small against $\\sqrt{\\ln d}$.",
        [
            sympy.limit(expression, x, sympy.oo)
            for expression in (
                2 * sqrt(x) * exp(-(x**2) / 2) + 2 * x * exp(-(x**2)),
                sqrt(2 * x) / x,
            )
        ],
        [0, 0],
        latex=r"2\sqrt{\frac xd} + \frac{2x}d \to 0, \qquad"
        r" \frac{\sqrt{2x}}{\sqrt{\ln d}} \to 0 \quad\text{at}\quad d = e^{x^2}",
    )


def right_score(d: Derivation) -> None:
    """AM3: X √(n-1) concentrates at d / √(n - 1 + 2d)."""
    n, z, a, b, c, g = sympy.symbols("n z a b c g", positive=True)
    eps = sympy.Symbol("epsilon", positive=True)
    cosine2 = a * d_ / (a * d_ + b * (n - 1))
    square = d_**2 * a * g / (d_ * (b * g + a * c) + (n - 1) * b * c)
    d.equal(
        "Without $\\tau$: let $X_0$ be $X$ at $\\tau = 0$, and $a, g$ the two $\\chi^2_d/d$ (of "
        "$\\|u_i\\|$ and $\\gamma$), $b = \\chi^2_{n-1}/(n-1)$, $c = \\chi^2_{n-2}/(n-1)$.",
        g * d_ * cosine2 * (n - 1) / (g * d_ * (1 - cosine2) + c * (n - 1)),
        square,
        latex=r"X_0^2\,(n-1) = \frac{d^2\, a g}{d\,(b g + a c) + (n-1)\, b c}",
    )
    center = d_**2 / (n - 1 + 2 * d_)
    low, high = 1 - eps, 1 + eps
    d.equal(
        "Numerator and denominator grow with each of $a, b, c, g$. At $1 - \\varepsilon$ above and "
        "$1 + \\varepsilon$ below, and the other way round, only a factor is left:",
        [
            sympy.numer(square).subs({a: up, g: up}, simultaneous=True)
            / sympy.denom(square).subs({a: down, b: down, c: down, g: down}, simultaneous=True)
            for up, down in ((low, high), (high, low))
        ],
        [center * (low / high) ** 2, center * (high / low) ** 2],
        latex=r"\frac{1 - \varepsilon}{1 + \varepsilon} \le"
        r" \frac{X_0 \sqrt{n-1}}{d/\sqrt{n - 1 + 2d}} \le \frac{1 + \varepsilon}{1 - \varepsilon}",
    )
    gamma, tau, theta, rest = sympy.symbols("gamma tau theta h", real=True)
    shift = np.array([tau * sin(theta), -tau * cos(theta), 0])
    d.equal(
        "With $\\tau$: it shifts the vector $(\\gamma\\cos\\theta, \\gamma\\sin\\theta, "
        "h_{\\mathrm{rest}})$ by one of length $|\\tau|$,",
        [
            shift @ shift,
            *(np.array([gamma * cos(theta), gamma * sin(theta), rest]) + shift),
        ],
        [
            tau**2,
            gamma * cos(theta) + tau * sin(theta),
            gamma * sin(theta) - tau * cos(theta),
            rest,
        ],
        latex=r"|(\tau\sin\theta, -\tau\cos\theta, 0)| = |\tau|",
    )
    t = sympy.Symbol("t", positive=True)
    d.equal(
        "so by the triangle inequality the numerator $\\gamma\\cos\\theta$ of $X_0$ and its "
        "denominator $L \\ge \\sqrt{(1 - \\varepsilon)(n-1)}$ change by at most $|\\tau|$. Near "
        "capacity, $n - 1 + 2d \\le K d^2/\\ln d$ for some $K$: then $\\gamma\\cos\\theta = X_0 L "
        "\\ge K' \\sqrt{\\ln d}$ with another $K' > 0$, and $|\\tau|$ is small against both. "
        "With $\\eta \\to 0$ the larger ratio, all factors tend to 1: $X\\sqrt{n-1}$ "
        "concentrates at $d/\\sqrt{n - 1 + 2d}$.",
        [
            sympy.limit((1 - eps) / (1 + eps) * (1 - t) / (1 + t), eps, 0).limit(t, 0),
            sympy.limit((1 + eps) / (1 - eps) * (1 + t) / (1 - t), eps, 0).limit(t, 0),
        ],
        [1, 1],
        latex=r"\frac{1 - \varepsilon}{1 + \varepsilon} \cdot \frac{1 - \eta}{1 + \eta} \le"
        r" \frac{X \sqrt{n-1}}{d/\sqrt{n - 1 + 2d}} \le"
        r" \frac{1 + \varepsilon}{1 - \varepsilon} \cdot \frac{1 + \eta}{1 - \eta}",
    )
    d.equal(
        "Its square is the reciprocal of the variance of a wrong score, up to lower orders, "
        "whatever the ratio $\\rho$ of $n$ to $d^2$ (or to $d$).",
        [
            sympy.limit((center * (n + 2 * d_ + 2) / d_**2).subs(n, size), d_, sympy.oo)
            for size in (z * d_, z * d_**2)
        ],
        [1, 1],
        latex=r"\frac{d^2}{n - 1 + 2d} \cdot \frac{n + 2d + 2}{d^2} \to 1"
        r" \quad\text{for}\quad n = \rho d \text{ and } n = \rho d^2",
    )


def largest_wrong_score(d: Derivation) -> None:
    """AM3: Y √(n-1) concentrates at z_n, and z_n² ~ 2 ln n."""
    n, z, s = sympy.symbols("n z s", positive=True)
    d.say(
        "$Y\\sqrt{n-1}$ is the maximum $M$ of $n - 1$ standard normals over $\\chi_{n-1}/"
        "\\sqrt{n-1}$, which is within $\\sqrt{1 \\pm \\varepsilon}$. The median of $M$ is $z_n$, "
        "and around it:",
        r"\Pr(M \le z) = \Phi(z)^{n-1}, \qquad \Phi(z_n)^{n-1} = \tfrac12",
    )
    tail = sympy.erfc(z / sqrt(2)) / 2
    density = exp(-(z**2) / 2) / sqrt(2 * sympy.pi)
    mills, below = density / z, density * (1 / z - 1 / z**3)
    d.equal(
        "Normal tails. All three terms vanish at infinity, and both gaps",
        [sympy.limit(side, z, sympy.oo) for side in (tail, mills, below)],
        [0, 0, 0],
        latex=r"\Big(\frac1z - \frac1{z^3}\Big) \varphi(z) \le 1 - \Phi(z) \le"
        r" \frac{\varphi(z)}z",
    )
    d.equal(
        "decrease to 0, so they are positive.",
        [sympy.diff(gap, z) for gap in (tail - below, mills - tail)],
        [-3 * density / z**4, -density / z**2],
        latex=r"\frac{d}{dz}(\text{gap}) = -\frac{3\varphi(z)}{z^4} < 0 \quad\text{and}\quad"
        r" -\frac{\varphi(z)}{z^2} < 0",
    )
    rate = s**2 + 2 * s
    bound = exp(-rate * z**2 / 2) / ((1 + s) * (1 - 1 / z**2))
    d.equal(
        "Hence for any $s > 0$ the tail at $(1 + s)z$ is small against that at $z$, and likewise "
        "that at $z$ against that at $z/(1 + s)$.",
        [mills.subs(z, (1 + s) * z) / below, sympy.limit(bound, z, sympy.oo)],
        [bound, 0],
        latex=r"\frac{1 - \Phi((1 + s)z)}{1 - \Phi(z)} \le"
        r" \frac{e^{-(s^2 + 2s) z^2/2}}{(1 + s)(1 - z^{-2})} \to 0",
    )
    d.equal(
        "At $z_n$ the tail is $1 - 2^{-1/(n-1)} \\sim \\ln 2/n$. So the mean number "
        "$N$ of normals above $(1 + s) z_n$ tends to 0 and that above $z_n/(1 + s)$ to infinity. "
        "The probability of none above is at least $1 - N$ and at most $e^{-N}$, so $M$ and with "
        "it $Y\\sqrt{n-1}$ concentrates at $z_n$.",
        sympy.limit(n * (1 - exp(-log(2) / (n - 1))), n, sympy.oo),
        log(2),
        latex=r"\lim_{n \to \infty} n\,\big(1 - 2^{-1/(n-1)}\big) = \ln 2",
    )
    d.equal(
        "The size of $z_n$: both bounds give $\\ln(1/(1 - \\Phi(z))) \\sim z^2/2$, and with the "
        "tail of order $1/n$, $z_n^2 \\sim 2\\ln n$.",
        [
            sympy.limit(sympy.expand_log(-log(mills)) / z**2, z, sympy.oo),
            sympy.limit(log(1 - 1 / z**2) / z**2, z, sympy.oo),
        ],
        [Rational(1, 2), 0],
        latex=r"\lim_{z \to \infty} \frac{-\ln(\varphi(z)/z)}{z^2} = \frac12, \qquad"
        r" \lim_{z \to \infty} \frac{\ln(1 - z^{-2})}{z^2} = 0",
    )


def where_they_meet(d: Derivation) -> None:
    """AM3: capacity."""
    n, z = sympy.symbols("n z", positive=True)
    d.say(
        "Recall tends to 1 where the ratio of the two stays above 1, and to 0 where it stays "
        "below. Half of the pairs are recalled where they meet.",
        r"\frac{d}{\sqrt{n - 1 + 2d}} = z_n",
    )
    d.equal(
        "Solve for $n$:",
        sympy.solve(d_**2 / (n - 1 + 2 * d_) - z**2, n),
        [d_**2 / z**2 - 2 * d_ + 1],
        latex=r"n^* \simeq \frac{d^2}{z_n^2} - 2d + 1",
    )
    d.equal(
        "At $n^* < d^2$, $z^2$ is at most about $4 \\ln d$, so the terms $-2d + 1$ are of lower "
        "order: capacity is $d^2/(2 \\ln n^*)$.",
        sympy.limit((2 * d_ - 1) * 4 * log(d_) / d_**2, d_, sympy.oo),
        0,
        latex=r"\frac{(2d - 1)\, z_n^2}{d^2} \to 0, \qquad n^* \sim \frac{d^2}{2\ln n^*}",
    )


DERIVATIONS: dict[str, Derive] = {"AM3": recall_and_capacity}
