"""Derivation of WR1: over orthonormal atoms the polar factor levels all frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import cos, pi, sin

import assocmem as am
from assocmem.capacity import polar_factor
from theory.algebra.calculus import rotation
from theory.derivation import Derivation

ROUNDING = 2**-40  # of the library's factor, far below any altered term


def written(keys: np.ndarray, values: np.ndarray, p: Any) -> Any:
    """The memory of the pairs with these coefficients."""
    return am.AssociativeMemory(keys=keys, values=values, coefficients=np.diag(p)).matrix


def derive(d: Derivation) -> None:
    """A sum of outer products of orthonormal families has these for singular vectors, and its
    polar factor sets all singular values to 1. Rotations of both sides carry the factor with them,
    while the signs of the entries depend on the basis.
    """
    p = sympy.symbols("p_1 p_2", positive=True)
    u, v = map(rotation, sympy.symbols("a b", real=True))
    M, Q, root = written(u, v, p), written(u, v, [1, 1]), written(v, v, p)
    d.say("The polar factor of $M$ is the isometry $Q$ with $M = (MM^\\top)^{1/2} Q$.")
    d.equal(
        "Over orthonormal families $(MM^\\top)^{1/2} = \\sum_i p_i v_i v_i^\\top$, as its square "
        "shows (two pairs in the plane, at any angles; $a$, $b$: the tangents of their halves).",
        root @ root,
        M @ M.T,
        latex=r"\Big(\sum_i p_i v_i v_i^\top\Big)^2 = \sum_i p_i^2 v_i v_i^\top = M M^\top",
    )
    d.equal(
        "It is positive, so the factor is the memory with all coefficients 1.",
        [root @ Q, Q @ Q.T],
        [M, np.eye(2, dtype=int)],
        latex=r"\Big(\sum_i p_i v_i v_i^\top\Big) \sum_j v_j u_j^\top = M",
    )
    d.say(
        "Orthogonal $A$, $B$ take one polar decomposition to another, which is unique:",
        r"A M B = \big(A (MM^\top)^{1/2} A^\top\big)\,\big(A Q B\big)",
    )
    keys, values = rotation(np.tan(0.15)), rotation(np.tan(0.55))
    found = polar_factor(written(keys, values, [5.0, 1e-3]))
    d.holds(
        "The library's factor of $p = (5, 10^{-3})$, at the angles 0.3 and 1.1:",
        bool(abs(found - written(keys, values, [1.0, 1.0])).max() < ROUNDING),
        latex=r"\texttt{polar\_factor}(M) = v_1 u_1^\top + v_2 u_2^\top",
    )
    theta = sympy.Symbol("theta", positive=True)
    same = np.array([[cos(theta), sin(theta)], [-sin(theta), cos(theta)]])
    entries = [
        [
            p[0] * cos(theta) ** 2 + p[1] * sin(theta) ** 2,
            (p[0] - p[1]) * sin(theta) * cos(theta),
        ],
        [
            (p[0] - p[1]) * sin(theta) * cos(theta),
            p[0] * sin(theta) ** 2 + p[1] * cos(theta) ** 2,
        ],
    ]
    d.equal(
        "Sign descent depends on the basis. With $u = v$ at an angle $\\theta < \\pi/2$ and $p_1 > "
        "p_2$ every entry is positive, so the signs are all 1.",
        written(same, same, p),
        np.array(entries),
        latex=r"M = \begin{pmatrix} p_1 \cos^2\theta + p_2 \sin^2\theta &"
        r" (p_1 - p_2)\sin\theta\cos\theta \\ (p_1 - p_2)\sin\theta\cos\theta &"
        r" p_1 \sin^2\theta + p_2 \cos^2\theta \end{pmatrix}",
    )
    scores = same @ np.ones((2, 2), dtype=int) @ same.T
    d.equal(
        "The scores of the key $u_2$:",
        [sympy.expand_trig(scores[1, 1]), sympy.expand_trig(scores[0, 1])],
        [sympy.expand_trig(1 - sin(2 * theta)), sympy.expand_trig(cos(2 * theta))],
        latex=r"v_2^\top \mathbf 1 \mathbf 1^\top u_2 = 1 - \sin 2\theta, \qquad"
        r" v_1^\top \mathbf 1 \mathbf 1^\top u_2 = \cos 2\theta",
    )
    d.equal(
        "and below $\\pi/4$ the wrong one is larger, by a product of positive factors.",
        sympy.expand_trig(cos(2 * theta) - 1 + sin(2 * theta)),
        sympy.expand_trig(2 * sin(theta) * (cos(theta) - sin(theta))),
        latex=r"\cos 2\theta - (1 - \sin 2\theta) = 2 \sin\theta\,(\cos\theta - \sin\theta) > 0",
    )
    d.holds("At $\\theta = \\pi/8$:", cos(pi / 4) > 1 - sin(pi / 4))
