"""Finite width: exact laws at any d, and the three steps with random embeddings."""

from __future__ import annotations

from theory.claims import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="W1",
        title="The law of random embeddings without their width: two Bartlett factors",
        statement=r"""
Let $X$ hold the $a = N + T$ inputs $w_E, p$ as rows and $U$ the $M$ outputs $w_U$, all entries of
$X$, $U$, $\Phi_1$ and $W_V^2$ independent $\mathcal{N}(0, 1/d)$, and $d \ge n = 2a + M$. Draw
lower-triangular matrices $L$ ($n \times n$) and $H$ ($2a \times 2a$) with independent entries
$$\sqrt d\, L_{ii} \sim \chi_{d - i + 1}, \qquad
\sqrt d\, L_{ij} \sim \mathcal{N}(0, 1) \quad (i > j), \qquad H \text{ likewise},$$
and cut the rows of $L$ into $L_X$, $L_G$, $L_U$ ($a$, $a$ and $M$ rows), the first $a$ columns of
$L_X$ being $L_{XX}$. Then the atoms
$$X' = L_X, \qquad (\Phi_1 X)' = L_{XX} L_G, \qquad U' = L_U$$
of width $n$ have in law the Gram matrix of $[X; X\Phi_1^\top; U]$, and the values, which are the
first $2a$ columns of $[X'; (\Phi_1 X)']$ times $H$, have given these atoms in law the Gram matrix
of $[X; X\Phi_1^\top]\, W_V^{2\top}$. Hence logits,
losses and lifted gradients have the law of width $d$, at a cost that does not depend on $d$.
On the sphere the same holds with the rows of $L_X$ and $L_U$ normalised (and $L_G$ as it is); with
$X$ and $U$ orthonormal together, with these rows orthonormalised.
""".strip(),
        assumptions=(
            "d >= n = 2(N+T) + M",
            "entries of Phi1 and W_V2 are independent N(0, 1/d)",
            "inputs and outputs are made of Gaussian rows by a map that commutes with rotations "
            "(Gaussian, sphere, orthonormal; not signs)",
        ),
        kind="equal",
        source="derived here; the factor is [B1933], in this form [M1982], Theorem 3.2.14",
        status="proved",
        note="""
The rows of G are the images under Phi1 of an orthonormal basis of span(X). Fresh n x n Gaussians
with variance 1/d for Phi1 are wrong for n < d: they give |Phi1 x|^2 about n/d (and are right at
n = d). The coordinates are those of `compressed()` up to signs. Compared by Kolmogorov's distance:
with the exact law of norms and overlaps at any d, and with direct draws at small widths, by the
two-sample inequality of [WD2012].
""".strip(),
    ),
    Claim(
        id="W2",
        title="Noise of the three memories at finite width: exact means and covariances",
        statement=r"""
Write the three memories with fixed coefficients $C$ over Gaussian embeddings. Every score is
$$s_{qi} = \sum_{a,b} \big(x_q^\top M_a x_a\big)\, C_{ab}\, \big(x_b^\top M_b' x_i\big)$$
with words $M_a$, $M_b'$ in $\Phi_1$, $W_V^2$ and their transposes. Its mean and the covariance of
two scores are polynomials in $1/d$,
$$\mathbb{E}\, s_{qi} s_{qj} = \sum_{\pi} d^{\,\ell(\pi) - m} \sum_{a,b,a',b'} \delta_\pi\,
C_{ab}\, C_{a'b'} ,$$
a sum over the pairings $\pi$ of equal letters and of inputs: $\ell$ is the number of closed index
lines, $m$ half the number of letters and inputs, $\delta_\pi$ sets indices of paired inputs equal.
In particular, for a key $w_E(i)$ of $W_O^2$ and an output $k$,
$$\mathbb{E}\, s_{ki} = C_{k i}, \qquad
\mathrm{Var}\, s_{ki} = \sum_{j, l} C_{jl}^2\, g_{jk}\, h_{li} - C_{ki}^2 ,$$
$g_{kk} = 1 + \tfrac2d$ and $\tfrac1d$ otherwise; $h_{ii} = (1 + \tfrac2d)^2$,
$h = (1 + \tfrac2d)(\tfrac2d + \tfrac1{d^2})$ for $\Phi_1 w_E(i)$, and $\tfrac2d + \tfrac1{d^2}$ for
all other keys: crosstalk of images is twice that of independent keys (AM2).
""".strip(),
        assumptions=(
            "tokens, positions, outputs, Phi1 and W_V2 have independent N(0, 1/d) entries",
            "coefficients do not depend on the embeddings (closed forms S1, S2, S3)",
        ),
        kind="equal",
        source="derived here; Wick's theorem [I1918]",
        status="proved",
        note="""
`theory.wick` enumerates the pairings once (at most 105 of the inputs, 15 of the letters); a table
of scores then costs a few hundred contractions, at every d. Measured: variances of the scores that
the probes compare, and of the first layer's scores in context, where query and key are
w_E(z_t) + p_t. The true gradient of step 1 has fixed coefficients at every width; those of steps 2
and 3 depend on the embeddings through the steps before, which adds noise that is not in here: the
figure width shows what it costs.
""".strip(),
    ),
    Claim(
        id="W3",
        title="A width at which the three memories are recalled with probability 1 - delta",
        statement=r"""
Let $\mu_{qj}(d)$ and $\sigma^2_{qj}(d)$ be mean and variance (W2) of the right score of cue $q$
minus that of its wrong answer $j$. If every $\mu_{qj} > 0$, then all cues of all three memories
are recalled with probability at least
$$1 - \sum_{q, j} \frac{\sigma^2_{qj}(d)}{\sigma^2_{qj}(d) + \mu_{qj}(d)^2} ,$$
which is $1 - \delta$ at a width $d_\delta$. As $d \to \infty$ it is
$1 - \tfrac1d \sum v_{qj} / \mu_{qj}(\infty)^2 + O(d^{-2})$ with
$v_{qj} = \lim d\, \sigma^2_{qj}$, so that $d_\delta \sim \delta^{-1} \sum v_{qj} / \mu_{qj}^2$.
""".strip(),
        assumptions=("as in W2", "every margin is positive at infinite width"),
        kind="high_prob",
        source="derived here; Cantelli's inequality [C1928]",
        status="proved",
        note="""
Rigorous and loose by design: it uses two moments only, where the noise is nearly normal. At
delta = 0.1 the width is 4.2 10^4, 6.8 10^4 and 1.4 10^6 for (N, T, K) = (8, 16, 1), (16, 32, 1) and
(16, 64, 1); in draws, a tenth of them failed at widths about 10, 300 and 100 times smaller. It is
about recall, each memory asked by itself; the accuracy of the whole model is measured only (figure
phase).
""".strip(),
    ),
    Claim(
        id="W4",
        title="The width that the previous-token head needs: a power of T, hardly of N",
        statement=r"""
Write $W_K^1$ with the closed-form coefficients $C$ of step 3 at $m_2 = 10$, $K = 1$,
labels over content. Let $d^*$ be the width at which, on a sequence of the task, the first layer
scores position $t - 1$ highest for 90 % of the positions $t = 2..T-1$ on average. By the
exact moments of W2, scores being taken for jointly normal,
$d^*$ grows from $T = 64$ to $128$ with an exponent of about 6 at $N = 16$, and falls with $N$
towards a limit: at $T = 64$ from $5.2 \cdot 10^3$ at $N = 16$ to $2.8 \cdot 10^3$ at $N = 128$, an
exponent of $-0.3$.
""".strip(),
        assumptions=("Gaussian embeddings", "closed-form coefficients, m_2 = 10", "K = 1, content"),
        kind="rate",
        source="derived here",
        status="empirical",
        note="""
Predicted: mean and covariance exact, their law taken for normal. Measured: draws from W1 at two
widths around the predicted d*, interpolated to 90 %. Below d* = 130 scores are not normal and the
prediction is too large, by 24 % at T = 16, 15 % at 24 and 9 % at 32. d* goes on falling with N:
1.1 10^4 at N = 8, 2.6 10^3 at N = 512 (T = 64).
Gradients of the early positions are larger than those of the median row by a factor that grows with
T (4 at T = 32, 29 at 64, 274 at 128) and with the lead m_2 of step 2: the query's token overlaps
with these positions by 1/sqrt(d), and that is multiplied by the large rows. The square of that
factor grows nearly as d* does: d* is 9, 6 and 4 times that square at T = 32, 64 and 128. A smaller
m_2 needs far less width (d* = 10^3 for m_2 = 1 and 5 10^3 for m_2 = 10 at T = 64; 3 10^4 and 10^7
at T = 256), but attends less sharply.
""".strip(),
    ),
)
