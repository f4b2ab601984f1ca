"""Derivation of W1: two Bartlett factors have the law of random embeddings at any width d >= n."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from math import prod
from typing import Any

import numpy as np
import sympy
from sympy import Rational, sqrt

from assocmem.vectors.bartlett import compressed_draw
from theory.algebra.calculus import symbols
from theory.algebra.moments import Drawn, agrees, exact, mean_over
from theory.derivation import Derivation
from theory.width.pairings import by_pairings, d_


def factor(name: str, n: int) -> tuple[np.ndarray, dict[Any, Any]]:
    """√d L with symbols for entries; and the degrees of freedom of each, None if it is normal."""
    entries = symbols(name, n, n)
    lower = np.where(np.tri(n, dtype=bool), entries, 0)
    laws = {entries[i, j]: d_ - i if i == j else None for i in range(n) for j in range(i + 1)}
    return lower, laws


def derive(d: Derivation) -> None:
    """Only Gram matrices matter, and a reflection that depends on one row puts that row on an axis
    without changing the law of the others. Repeated, this leaves a triangular factor with
    independent entries; the images take a second one.
    """
    one_row_at_a_time(d)
    with d.aside("Bookkeeping: moments of the factor"):
        moments_of_the_factor(d)
    images(d)
    with d.aside("Bookkeeping: moments of the images"):
        moments_of_images(d)
    with d.aside("Bookkeeping: the library's draw, from given numbers"):
        library_draws_it(d)


def one_row_at_a_time(d: Derivation) -> None:
    """W1: LQ of Gaussian rows."""
    r = symbols("r", 1, 3)[0]
    length = sqrt(r @ r)
    normal = r - length * np.array([1, 0, 0])
    reflection = np.eye(3, dtype=int) - 2 * np.outer(normal, normal) / (normal @ normal)
    d.say(
        "Only Gram matrices matter, and they do not change when all rows are rotated. Let the rows "
        "$r_1, \\dots, r_n$ have independent $\\mathcal{N}(0, 1/d)$ entries, and reflect "
        "$\\mathbb{R}^d$ by a map that depends on the first row alone.",
        r"R = I - 2\,\frac{w w^\top}{w^\top w}, \qquad w = r_1 - \|r_1\|\, e_1",
    )
    d.equal(
        "It puts $r_1$ on the first axis (here in $\\mathbb{R}^3$),",
        [sympy.simplify(entry) for entry in reflection @ r],
        [length, 0, 0],
        latex=r"R\, r_1 = \|r_1\|\, e_1,",
    )
    d.equal(
        "and is orthogonal, so that given $r_1$ the other rows keep their law: they are "
        "independent of $r_1$ and Gaussian with covariance $R R^\\top / d = I/d$.",
        [sympy.simplify(entry) for entry in (reflection @ reflection.T).ravel()],
        np.eye(3, dtype=int).ravel(),
        latex=r"R R^\top = I",
    )
    d.say(
        "So the first column of $L$ is $\\|r_1\\| \\sim \\chi_d / \\sqrt d$ above independent "
        "$\\mathcal{N}(0, 1/d)$ entries, and what is left is $n - 1$ Gaussian rows in "
        "$\\mathbb{R}^{d-1}$ with the same variance: repeat. The rows of $L$ have the Gram matrix "
        "of the rows $r$, and no number in $L$ but the $\\chi$'s knows $d$.",
        r"\sqrt d\, L_{ii} \sim \chi_{d - i + 1}, \qquad \sqrt d\, L_{ij} \sim \mathcal{N}(0, 1)"
        r" \ (i > j), \qquad L_{ij} = 0 \ (i < j)",
    )


def moments_of_the_factor(d: Derivation) -> None:
    """W1: the Gram entries have the right moments, all of first and second order."""
    lower, laws = factor("l", 3)
    gram = lower @ lower.T / d_
    pairs = list(combinations_with_replacement(range(3), 2))
    d.equal(
        "A check: all first and second moments of the Gram entries of three rows, from the factor "
        "and from the entries of the rows by Wick's theorem, at symbolic $d$.",
        [mean_over(gram[p], laws) for p in pairs]
        + [mean_over(gram[p] * gram[q], laws) for p, q in combinations_with_replacement(pairs, 2)],
        [by_pairings((p, "")) for p in pairs]
        + [by_pairings((p, ""), (q, "")) for p, q in combinations_with_replacement(pairs, 2)],
        latex=r"\mathbb{E}\,(LL^\top)_{ij} = \delta_{ij}, \qquad"
        r" \mathbb{E}\,(LL^\top)_{ij}(LL^\top)_{kl} = \delta_{ij}\delta_{kl}"
        r" + \tfrac1d(\delta_{ik}\delta_{jl} + \delta_{il}\delta_{jk})",
    )


def images(d: Derivation) -> None:
    """W1: the second stage, and why its rows join the stack of the first."""
    matrix, q = symbols("phi", 2, 3), symbols("q", 2, 3)
    rows = q @ matrix.T  # images of the rows q

    def mean(polynomial: Any) -> Any:
        """Entries N(0, 1/3): the width is 3 here."""
        return sum(
            coefficient * Rational(int(all(power in (0, 2) for power in powers)), 3)
            for powers, coefficient in sympy.Poly(polynomial, *matrix.ravel()).terms()
        )

    indices = list(product((0, 1), repeat=4))
    d.equal(
        "Images. Let $Q$ hold an orthonormal basis of span$(X)$, $X = L_{XX} Q$. Given $X$ and "
        "$U$, the rows of $G = Q\\Phi_1^\\top$ are Gaussian, with covariances that the inner "
        "products of the basis alone decide (here two rows in $\\mathbb{R}^3$, two coordinates of "
        "the images):",
        [mean(rows[i, k] * rows[j, l]) for i, j, k, l in indices],
        [q[i] @ q[j] * Rational(int(k == l), 3) for i, j, k, l in indices],
        latex=r"\mathbb{E}\, G_{ik} G_{jl} = \tfrac1d\, \langle q_i, q_j\rangle\, \delta_{kl}"
        r" = \tfrac1d\, \delta_{ij}\, \delta_{kl}",
    )
    d.say(
        "This law is the same whatever $X$ and $U$ are, so $G$ is independent of them, and $[X; G; "
        "U]$ is one stack of $n$ Gaussian rows with one factor $L$. $Q$ is read off its first "
        "$a$ coordinates, and $X \\Phi_1^\\top = L_{XX} G$. In the same way $W_V^2$ maps an "
        "orthonormal basis of the span of the $2a$ atoms to $2a$ Gaussian rows, independent of all "
        "else; only their Gram matrix matters, and a second factor $H$ has it.",
        r"\Phi_1 X \to L_{XX} L_G, \qquad W_V^2 [X; \Phi_1 X] \to [L_{XX}, 0; L_{XX} L_{GX},"
        r" L_{XX} L_{GG}]\, H",
    )


def moments_of_images(d: Derivation) -> None:
    """W1: norms and overlaps by the factors, against Wick's theorem at every width."""
    a = 2
    lower, laws = factor("l", 2 * a + 1)
    H, h_laws = factor("h", 2 * a)
    laws = laws | h_laws
    x, remapped, output = lower[:a], lower[:a, :a] @ lower[a : 2 * a], lower[2 * a]
    atoms = [*x, *remapped]
    values = [atom[: 2 * a] @ H for atom in atoms]

    def mean_gram(*pairs: tuple[Any, Any, int]) -> Any:
        """E of a product of inner products; the power of √d each carries is told with it."""
        overlaps = prod(sympy.expand(u @ v) for u, v, _ in pairs)
        return mean_over(sympy.expand(overlaps), laws) / d_ ** sum(k for _, _, k in pairs)

    x0, x1, f0, f1 = atoms[0], atoms[1], atoms[2], atoms[3]
    d.equal(
        "A check with two inputs and one output, $n = 5$, at symbolic $d$: norms of images and of "
        "values, and overlaps of images with inputs, with each other and with an output, against "
        "Wick's theorem for $d \\times d$ matrices.",
        [
            mean_gram((f0, f0, 2)),
            mean_gram((f0, f0, 2), (f0, f0, 2)),
            mean_gram((x0, f0, Rational(3, 2)), (x0, f0, Rational(3, 2))),
            mean_gram((x1, f0, Rational(3, 2)), (x1, f0, Rational(3, 2))),
            mean_gram((f0, f1, 2), (f0, f1, 2)),
            mean_gram((f0, f1, 2), (x0, x1, 1)),
            mean_gram((f0, output, Rational(3, 2)), (f0, output, Rational(3, 2))),
            mean_gram((values[0], values[0], 2), (values[1], values[1], 2)),
            mean_gram((values[0], values[1], 2), (values[0], values[1], 2)),
            mean_gram((values[0], values[2], Rational(5, 2)), (x0, f0, Rational(3, 2))),
        ],
        [
            by_pairings(((0, 0), "Ff")),
            by_pairings(((0, 0), "Ff"), ((0, 0), "Ff")),
            by_pairings(((0, 0), "f"), ((0, 0), "f")),
            by_pairings(((1, 0), "f"), ((1, 0), "f")),
            by_pairings(((0, 1), "Ff"), ((0, 1), "Ff")),
            by_pairings(((0, 1), "Ff"), ((0, 1), "")),
            by_pairings(((0, 5), "F"), ((0, 5), "F")),
            by_pairings(((0, 0), "Vv"), ((1, 1), "Vv")),
            by_pairings(((0, 1), "Vv"), ((0, 1), "Vv")),
            by_pairings(((0, 0), "Vvf"), ((0, 0), "f")),
        ],
        latex=r"\mathbb{E}\,\|\Phi_1 x\|^2 = 1, \quad \mathbb{E}\,\|\Phi_1 x\|^4"
        r" = \big(1 + \tfrac2d\big)^2, \quad \mathbb{E}\,\langle x, \Phi_1 x\rangle^2"
        r" = \tfrac1d + \tfrac2{d^2}, \quad \dots",
    )
    n = sympy.Symbol("n", positive=True, integer=True)
    fresh = symbols("g", 4, 4)
    square = sum(sympy.expand((row @ np.array([lower[0, 0], 0, 0, 0])) ** 2) for row in fresh)
    all_laws = laws | dict.fromkeys(fresh.ravel())
    d.equal(
        "Fresh Gaussians of variance $1/d$ on $\\mathbb{R}^n$ for $\\Phi_1$ would lose the part "
        "of the image that leaves the $n$ coordinates (here $n = 4$):",
        mean_over(square, all_laws) / d_**2,
        (n / d_).subs(n, 4),
        latex=r"\mathbb{E}\,\|\Phi x\|^2 = \tfrac nd\, \mathbb{E}\,\|x\|^2 = \tfrac nd \ne 1",
    )


def library_draws_it(d: Derivation) -> None:
    """W1: what the library makes of given normals and chi-squares."""
    a, m, width = 2, 1, 16
    n = 2 * a + m
    rng = np.random.default_rng(0)
    normals = [rng.integers(-9, 10, (k, k)) for k in (n, 2 * a)]
    roots = [rng.integers(1, 10, k) for k in (n, 2 * a)]
    squares = [root**2 for root in roots]
    given = Drawn(*normals, chi_squares=squares)
    parts = {
        name: exact(array)
        for name, array in compressed_draw(a, m, width, family="gaussian", rng=given).items()
    }
    L, H = (
        np.array(
            [[Rational(int(x), 4) for x in row] for row in np.tril(normal, -1) + np.diag(root)]
        )
        for normal, root in zip(normals, roots, strict=True)
    )
    atoms = np.concatenate([parts["inputs"], parts["inputs"] @ parts["Phi1"].T])
    d.equal(
        "The library, given integers for normals and squares for $\\chi^2$ at $d = 16$: it asks "
        "for the right degrees of freedom,",
        given.freedoms,
        [[width - i for i in range(n)], [width - i for i in range(2 * a)]],
        latex=r"d,\; d - 1,\; \dots,\; d - n + 1 \quad\text{and}\quad d,\; \dots,\; d - 2a + 1,",
    )
    d.equal(
        "and returns these atoms, outputs and values.",
        [atoms, parts["outputs"], atoms @ parts["W_V2"].T],
        [
            np.concatenate([L[:a], L[:a, :a] @ L[a : 2 * a]]),
            L[2 * a :],
            np.concatenate([np.concatenate([L[:a], L[:a, :a] @ L[a : 2 * a]])[:, : 2 * a] @ H,
                            np.zeros((2 * a, m), int)], axis=1),
        ],
        latex=r"X' = L_X, \quad (\Phi_1 X)' = L_{XX} L_G, \quad U' = L_U, \quad"
        r" [X'; (\Phi_1 X)']_{1..2a}\, H",
    )  # fmt: skip
    unit = {
        name: compressed_draw(a, m, width, family=name, rng=Drawn(*normals, chi_squares=squares))
        for name in ("sphere", "orthonormal")
    }
    unit_families(d, a, L, parts["Phi1"], unit)


def unit_families(
    d: Derivation, a: int, L: Any, remapping: Any, unit: dict[str, dict[str, Any]]
) -> None:
    """W1: the two families of unit vectors, drawn from the same numbers as the Gaussian atoms."""
    sphere, frame = (
        exact(np.concatenate([part["inputs"], part["outputs"]])) for part in unit.values()
    )
    rows = np.delete(L, range(a, 2 * a), axis=0)
    smallest = _least_aligned(rows, sphere)
    agrees(
        d,
        "Sphere: rows are normalised Gaussian rows, norms are Gram entries, and normalising "
        "leaves $Q$ as it is. So normalise rows of $L_X$ and $L_U$ (the smallest over the rows).",
        float(smallest),
        1,
        r"\langle x', L_x / \|L_x\|\rangle^2 = 1",
    )
    d.equal(
        "$G$ is not normalised, and $\\Phi_1 X$ follows from the normalised $X$.",
        exact(unit["sphere"]["Phi1"]),
        remapping,
        latex=r"\Phi_1 = [L_G^\top, 0]",
    )
    turned = sympy.GramSchmidt([sympy.Matrix(row) for row in rows])
    agrees(
        d,
        "Orthonormal together: what a family makes of Gaussian rows commutes with rotations, and "
        "Gram-Schmidt does. So orthonormalise the rows of $L_X$ and $L_U$, and leave $L_G$ as it "
        "is (the smallest over the rows, by exact Gram-Schmidt).",
        float(_least_aligned([np.array(row).ravel() for row in turned], frame)),
        1,
        r"\langle x', e_x\rangle^2 = 1, \qquad e_x \text{ the row of } [L_X; L_U] \text{ less its "
        r"part along earlier ones}",
    )
    d.equal(
        "Its $\\Phi_1$ is the same.",
        exact(unit["orthonormal"]["Phi1"]),
        remapping,
        latex=r"\Phi_1 = [L_G^\top, 0]",
    )


def _least_aligned(rows: Any, directions: Any) -> Any:
    """The smallest square cosine of a row with its unit direction."""
    return min((row @ u) ** 2 / (row @ row) for row, u in zip(rows, directions, strict=True))
