"""Derivation of W3: at a known width the three memories are recalled with probability 1 - delta."""

from __future__ import annotations

import numpy as np
import sympy
from sympy import Rational

from assocmem.width import moments as step_noise
from assocmem.width import wick
from theory.algebra.moments import agrees
from theory.derivation import Derivation
from theory.width.pairings import d_


def derive(d: Derivation) -> None:
    r"""By Cantelli's inequality a margin of mean $\mu$ and variance $\sigma^2$ is negative with a
    probability of at most $\sigma^2/(\sigma^2 + \mu^2)$. The moments are those of W2, and a union
    bound covers all margins of the three memories.
    """
    mu, sigma, t, v = sympy.symbols("mu sigma t v", positive=True)
    d.say(
        "Let $Y$ be a margin with mean $\\mu > 0$ and variance $\\sigma^2$. For every $t > 0$, "
        "where $Y \\le 0$ the square below is at least 1.",
        r"\Pr(Y \le 0) \le \mathbb{E}\,\Big(\frac{\mu - Y + t}{\mu + t}\Big)^2"
        r" = \frac{\sigma^2 + t^2}{(\mu + t)^2}",
    )
    bound = (sigma**2 + t**2) / (mu + t) ** 2
    best = sigma**2 / mu
    d.equal(
        "The best $t$ is $\\sigma^2/\\mu$, where the derivative vanishes:",
        [sympy.diff(bound, t).subs(t, best), bound.subs(t, best)],
        [0, sigma**2 / (sigma**2 + mu**2)],
        latex=r"\Pr(Y \le 0) \le \frac{\sigma^2}{\sigma^2 + \mu^2}",
    )
    d.say(
        "A cue is recalled when all its margins are positive; sum over the wrong answers of all "
        "cues of the three memories (union bound), with the exact $\\mu$, $\\sigma$ of W2.",
        r"\Pr(\text{some cue not recalled}) \le \sum_{q,j}"
        r" \frac{\sigma_{qj}^2}{\sigma_{qj}^2 + \mu_{qj}^2}",
    )
    d.equal(
        "At large $d$ the variance is $v/d$, and each term is $v / (\\mu^2 d)$.",
        sympy.limit(d_ * (v / d_) / (v / d_ + mu**2), d_, sympy.oo),
        v / mu**2,
        latex=r"\lim_{d \to \infty} d\, \frac{v/d}{v/d + \mu^2} = \frac{v}{\mu^2}",
    )
    d.equal(
        "What is left is of order $d^{-2}$,",
        sympy.limit(d_**2 * ((v / d_) / (v / d_ + mu**2) - v / (mu**2 * d_)), d_, sympy.oo),
        -((v / mu**2) ** 2),
        latex=r"\lim_{d \to \infty} d^2 \Big(\frac{v/d}{v/d + \mu^2} - \frac{v}{\mu^2 d}\Big) ="
        r" -\frac{v^2}{\mu^4}",
    )
    delta, total = sympy.symbols("delta s", positive=True)  # s: the sum of v / mu^2
    d.equal(
        "so that the sum of the bounds, $s/d + O(d^{-2})$ with $s = \\sum v_{qj}/\\mu_{qj}^2$, is "
        "$\\delta$ at a width which over $s/\\delta$ tends to 1 as $\\delta \\to 0$ (here one "
        "term, $v = s \\mu^2$, solved for $d$).",
        sympy.limit(
            sympy.solve((total / d_) / (total / d_ + 1) - delta, d_)[0] * delta / total, delta, 0
        ),
        1,
        latex=r"d_\delta \sim \frac1\delta \sum_{q,j} \frac{v_{qj}}{\mu_{qj}^2}",
    )
    # Three answers of one cue: means 3, 1, 2; independent with variances 1, 2, 3 (over d).
    mean = np.array([[[3.0, 1.0, 2.0]]])
    second = np.stack([mean[0][:, :, None] * mean[0][:, None, :], np.diag([1.0, 2, 3])[None]])
    moments = wick.ScoreMoments(mean, second)
    agrees(
        d,
        "The library's bound for one cue with answers of means 3, 1, 2 and independent noise of "
        "variances 1, 2, 3 over $d$, the first being right, at $d = 8$:",
        step_noise.cantelli_failure(moments, 8, np.array([0])),
        Rational(3, 8) / (Rational(3, 8) + 4) + Rational(4, 8) / (Rational(4, 8) + 1),
        r"\frac{3/8}{3/8 + 4} + \frac{4/8}{4/8 + 1}",
    )
