"""Derivation of W5: the noise of true gradients has exact moments to first order, and a normal
limit."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy
from sympy import Rational, exp, sqrt

import assocmem as am
from assocmem.width import gradient_noise
from assocmem.width.response import linear_response
from theory.algebra.calculus import cross_entropy, symbols
from theory.algebra.moments import ROUNDING, expectation
from theory.derivation import Derivation
from theory.width.pairings import at, by_pairings, d_

TASK = am.InductionTask(n_tokens=3, length=3)


LONGER = am.InductionTask(n_tokens=4, length=4, n_triggers=2)  # the output's place varies


eps, eta, t_ = sympy.symbols("epsilon eta t", real=True)


def derive(d: Derivation) -> None:
    r"""To first order in the step sizes the gradients are linear in the scores of step 1, so their
    moments follow from those of W2. In a whole run the two factors of W1 are the identity plus
    independent entries of order $1/\sqrt d$, and a smooth function of these has a normal limit.
    """
    linear_in_the_first_memory(d)
    means_of_infinite_width(d)
    moments_across_outputs(d)
    law_of_the_factor(d)
    with d.aside("Bookkeeping: moments of the factor are bounded"):
        moments_of_the_factor(d)
    remainder(d)
    response_of_the_overlaps(d)
    library_responds(d)


def linear_in_the_first_memory(d: Derivation) -> None:
    """To first order in η₁ the next gradients are linear in S: differentiate the loss."""
    xi = symbols(r"\xi", 2)
    d.say(
        "The gradient of step 1 has the coefficients $C$ of S1 at every width: at zero weights "
        "attention is uniform and $\\hat p = 1/M$, whatever the embeddings. At $W_O^2 = \\eta_1 "
        "G_1$ the logits are $\\eta_1 S m$, where $m$ holds the coefficients, over the atoms "
        "$a_c$, of what the second layer reads.",
        r"S_{kc} = w_U(k)^\top G_1 W_V^2 a_c = \sum_{k',b} \langle w_U(k), w_U(k')\rangle\,"
        r" C_{k'b}\, \langle W_V^2 a_b, W_V^2 a_c\rangle",
    )
    d.equal(
        "To first order in $\\eta_1$ the loss is linear in the logits, here of $M = 2$ outputs,",
        [-sympy.diff(cross_entropy(eta * xi, y), eta).subs(eta, 0) for y in range(2)],
        [xi[y] - (xi[0] + xi[1]) / 2 for y in range(2)],
        latex=r"-\frac{d}{d\eta_1}\Big|_0 \ell(y, \eta_1 \xi) = \sum_k \big(1\{y{=}k\} -"
        r" \tfrac1M\big)\, \xi_k ,",
    )
    d.equal(
        "so the lifted gradients at $W_K^1 = W_K^2 = 0$ are linear in $S$: they are those of L3, "
        "with $S$ for the scores and the softmax of either layer. Checked for all sequences of "
        "$N = T = 4$, $K = 2$: differentiate $m$ by every entry of the table of $W_K^2$, and it is "
        "the library's map,",
        _fractions(gradient_noise.second_step_map(LONGER)),
        _map_from_the_loss(_second_layer_moved, 2 * (LONGER.n_tokens + LONGER.length)),
        latex=r"J_2 = \mathbb{E} \sum_k \big(1\{y{=}k\} - \tfrac1M\big)\; x^1_T \otimes"
        r" \mathrm{Cov}_s(S_k x^1_s,\, x^1_s) ,",
    )
    d.equal(
        "and by every entry of the table of $W_K^1$.",
        _fractions(gradient_noise.value_path_map(LONGER)),
        _map_from_the_loss(_first_layer_moved, LONGER.n_tokens + LONGER.length),
        latex=r"A = \mathbb{E} \sum_k \big(1\{y{=}k\} - \tfrac1M\big)\, \tfrac1T \sum_t x_t"
        r" \otimes \mathrm{Cov}_{s \le t}(S_k \Phi_1 x_s,\, x_s)",
    )


def _fractions(table: np.ndarray) -> list[Any]:
    """The multiples of 1 / (|sequences| M T^2 (T!)^3) next to floats, refused if not next."""
    T = LONGER.length
    D = LONGER.n_sequences * LONGER.n_outputs * T**2 * int(sympy.factorial(T)) ** 3
    multiples = np.rint(table * D)
    if np.abs(table * D - multiples).max() > 2**-30:
        raise ValueError(f"table: expected multiples of 1/{D}; got other numbers.")
    return [Rational(int(number), D) for number in multiples.ravel()]


@cache
def _softmax_slope(scores: tuple[Any, ...]) -> list[Any]:
    """d/dε at 0 of softmax(ε scores)."""
    total = sum(exp(eps * score) for score in scores)
    return [sympy.diff(exp(eps * score) / total, eps).subs(eps, 0) for score in scores]


def _second_layer_moved(x: np.ndarray, x1: np.ndarray, e: int, c: int) -> np.ndarray:
    """dm for the entry (e, c) of W_K2: m = Σ_s a_s x¹_s, a = softmax(ε x¹_T[e] x¹_s[c])."""
    moved: np.ndarray = _softmax_slope(tuple(x1[-1, e] * x1[:, c])) @ x1
    return moved


def _first_layer_moved(x: np.ndarray, x1: np.ndarray, i: int, j: int) -> np.ndarray:
    """dm for the entry (i, j) of W_K1: m = (1/T) Σ_t [x_t, Σ_s b_ts x_s], b from x_t[i] x_s[j]."""
    moved = sum(_softmax_slope(tuple(x[t, i] * x[: t + 1, j])) @ x[: t + 1] for t in range(len(x)))
    return np.concatenate([0 * x[0], moved / sympy.Integer(len(x))])


@cache
def _map_from_the_loss(moved: Any, size: int) -> list[Any]:
    """E (1{y=k} - 1/M) dm_c' for every entry of the matrix, row by row, then k, c'."""
    batch, T = LONGER.enumerate(), LONGER.length
    labels = np.eye(LONGER.n_outputs, dtype=int).astype(object)[batch.targets[:, -1]]
    residuals = (labels - Rational(1, LONGER.n_outputs)) / sympy.Integer(len(batch))
    table = np.zeros((size, size, LONGER.n_outputs, 2 * (LONGER.n_tokens + T)), dtype=object)
    for tokens, residual in zip(batch.tokens, residuals, strict=True):
        x = np.concatenate([np.eye(LONGER.n_tokens, dtype=int)[tokens], np.eye(T, dtype=int)], 1)
        x = x.astype(object)
        past = x.cumsum(axis=0) / np.array([[sympy.Integer(t + 1)] for t in range(T)])
        x1 = np.concatenate([x, past], axis=1)
        for entry in np.ndindex(size, size):
            table[entry] += np.outer(residual, moved(x, x1, *entry))
    return list(table.ravel())


def means_of_infinite_width(d: Derivation) -> None:
    """E S = C at every width."""
    pairs_of_values = {
        ((0, 0), "Vv"): 1, ((0, 1), "Vv"): 0, ((0, 0), "Vvf"): 0, ((0, 1), "Vvf"): 0,
        ((0, 0), "FVvf"): 1, ((0, 1), "FVvf"): 0,
    }  # fmt: skip
    d.equal(
        "Outputs and values are orthonormal in the mean, at every $d$, and independent of each "
        "other,",
        [by_pairings(((0, 0), "")), by_pairings(((0, 1), "")), *map(by_pairings, pairs_of_values)],
        [1, 0, *pairs_of_values.values()],
        latex=r"\mathbb{E}\, \langle w_U(k), w_U(k')\rangle = \delta_{kk'}, \quad"
        r" \mathbb{E}\, \langle W_V^2 a_b, W_V^2 a_c\rangle = \delta_{bc}"
        r" \quad\Rightarrow\quad \mathbb{E}\, S = C ,",
    )
    task = am.InductionTask(n_tokens=4, length=5, n_triggers=2)
    C = am.gradients.first_step(task).coefficients().ravel()
    in_the_mean = gradient_noise.second_step_map(task) @ C
    limit = am.gradients.second_step(task).coefficients().ravel()
    d.holds(
        "so the gradients are those of infinite width in the mean: the closed form of S2,",
        Rational(np.abs(in_the_mean - limit).max() / np.abs(limit).max()) < ROUNDING,
        latex=r"\mathbb{E}\, J_2 = J_2(d = \infty),",
    )
    n = task.n_tokens + task.length
    value_path = (gradient_noise.value_path_map(task) @ C).reshape(n, n)
    block = value_path[task.n_tokens :, task.n_tokens :]
    limit = am.gradients.third_step(task, 0)["positions", "positions"]
    d.holds(
        "and between positions that of S3a at $\\lambda = 0$ ($N = 4$, $T = 5$, $K = 2$).",
        Rational(np.abs(block - limit).max() / np.abs(limit).max()) < ROUNDING,
        latex=r"\mathbb{E}\, A_{pp} = A_{pp}(d = \infty)",
    )


def moments_across_outputs(d: Derivation) -> None:
    """Mean and covariance of the entries of S, of different outputs too."""
    rng = np.random.default_rng(1)
    n = TASK.n_tokens + TASK.length
    d.say(
        "With $M_2$ for the map, $J_2 = M_2 S$, covariances follow from those of $S$, which the "
        "pairings of W2 give for entries of different outputs as well as of one.",
        r"\mathrm{Cov}(J_2) = M_2\, \mathrm{Cov}(S)\, M_2^\top",
    )
    with d.aside("Bookkeeping: the pairings in one and two dimensions"):
        for width, kept in ((1, [0, n]), (2, [0])):  # the image has too many terms at d = 2
            C = np.zeros((2, 2 * n), int)
            C[:, kept] = rng.integers(1, 4, (2, len(kept)))
            u, x = symbols("u", 2, width), symbols("x", 1, width)
            phi, v = symbols("phi", width, width), symbols("v", width, width)
            values = np.concatenate([x @ v.T, x @ phi.T @ v.T])[: len(kept)]
            S = ((u @ u.T) @ C[:, kept] @ (values @ values.T)).ravel()

            moments = gradient_noise.first_score_moments(TASK, C)
            entries = [2 * n * k + c for k in range(2) for c in kept]
            means, seconds = (at(powers, width)[0] for powers in moments)
            pairs = list(combinations_with_replacement(range(len(entries)), 2))
            d.equal(
                f"At $d = {width}$, for two outputs and a memory of one token"
                f"{' and its image' * (len(kept) - 1)} with integer coefficients: the pairings "
                f"against "
                "the polynomial in all entries of $w_U$, $w_E$, $\\Phi_1$ and $W_V^2$.",
                [means[i] for i in entries] + [seconds[entries[i], entries[j]] for i, j in pairs],
                [expectation(p, u, x, phi, v) for p in [*S, *(S[i] * S[j] for i, j in pairs)]],
                latex=r"\mathbb{E}\, S_{kc}, \quad \mathbb{E}\, S_{kc} S_{k'c'}",
            )


def law_of_the_factor(d: Derivation) -> None:
    """√d (L - 1) has normal entries in the limit, of variance 1/2 on the diagonal."""
    i = sympy.Symbol("i", nonnegative=True, integer=True)
    d.say(
        "Now the whole run. By W1 the model is made of $L = 1 + E/\\sqrt d$ and $H = 1 + E'/"
        "\\sqrt d$. Below the diagonal the entries of $E$, $E'$ are $\\mathcal{N}(0, 1)$.",
        r"\sqrt d\, L_{ij} \sim \mathcal{N}(0, 1), \quad i > j",
    )
    log_mean = -(d_ - i) / 2 * sympy.log(1 - 2 * t_ / sqrt(d_)) - t_ * sqrt(d_)
    root = sympy.Symbol("r", positive=True)  # of 1/d
    d.equal(
        "On it, $d L_{ii}^2 \\sim \\chi^2_{d-i}$ ($i$ counted from 0) has $\\mathbb{E}\\, "
        "e^{s\\chi^2} = (1 - 2s)^{-(d-i)/2}$. At $s = t/\\sqrt d$:",
        sympy.limit(sympy.expand_log(log_mean.subs(d_, 1 / root**2), force=True), root, 0),
        t_**2,
        latex=r"\ln \mathbb{E}\, e^{t\sqrt d\,(L_{ii}^2 - 1)} \to t^2, \qquad"
        r" \sqrt d\,(L_{ii}^2 - 1) \to \mathcal{N}(0, 2)",
    )
    y = sympy.Symbol("y", positive=True)
    d.equal(
        "and the square root has slope 1/2 at 1.",
        2 * sympy.diff(sqrt(y), y).subs(y, 1) ** 2,
        Rational(1, 2),
        latex=r"E_{ii} = \sqrt d\,(L_{ii} - 1) \to \mathcal{N}\big(0, \tfrac12\big)",
    )


def moments_of_the_factor(d: Derivation) -> None:
    """Moments of E are bounded in d, and Cov(E) converges."""
    i = sympy.Symbol("i", nonnegative=True, integer=True)
    t, u = sympy.symbols("t u", real=True)
    length = sympy.Symbol("l", positive=True)  # L_ii
    d.equal(
        "Moments. On the diagonal $L_{ii} \\ge 0$, so that",
        length**2 - 1,
        (length - 1) * (length + 1),
        latex=r"|L_{ii} - 1| \le |L_{ii} - 1|\,(L_{ii} + 1) = |L_{ii}^2 - 1| .",
    )
    d.equal(
        "For the right side: for $|u| \\le \\tfrac12$ the gap $u + u^2 + \\ln(1 - u)$ is at least "
        "0, its value at $u = 0$, as its slope has the sign of $u$.",
        sympy.diff(u + u**2 + sympy.log(1 - u), u),
        u * (1 - 2 * u) / (1 - u),
        latex=r"-\ln(1 - u) \le u + u^2, \qquad \frac{d}{du}(\text{gap}) ="
        r" \frac{u\,(1 - 2u)}{1 - u}",
    )
    d.equal(
        "At $u = 2t/\\sqrt d$ this bounds the logarithm above for $|t| \\le 1$, uniformly in $d "
        "\\ge 16$: so are all moments of $E_{ii}$, and for the other entries they are those of "
        "$\\mathcal{N}(0, 1)$.",
        ((d_ - i) / 2 * (u + u**2) - t * sqrt(d_)).subs(u, 2 * t / sqrt(d_)),
        2 * t**2 * (1 - i / d_) - i * t / sqrt(d_),
        latex=r"\ln \mathbb{E}\, e^{t\sqrt d\,(L_{ii}^2 - 1)} \le 2t^2\Big(1 - \frac id\Big) -"
        r" \frac{i\,t}{\sqrt d} \le 2 + \frac i4",
    )
    square = (d_ - i) / d_  # E L_ii^2
    d.equal(
        "So the squares $E_{ii}^2$ are uniformly integrable, and $\\mathbb{E}\\, E_{ii}^2 \\to "
        "\\tfrac12$ with the law. The mean of $E_{ii}$ vanishes, with $\\mathbb{E}\\, L_{ii}^2 = "
        "(d - i)/d$:",
        [(length**2 - 1) / 2 - (length - 1) ** 2 / 2, sqrt(d_) * (square - 1) / 2],
        [length - 1, -i / (2 * sqrt(d_))],
        latex=r"\mathbb{E}\, E_{ii} = \sqrt d\; \mathbb{E}\Big[\frac{L_{ii}^2 - 1}{2} -"
        r" \frac{(L_{ii} - 1)^2}{2}\Big] = -\frac{i + \mathbb{E}\, E_{ii}^2}{2\sqrt d}"
        r" = O(d^{-1/2}) .",
    )
    d.say(
        "All entries being independent,",
        r"\mathrm{Cov}(E, E') \to \mathrm{diag}(\sigma_e^2), \qquad \sigma_e^2 = \tfrac12"
        r" \text{ on the diagonal, } 1 \text{ below.}",
    )


def remainder(d: Derivation) -> None:
    """Taylor's formula, with a remainder in L²."""
    d.say(
        "A quantity $Q$ of the run at fixed step sizes is a polynomial in the entries of $L$ and "
        "$H$ and in softmaxes of such expressions: smooth. Softmaxes lie in $[0, 1]$, and their "
        "derivatives are again polynomials in softmaxes and derivatives of scores. So every "
        "derivative of $Q$ is bounded by a polynomial in $|L|$, $|H|$, also on the segment from 1 "
        "to $L$, $H$. By Taylor's formula the remainder is at most $|E|^2/\\sqrt d$ times such a "
        "polynomial: as moments are bounded, it is $O(1/\\sqrt d)$ in $L^2$, and does not change "
        "the limits of law and covariance.",
        r"\sqrt d\,(Q - Q_\infty) = \sum_e E_e\, \partial_e Q + O(1/\sqrt d)"
        r" \to \mathcal{N}(0, R^\top R), \qquad d\,\mathrm{Cov}(Q) \to R^\top R, \qquad"
        r" R_e = \sigma_e\, \partial_e Q",
    )
    rows = symbols("l", 3, 3)
    one, other = sympy.GramSchmidt([sympy.Matrix([rows[0, 0], 0, 0]), sympy.Matrix(rows[2])])
    d.equal(
        "On the sphere rows are divided by their norms; an orthonormal family divides what "
        "Gram-Schmidt leaves of them. Along the segment row $i$ has the diagonal entry $(1 - s) + "
        "s L_{ii}$, and earlier rows vanish at coordinate $i$: what is divided by is no smaller "
        "(here rows 0 and 2 of three, row 1 being one of $L_G$).",
        [(one.T * one)[0] - rows[0, 0] ** 2, (other.T * other)[0] - rows[2, 2] ** 2],
        [0, rows[2, 1] ** 2],
        latex=r"|\text{residual}_i| \ge (1 - s) + s L_{ii} \ge \min(1, L_{ii})",
    )
    m, k = sympy.symbols("m k", positive=True)
    d.equal(
        "So derivatives are bounded by polynomials in $|L|$, $|H|$ and $1/\\min(1, L_{ii})$. Their "
        "moments exist and are bounded once $d$ is large enough for their order: with "
        "$\\mathbb{E}\\,\\chi_m^{-2k} = 2^{-k}\\,\\Gamma(\\tfrac m2 - k)/\\Gamma(\\tfrac m2)$, $m "
        "> 2k$, each is the one before over",
        sympy.gammasimp(2 * sympy.gamma(m / 2 - k) / sympy.gamma(m / 2 - k - 1)),
        m - 2 * k - 2,
        latex=r"\frac{\mathbb{E}\,\chi_m^{-2k}}{\mathbb{E}\,\chi_m^{-2(k+1)}} = m - 2(k+1),"
        r" \qquad \mathbb{E}\, L_{ii}^{-2k} = \prod_{l=1}^k \frac{d}{d - i - 2l} \to 1",
    )


def response_of_the_overlaps(d: Derivation) -> None:
    """Two routes to the noise of the overlaps: the linear response, and Wick's theorem."""
    a = 2
    n = 2 * a + 1
    E, E_values = symbols("e", n, n), symbols("f", 2 * a, 2 * a)
    L, H = (
        np.eye(len(rows), dtype=int) + t_ * np.where(np.tri(len(rows), dtype=bool), rows, 0)
        for rows in (E, E_values)
    )
    atoms = np.concatenate([L[:a], L[:a, :a] @ L[a : 2 * a]])
    values, output = atoms[:, : 2 * a] @ H, L[2 * a]
    overlaps = {
        ((0, 0), ""): atoms[0] @ atoms[0],
        ((0, 1), ""): atoms[0] @ atoms[1],
        ((0, 0), "f"): atoms[0] @ atoms[a],
        ((0, 1), "f"): atoms[0] @ atoms[a + 1],
        ((0, 0), "Ff"): atoms[a] @ atoms[a],
        ((0, 1), "Ff"): atoms[a] @ atoms[a + 1],
        ((5, 0), "f"): output @ atoms[a],
        ((0, 0), "Vv"): values[0] @ values[0],
        ((0, 1), "Vv"): values[0] @ values[1],
        ((0, 0), "Vvf"): values[0] @ values[a],
        ((0, 1), "FVvf"): values[a] @ values[a + 1],
    }
    variables = [*E.ravel(), *E_values.ravel()]
    diagonal = {*np.diagonal(E), *np.diagonal(E_values)}
    slopes = {
        key: sympy.Poly(sympy.diff(overlap, t_).subs(t_, 0), *variables)
        for key, overlap in overlaps.items()
    }

    def response(*pair: Any) -> Any:
        """Σ_e σ_e² ∂_e ∂_e."""
        one, other = (slopes[key].as_expr() for key in pair)
        return sum(
            (Rational(1, 2) if e in diagonal else 1) * sympy.diff(one, e) * sympy.diff(other, e)
            for e in variables
            if one.has(e)
        )

    def limit(*pair: Any) -> Any:
        covariance = by_pairings(*pair) - by_pairings(pair[0]) * by_pairings(pair[1])
        return sympy.limit(d_ * covariance, d_, sympy.oo)

    pairs = list(combinations_with_replacement(overlaps, 2))
    d.equal(
        "Two routes to one limit: variances and covariances of norms and overlaps of two inputs, "
        "their images and values and an output, as the linear response of the two factors with "
        "symbols for entries, and from the pairings of W2 for $d \\times d$ matrices.",
        [response(*pair) for pair in pairs],
        [limit(*pair) for pair in pairs],
        latex=r"\sum_e \sigma_e^2\, \partial_e \langle \cdot,\cdot\rangle\,"
        r" \partial_e \langle \cdot,\cdot\rangle' = \lim_{d\to\infty} d\,"
        r" \mathrm{Cov}\big(\langle\cdot,\cdot\rangle, \langle\cdot,\cdot\rangle'\big)",
    )


def library_responds(d: Derivation) -> None:
    """`linear_response` for S, where the exact covariance is known."""
    C = am.gradients.first_step(TASK).coefficients()

    def scores(emb: am.FrozenEmbeddings) -> dict[str, np.ndarray]:
        memory = am.AssociativeMemory(keys=emb.values, values=emb.outputs, coefficients=C)
        return {"S": memory.scores()}

    # S is at most quadratic in each entry of L and H, so central differences of any step are exact.
    R = linear_response(scores, TASK, step=0.25)["S"]
    exact = gradient_noise.first_score_moments(TASK, C).limit_covariance()[0]
    error = np.abs(R.T @ R - exact).max() / np.abs(exact).max()
    d.holds(
        "The library's linear response of $S$ is the limit of its exact covariance, to rounding "
        "(all entries, $N = T = 3$).",
        Rational(error) < ROUNDING,
        latex=r"R^\top R = \lim_{d\to\infty} d\, \mathrm{Cov}(S)",
    )
