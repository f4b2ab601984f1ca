"""NO1, NO3 and NO4: moments of random vectors, from the laws of their entries; Welch's bound."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Rational, exp, sqrt
from sympy.concrete.delta import deltasummation

import assocmem as am
from theory.derivation import Derivation, Derive

Array = NDArray[Any]
Moment = Callable[[tuple[int, ...]], Any]

# The library computes bounds in floating point. Far above its rounding, far below any altered term.
ROUNDING = Rational(1, 2**40)

d_ = sympy.Symbol("d", positive=True, integer=True)
n_ = sympy.Symbol("n", positive=True, integer=True)
t_, x_, delta = sympy.symbols("t x delta", positive=True)


class Drawn(np.random.Generator):
    """A generator whose draws are given: they show what a family makes of them."""

    def __init__(self, *tables: Array) -> None:
        super().__init__(np.random.PCG64(0))
        self._tables = list(tables)

    def standard_normal(self, *args: Any, **kwargs: Any) -> Any:
        return self._tables.pop(0).astype(float)

    def integers(self, *args: Any, **kwargs: Any) -> Any:
        return self._tables.pop(0)


def exact(numbers: Any) -> Array:
    """Floating-point numbers as the fractions they are."""
    return np.vectorize(lambda x: Rational(float(x)), otypes=[object])(numbers)


def agrees(d: Derivation, text: str, number: float, formula: Any, latex: str) -> None:
    """Compare a number of the library with its formula, evaluated to 30 digits.

    The number is shown after ``latex``.
    """
    error = abs(Rational(number) / sympy.sympify(formula).evalf(30) - 1)
    d.holds(text, error < ROUNDING, latex=rf"{latex} \approx {number:.6g}")


def sum_over(expression: Any, *indices: Any) -> Any:
    """Σ over indices from 1 to d, by the rule Σ_b δ_ab f(b) = f(a)."""
    for index in indices:
        expression = sympy.expand(expression)
        expression = deltasummation(expression, (index, 1, d_))
        # the free index lies in 1..d
        expression = expression.replace(sympy.Piecewise, lambda *branches: branches[0][0])
    return expression


def expectation(polynomial: Any, rows: Array, moment: Moment) -> Any:
    """E of a polynomial in independent rows; ``moment`` is E of a product of powers in one row."""
    n, width = rows.shape
    terms = sympy.Poly(polynomial, *rows.ravel()).terms()
    return sum(
        coefficient * sympy.prod([moment(powers[i * width : (i + 1) * width]) for i in range(n)])
        for powers, coefficient in terms
    )


def gaussian_moment(powers: tuple[int, ...]) -> Any:
    """Of independent N(0, 1/d) entries: a product of (2k - 1)!! / d^k."""
    if any(power % 2 for power in powers):
        return 0
    squares = sum(powers) // 2
    return (
        sympy.prod([sympy.factorial2(power - 1) for power in powers])
        / sympy.Integer(len(powers)) ** squares
    )


def sphere_moment(powers: tuple[int, ...]) -> Any:
    """The Gaussian moment over that of the norm, which is independent of the direction."""
    d, squares = sympy.Integer(len(powers)), sum(powers) // 2
    norm = sympy.prod([(d + 2 * i) / d for i in range(squares)])
    return gaussian_moment(powers) / norm


def rademacher_moment(powers: tuple[int, ...]) -> Any:
    """Of independent entries ±1/√d: the squares are constant."""
    if any(power % 2 for power in powers):
        return 0
    return 1 / sympy.Integer(len(powers)) ** (sum(powers) // 2)


def mean_square_overlap(d: Derivation) -> None:
    """NO1."""
    a, b = sympy.symbols("a b", integer=True, positive=True)
    same = sympy.KroneckerDelta(a, b)
    d.say(
        "Write the square out. By independence its mean is a product of second moments, and "
        "isotropy gives each of them: $\\mathbb{E}\\, u_a u_b = \\delta_{ab}/d$.",
        r"\mathbb{E}\langle u, v\rangle^2 = \sum_{a,b=1}^d"
        r" \mathbb{E}[u_a u_b]\;\mathbb{E}[v_a v_b]",
    )
    d.equal(
        "The double sum has $d$ terms left:",
        sum_over(same / d_ * same / d_, b, a),
        1 / d_,
        latex=r"\sum_{a,b=1}^d \frac{\delta_{ab}}d\,\frac{\delta_{ab}}d = \frac1d",
    )
    d.say(
        "Isotropy of $v$ alone is enough, if $u$ has mean square norm 1.",
        r"\sum_{a,b} \mathbb{E}[u_a u_b]\,\frac{\delta_{ab}}d = \frac{\mathbb{E}\|u\|^2}d"
        r" = \frac1d",
    )
    g = sympy.Symbol("g", real=True)
    density = exp(-(g**2) / 2) / sqrt(2 * sympy.pi)
    d.equal(
        "Gaussian rows $u = g/\\sqrt d$: different entries are independent with mean 0, and",
        sympy.integrate(g**2 * density, (g, -sympy.oo, sympy.oo)) / d_,
        1 / d_,
        latex=r"\mathbb{E}\, u_a^2 = \frac1d \int g^2\, \frac{e^{-g^2/2}}{\sqrt{2\pi}}\, dg"
        r" = \frac1d",
    )
    d.equal(
        "Signs $\\pm 1/\\sqrt d$: the same, with",
        (sqrt(1 / d_) ** 2 + (-sqrt(1 / d_)) ** 2) / 2,
        1 / d_,
        latex=r"\mathbb{E}\, u_a^2 = \tfrac12 \tfrac1d + \tfrac12 \tfrac1d = \tfrac1d",
    )
    d.say(
        "Sphere, $u = g/\\|g\\|$: a change of one sign keeps the law, so $\\mathbb{E}\\,u_a u_b = "
        "0$; so does an exchange of entries, and the squares add up to 1.",
        r"\mathbb{E}\,u_a^2 = \frac1d \sum_b \mathbb{E}\,u_b^2 = \frac1d",
    )
    signs = np.array(list(product((-1, 1), repeat=4)))
    longer = signs * np.arange(1, 17)[:, None]
    for name, family, draws in (
        ("gaussian", am.gaussian, signs),
        ("sphere", am.sphere, longer),
        ("rademacher", am.rademacher, (signs + 1) // 2),
    ):
        rows = exact(family(16, 4, rng=Drawn(draws)))
        d.equal(
            f"The library's `{name}` is that map of its draws: fed with all 16 sign patterns at "
            "$d = 4$" + (", at different lengths" if name == "sphere" else "") + ",",
            rows.T @ rows / 16,
            np.eye(4, dtype=int) * Rational(1, 4),
            latex=r"\tfrac1{16} \sum_{i=1}^{16} u_i u_i^\top = \tfrac14 I_4",
        )


def welch(d: Derivation) -> None:
    """NO3."""
    eigenvalues = sympy.symbols("lambda_1:5", real=True)
    squares = [(a - b) ** 2 for i, a in enumerate(eigenvalues) for b in eigenvalues[:i]]
    d.say(
        "Normalise the vectors. Their Gram matrix $G$ has trace $n$ and rank at most $d$, so at "
        "most $d$ eigenvalues $\\lambda_1, \\dots, \\lambda_d$ are not 0.",
        r"\sum_i \lambda_i = \mathrm{tr}\, G = n, \qquad"
        r" \sum_i \lambda_i^2 = \mathrm{tr}\, G^2 = n + \sum_{i \ne j} \cos^2(u_i, u_j)",
    )
    d.equal(
        "Cauchy and Schwarz, with the gap written out (here for four eigenvalues):",
        4 * sum(a**2 for a in eigenvalues) - sum(eigenvalues) ** 2,
        sum(squares),
        latex=r"d \sum_i \lambda_i^2 - \Big(\sum_i \lambda_i\Big)^2"
        r" = \sum_{i<j} (\lambda_i - \lambda_j)^2 \ge 0",
    )
    n = sympy.Symbol("n", positive=True)
    smallest = (n - d_) / (d_ * (n - 1))
    d.equal(
        "Each of the $n(n-1)$ cosines is at most $c$ in size, so $n^2 \\le d\\,(n + n(n-1)c^2)$. "
        "Equality is at",
        d_ * (n + n * (n - 1) * smallest),
        n**2,
        latex=r"d\,\big(n + n(n-1)\,c^2\big) = n^2 \iff c^2 = \frac{n - d}{d(n-1)} .",
    )
    for size, width in ((3, 2), (6, 3), (28, 7), (4096, 512)):
        agrees(
            d,
            f"The library's `welch_bound` at $n = {size}$, $d = {width}$:",
            am.welch_bound(size, width),
            sqrt(smallest.subs({n: size, d_: width})),
            rf"c = \sqrt{{{sympy.latex(smallest.subs({n: size, d_: width}))}}}",
        )
    attained(d, smallest, n)
    d.equal(
        "For $n \\le d$ the bound is 0, and orthonormal vectors attain it.",
        [exact(am.welch_bound(size, 4))[()] for size in (1, 2, 4)],
        [0, 0, 0],
        latex=r"c = 0, \qquad n \le d",
    )


def attained(d: Derivation, smallest: Any, n: Any) -> None:
    """NO3: three equiangular tight frames."""
    share = 1 / n  # the corners e_i - 1/n of a simplex: inner product -1/n, square norm 1 - 1/n
    d.equal(
        "The $n = d + 1$ corners $e_i - \\tfrac1n \\mathbf{1}$ of a simplex attain it,",
        ((-share / (1 - share)) ** 2).subs(n, d_ + 1),
        smallest.subs(n, d_ + 1),
        latex=r"\Big(\frac{-1/n}{1 - 1/n}\Big)^2 = \frac1{d^2}",
    )
    golden = (1 + sqrt(5)) / 2
    diagonals = [np.roll([0, 1, s * golden], shift) for s in (1, -1) for shift in range(3)]
    corners = np.eye(8, dtype=int)
    lines = [4 * (corners[i] + corners[j]) - 1 for i in range(8) for j in range(i)]
    for name, vectors, width in (
        ("the six diagonals of the icosahedron", diagonals, 3),
        ("the 28 arrangements of $(3, 3, -1, \\dots, -1)$, orthogonal to $\\mathbf{1}$", lines, 7),
    ):
        gram = np.array(vectors, dtype=object) @ np.array(vectors, dtype=object).T
        off = ~np.eye(len(vectors), dtype=bool)
        cosines = {
            sympy.radsimp(sympy.expand(g**2) / sympy.expand(gram[0, 0] ** 2)) for g in gram[off]
        }
        value = smallest.subs({n: len(vectors), d_: width})
        d.equal(
            f"and so do {name}: all squared cosines are",
            sorted(cosines),
            [value],
            latex=rf"\cos^2(u_i, u_j) = {sympy.latex(value)}, \qquad n = {len(vectors)},"
            rf" \; d = {width}",
        )


def remapping(d: Derivation) -> None:
    """NO4."""
    width = 3
    W = np.array(sympy.symbols("W_1:4_1:4")).reshape(width, width)
    u, v = (np.array(sympy.symbols(f"{name}_1:4", real=True)) for name in "uv")
    image, other, norm = W @ u, W @ v, u @ u

    def mean(polynomial: Any) -> Any:
        return expectation(sympy.expand(polynomial), W, gaussian_moment)

    d.say(
        "The entries of $Wu$ are sums of independent normals, so all images are jointly Gaussian "
        "with mean 0, and their covariances are the law.",
        r"(Wu)_a = \sum_b W_{ab} u_b, \qquad W_{ab} \sim \mathcal{N}(0, \tfrac1d)",
    )
    d.equal(
        f"The covariances, from the moments of the entries (here $d = {width}$, all entries "
        "symbols):",
        [mean(a * b) for a in image for b in other],
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
        mean((image @ u) ** 2),
        norm**2 / width,
        latex=r"\mathbb{E}\langle Wu, u\rangle^2 = \sum_{a} u_a^2\,\frac{\|u\|^2}d"
        r" = \frac{\|u\|^4}d",
    )
    d.equal(
        "Mean and variance of the square norm, as $\\chi^2_d$ has them:",
        [mean(image @ image), mean((image @ image) ** 2) - norm**2],
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


DERIVATIONS: dict[str, Derive] = {
    "NO1": mean_square_overlap,
    "NO3": welch,
    "NO4": remapping,
}
