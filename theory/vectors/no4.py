"""Derivation of NO4: a Gaussian remapping nearly keeps norms and turns each vector by nearly 90
degrees."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy
from sympy import Rational, exp

import assocmem as am
from theory.algebra.moments import Drawn, d_, exact, expectation
from theory.derivation import Derivation


def derive(d: Derivation) -> None:
    """A Gaussian matrix maps fixed vectors to jointly normal ones, whose covariances are inner
    products over $d$. So norms and overlaps of the images have chi-squared and normal laws.
    """
    width = 3
    W = np.array(sympy.symbols("W_1:4_1:4")).reshape(width, width)
    u, v = (np.array(sympy.symbols(f"{name}_1:4", real=True)) for name in "uv")
    image, other, norm = W @ u, W @ v, u @ u

    d.say(
        "The entries of $Wu$ are sums of independent normals, so all images are jointly Gaussian "
        "with mean 0, and their covariances are the law.",
        r"(Wu)_a = \sum_b W_{ab} u_b, \qquad W_{ab} \sim \mathcal{N}(0, \tfrac1d)",
    )
    d.equal(
        f"The covariances, from the moments of the entries (here $d = {width}$, all entries "
        "symbols):",
        [expectation(a * b, W) for a in image for b in other],
        list((np.eye(width, dtype=int) * (u @ v) / width).ravel()),
        latex=r"\mathbb{E}\,(Wu)_a (Wv)_b = \sum_{c,e} \mathbb{E}[W_{ac} W_{be}]\, u_c v_e"
        r" = \frac{\delta_{ab}}d\, \langle u, v\rangle",
    )
    d.say(
        "For $u = v$: $\\sqrt d\\, Wu/\\|u\\|$ has $d$ independent standard normal entries. For "
        "orthogonal $u, v$ the images are uncorrelated, hence independent, and with them all "
        "that is computed from each.",
        r"\frac{d\,\|Wu\|^2}{\|u\|^2} \sim \chi^2_d, \qquad"
        r" \langle Wu, u\rangle = \sum_a (Wu)_a u_a \quad\text{is normal with mean } 0",
    )
    d.equal(
        "The variance of the self-overlap:",
        expectation((image @ u) ** 2, W),
        norm**2 / width,
        latex=r"\mathbb{E}\langle Wu, u\rangle^2 = \sum_{a} u_a^2\,\frac{\|u\|^2}d"
        r" = \frac{\|u\|^4}d",
    )
    d.equal(
        "Mean and variance of the square norm, as $\\chi^2_d$ has them:",
        [expectation(image @ image, W), expectation((image @ image) ** 2, W) - norm**2],
        [norm, 2 * norm**2 / width],
        latex=r"\mathbb{E}\|Wu\|^2 = \|u\|^2, \qquad \mathrm{Var}\,\|Wu\|^2 = \tfrac2d \|u\|^4",
    )
    norm_of_the_image(d)
    rows, G = np.arange(12).reshape(3, 4), np.arange(16).reshape(4, 4) ** 2
    task = SimpleNamespace(n_tokens=1, length=1, outputs=range(1))
    emb = am.FrozenEmbeddings.random(task, width=4, rng=Drawn(rows, G, G))
    d.equal(
        "The library's remapping is this map of its draws. Fed with $G_{ab}$ in place of standard "
        "normals at $d = 4$:",
        exact(np.concatenate([emb.remapped_tokens, emb.remapped_positions])),
        rows[:2] @ G.T * Rational(1, 4),
        latex=r"\Phi_1 u = \frac{G}{\sqrt d}\, u, \qquad u = \frac{g}{\sqrt d}",
    )


def norm_of_the_image(d: Derivation) -> None:
    """NO4: the mean of the norm, between two neighbours, and the leading order of its variance."""
    r, a = sympy.symbols("r a", positive=True)

    def mean_norm(d: Any) -> Any:  # of chi_d
        density = r ** (d - 1) * exp(-(r**2) / 2) / (2 ** (d / 2 - 1) * sympy.gamma(d / 2))
        return sympy.integrate(r * density, (r, 0, sympy.oo))

    d.equal(
        "The norm itself: $m_d = \\mathbb{E}\\, \\chi_d$ obeys",
        mean_norm(d_) * mean_norm(d_ + 1),
        d_,
        latex=r"m_d\, m_{d+1} = \sqrt2\, \frac{\Gamma(\frac{d+1}2)}{\Gamma(\frac d2)}\;"
        r"\sqrt2\, \frac{\Gamma(\frac{d+2}2)}{\Gamma(\frac{d+1}2)} = d",
    )
    d.say(
        "and it grows with $d$, as a further square is added. So $d - 1 = m_{d-1} m_d \\le m_d^2 "
        "\\le m_d m_{d+1} = d$: the variance of $\\|Wu\\|/\\|u\\|$ is at most $1/d$ at every $d$.",
        r"\mathrm{Var}\, \frac{\|Wu\|}{\|u\|} = 1 - \frac{m_d^2}{d} \le \frac1d",
    )
    d.equal(
        "To leading order (Stirling's series: $m_d^2 = d - a + O(1/d)$) the recursion fixes $a$,",
        sympy.limit(((d_ - a) * (d_ + 1 - a) - d_**2) / d_, d_, sympy.oo),
        1 - 2 * a,
        latex=r"m_d^2\, m_{d+1}^2 - d^2 = (1 - 2a)\, d + O(1) = 0 \implies a = \tfrac12, \qquad"
        r" \mathrm{Var}\, \frac{\|Wu\|}{\|u\|} \simeq \frac1{2d}",
    )
