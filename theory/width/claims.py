"""Finite width: exact laws at any d, and the three steps with random embeddings."""

from __future__ import annotations

from theory.record import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="W1",
        title="Two Bartlett factors have the law of random embeddings at any width d >= n",
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
            r"$d \ge n = 2(N+T) + M$",
            "entries of Phi1 and W_V2 are independent N(0, 1/d)",
            "inputs and outputs are made of Gaussian rows by a map that commutes with rotations "
            "(Gaussian, sphere, orthonormal; not signs)",
        ),
        kind="equal",
        source="derived here; the factor is [B1933], in this form [M1982], Theorem 3.2.14",
        status="proved",
        note=r"""
The rows of $L_G$ are the images under $\Phi_1$ of an orthonormal basis of the span of $X$. Fresh $n
\times n$ Gaussians with variance $1/d$ for $\Phi_1$ are wrong for $n < d$: they give $\|\Phi_1
x\|^2 \approx n/d$ (and are right at $n = d$). The coordinates are those of `compressed()` up to
signs. Compared by Kolmogorov's distance with the exact law of norms and overlaps at any d; with
direct draws up to d = 2048 by single entries ([WD2012]) and by the mean square of the noise of
every kind, pooled within a draw, whose differences have random signs: [H1963], Theorem 2.
""".strip(),
    ),
    Claim(
        id="W2",
        title="At finite width the noise of the three memories has exact means and covariances",
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
all other keys: crosstalk of images is twice that of independent keys (C1).
""".strip(),
        assumptions=(
            "tokens, positions, outputs, Phi1 and W_V2 have independent N(0, 1/d) entries",
            "coefficients do not depend on the embeddings (closed forms S1, S2, S3b)",
        ),
        kind="equal",
        source="derived here; Wick's theorem [I1918]",
        status="proved",
        note=r"""
`assocmem.width.wick` enumerates the pairings once (at most 105 of the inputs, 15 of the letters); a
table of scores then costs a few hundred contractions, at every d. Measured: variances of the scores
that the probes compare, and of the first layer's scores in context, where query and key are
$w_E(z_t) + p_t$. The true gradient of step 1 has fixed coefficients at every width; those of steps
2 and 3 depend on the embeddings through the steps before, which adds the noise of W5.
""".strip(),
    ),
    Claim(
        id="W3",
        title="At a known width the three memories are recalled with probability 1 - delta",
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
delta = 0.1 the width is 4.34 10^4, 6.82 10^4 and 1.42 10^6 for (N, T, K) = (8, 16, 1), (16, 32, 1)
and (16, 64, 1); in draws, a tenth of them failed at widths about 10, 300 and 100 times smaller. At
widths 100, 500 and 300 times smaller recall fails: in 0.36, 0.36 and 0.9 of the draws (0.3, 0.3 and
0.8 at least, in the check). It is about recall, each memory asked by itself; for the whole model
see W6 and W7.
""".strip(),
    ),
    Claim(
        id="W4",
        title="The width that the previous-token head needs grows steeply with T and falls with N",
        statement=r"""
Write $W_K^1$ with the closed-form coefficients $C$ of step 3 at $m_2 = 10$, $K = 1$, labels over
content. Let $d^*$ be the width at which, on a sequence of the task, the first layer scores position
$t - 1$ highest for 90 % of the positions $t = 2..T-1$ on average. (a) In draws it is, to 5 %, what
the exact moments of W2 give, scores being taken for jointly normal. (b) At $N = 16$ its local
exponents in $T$ are between $5$ and $7$ from $T = 64$ to $96$ and $128$; (c) with $N$ it falls, at
$T = 64$ from $N = 16$ to $128$ by an exponent between $-\frac12$ and $0$.
""".strip(),
        assumptions=("Gaussian embeddings", "closed-form coefficients, m_2 = 10", "K = 1, content"),
        kind="rate",
        source="derived here",
        status="empirical",
        note=r"""
Draws and the normal law of exact mean and covariance are taken at the same two widths around
$d^*$, and interpolated to 90 %; the law is off by up to 2 %. As measured ($N = 16$; at $T = 64$
for other $N$):
$$\begin{array}{lrrr} T & 64 & 96 & 128 \\ d^* & 5.1 \cdot 10^3 & 6.2 \cdot 10^4 & 3.2 \cdot 10^5
\end{array} \qquad \begin{array}{lrrrr} N & 8 & 16 & 128 & 512 \\ d^* & 1.0 \cdot 10^4 & 5.1 \cdot
10^3 & 2.7 \cdot 10^3 & 2.5 \cdot 10^3 \end{array}$$
It is no power of $T$; the limits of the exponents were set around the values of this table. The
local exponents, each from the length before to this one, are
$$\begin{array}{lrrrrrr} T & 24 & 32 & 48 & 64 & 96 & 128 \\ \text{exponent} & 0.5 & 2.2 & 4.8 &
6.3 & 6.2 & 5.7 \end{array}$$
Below $d^* = 130$ scores are not normal and the law's $d^*$ is too large, by 24 % at $T = 16$, 14 %
at 24 and 8 % at 32. The exact law is right there too (figure phase): the streams overlap with the
positions by $G + A$, $G$ a Wishart matrix, the rows of $A$ normal with covariance $G/d$ given it,
one for each token. Why so steep: gradients of the early positions are larger than those of the
median row, by a factor that grows with $T$ and with the lead $m_2$ of step 2. The token of the
query overlaps with these positions by $1/\sqrt d$, which is multiplied by the large rows; so $d^*$
grows nearly as the square of that factor:
$$\begin{array}{lrrr} T & 32 & 64 & 128 \\ \text{factor} & 4 & 29 & 274 \\ d^* / \text{factor}^2 &
8 & 6 & 4 \end{array}$$
A smaller $m_2$ needs far less width, but attends less sharply:
$$\begin{array}{lrr} d^* & T = 64 & T = 256 \\ m_2 = 1 & 10^3 & 3 \cdot 10^4 \\ m_2 = 10 & 5 \cdot
10^3 & 10^7 \end{array}$$
""".strip(),
    ),
    Claim(
        id="W5",
        title="To first order the noise of true gradients has exact moments; that of runs a limit",
        statement=r"""
Let $G_1$ be the true gradient of step 1, $a_c$ the atoms and
$S_{kc} = w_U(k)^\top G_1 W_V^2 a_c$.

(a) To first order in step 1; of step 3, the value path at $\lambda = 0$ only. The derivatives at
$\eta_1 = 0$ of the true $-\nabla$ on $W_K^2$ and $W_K^1$, at $W_O^2 = \eta_1 G_1$,
$W_K^1 = W_K^2 = 0$, in their natural lift to coefficients over the atoms (L3; the only one once
$d \ge 2(N+T)$), are at every width the same linear maps of $S$,
$$J_2 = \mathbb{E} \sum_k \big(1\{y{=}k\} - \tfrac1M\big)\; x^1_T \otimes
\mathrm{Cov}_s(S_k x^1_s,\, x^1_s),$$
$$A = \mathbb{E} \sum_k \big(1\{y{=}k\} - \tfrac1M\big)\, \tfrac1T \sum_t x_t \otimes
\mathrm{Cov}_{s \le t}(S_k \Phi_1 x_s,\, x_s),$$
$s$ uniform. In the mean they are those of infinite width at every $d$, as $\mathbb{E}\, S = C$
(S1): $\mathbb{E}\, J_2$ is the closed form of S2, the position block of $\mathbb{E}\, A$ that of
S3a at $\lambda = 0$. Covariances of the entries of $S$, of different $k$ too, hence of $J_2$ and
$A$, are the polynomials in $1/d$ that the pairings of W2 give.

(b) Write the factors of W1 as $L = 1 + E/\sqrt d$, $H = 1 + E'/\sqrt d$. For every quantity $Q$ of
the true run of all three steps (coefficients, scores, logits), step sizes being fixed,
$$\sqrt d\,(Q - Q_\infty) = \sum_e E_e\, \partial_e Q + O(1/\sqrt d)
\;\to\; \mathcal{N}\Big(0,\; \sum_e \sigma_e^2\, \partial_e Q\, \partial_e Q^\top\Big),$$
where $O$ is in $L^2$, and $d\, \mathrm{Cov}(Q)$ converges to this covariance. The sum is over the
entries of both factors on and below the diagonal, with $\sigma_e^2 = \tfrac12$ on it and $1$ below;
derivatives are taken at $L = H = 1$.
""".strip(),
        assumptions=(
            "tokens, positions, outputs, Phi1 and W_V2 have independent N(0, 1/d) entries "
            "((b): any family of W1)",
            "population gradients, readout attention",
            "(b): step sizes do not depend on the draw (those of infinite width)",
        ),
        kind="equal",
        source="derived here",
        status="proved in a limit",
        note=r"""
(a) is exact at every width, (b) a limit. Exact covariances are above their limits by 12 % at d = 24
and 3 % at d = 100 (N = 3, T = 6, K = 1). Measured are true gradients on all sequences,
differentiated by the reference transformer; and, draw by draw, that what the linear response leaves
falls like $d^{-1/2}$. What fixed coefficients leave out (W2 to W4), in the limit at N = 3 to 5, T =
6, K = 1: of the scores that the probes compare, the variance is 2.2 to 1.3 times that of W2 for
W_K2; for W_K1 12 to 13 times at leads m_2 = m_3 = 1, and 150 to 90 times (N = 3 and 4) at m_2 = 10,
as the noise of step 2 enters the softmax multiplied by m_2. Step 2 is at its limit soon: at N = 3
the variance of its scores is 4 % above it at d = 1000. Step 3 is late: $d\,\mathrm{Var}$ over its
limit is 1.6, 1.7, 1.1, 1.04 at d = 10^3, 10^4, 10^5, 10^6 at leads of 1, and 0.1, 1.0, 3.0, 1.04 at
d = 10^3, 10^4, 10^6, 10^8 at m_2 = 10, m_3 = 5. Below these widths first order in 1/d says nothing
about step 3: a saturated softmax bounds its noise.
""".strip(),
    ),
    Claim(
        id="W6",
        title="At a known width the written memories answer, with probability 1 - delta",
        statement=r"""
Write the three memories with fixed coefficients over Gaussian embeddings; readout "attention",
scale 1. (a) Let $s$ be a score between atoms and $\rho_s^2 = \mathbb{E}(s - s^\circ)^2$ its mean
square distance from the limit, exact at every $d$ (W2). The answers depend on
$n = (N{+}T)^2 + 2(N{+}T)(K + 1 + N + T + M)$ of them, and for every $\kappa$ all are within
$\kappa\rho_s$ with probability at least $1 - n/\kappa^2$. (b) Then on every sequence the attentions
$b_t$ of layer 1 and $a$ of layer 2, the layer-2 scores $e_s$ and the margins $\gamma_k$ of the
label's logit over that of $k$ are so close to their limits:
$$\mathrm{TV}(b_t, b_t^\circ) \le \eta_t = h(\lambda_t, \kappa\rho), \qquad
|e_s - e_s^\circ| \le \varepsilon_s = \kappa\rho + \eta_T R_s + \eta_s R'_s,$$
$$\mathrm{TV}(a, a^\circ) \le \eta' = h(\lambda', \max_s \varepsilon_s), \qquad
|\gamma_k - \gamma_k^\circ| \le \kappa\rho + \eta' \tilde R + \sum_s a_s^\circ \eta_s \tilde R_s,$$
$$h(\lambda, \varepsilon) = \sigma(\ell + 2\varepsilon) - \sigma(\ell) \le \tanh
\frac\varepsilon2, \qquad \ell = \min(\lambda, -\varepsilon).$$
Here $\sigma$ is the logistic function, $\lambda_t$ and $\lambda'$ are the log-odds of all entries
but the largest at the limit, each $\kappa\rho$ is the largest tolerance of the sums of scores that
are compared, and the $R$ are ranges, at the limit, of what the attention that moves reads. (c) Of
the sequences that do not begin with the trigger, let a share $1 - \alpha$ have all $\gamma_k^\circ$
above their errors and all leads $e_{\tau+1}^\circ - e_s^\circ$ above $\varepsilon_{\tau+1} +
\varepsilon_s$, and let $B(d)$ be the bound of W3. Then with probability at least $1 - n/\kappa^2 -
B(d)$ the three memories are recalled, and that share of these sequences is answered right, with
more attention on the output than on any other position.
""".strip(),
        assumptions=(
            "as in W2",
            "coefficients of infinite width (S1, S2, S3b), not true gradients at width d",
        ),
        kind="high_prob",
        source="derived here; Chebyshev's inequality",
        status="proved",
        note=r"""
At $\delta = 0.1$ and margins $(0.5, 10, 5)$ the width of the claim, and the widths at which a
tenth of the draws fail in truth, are
$$\begin{array}{lrrrr} (N, T, K) & (8, 16, 1) & (16, 16, 1) & (16, 32, 1) & (16, 64, 1) \\
\text{proved} & 1.8 \cdot 10^8 & 4.8 \cdot 10^8 & 3.6 \cdot 10^9 & 4 \cdot 10^{13} \\ \text{drawn}
& 5 \cdot 10^3 & 6 \cdot 10^4 & 8 \cdot 10^2 & 2 \cdot 10^4 \end{array}$$
(the first two drawn ones for one row of $W_K^1$, whose margin is 0.05; the answers alone need
about 600). There $\alpha$ is small by selection: all of $S$ fresh sequences are covered, so that
$\alpha < 0.01$ but for a probability $0.99^S$, $3 \cdot 10^{-18}$ at $S = 4000$; others are
counted in the check. The width depends on the sequences drawn, by a few percent. It is rigorous for
these shares, and far too large. At widths $10^6$, $3 \cdot 10^6$ and $10^7$ times smaller for the
first three, $d$ near 184, 158 and 365, no more than a tenth of the draws hold (found: 0.02, 0 and
0.07). What is lost is lost to Chebyshev: it allows for 150 to 470 standard deviations, where the
largest of all scores is at 4 or 5. The chain loses less. For the deviations of one draw at
$d = 10^6$, and where error and bound are closest, the bound exceeds the error by these factors, by
the tables that are off (all three: checked to be at most 4):
$$\begin{array}{lrrrr} & \text{all three} & K^1 & K^2 & O \\ \text{layer-2 scores} & 1.1 \text{ to
} 2.1 & 1.8 \text{ to } 6 & 1.2 \text{ to } 1.8 & \\ \text{logits} & 1.1 \text{ to } 2.1 & 1.6
\text{ to } 8 & 7 \text{ to } 19 & 1.0 \text{ to } 1.4 \end{array}$$
Of most errors it is larger by far more.
""".strip(),
    ),
    Claim(
        id="W7",
        title="The normal law, layer by layer, predicts the width that the induction head needs",
        statement=r"""
Write the memories with closed-form coefficients, $N = 16$, $K = 1$. Let $d_{90}$ be the width at
which layer 2 attends most to the output on 90 % of the sequences that do not begin with the
trigger, on average over the embeddings. Take the scores of each row of layer 1 for normal with the
moments of W2 and independent of the other rows, and add to the layer-2 scores that follow a normal
noise with the covariance that the table $K^2$ gives them to first order in $1/d$. (a) In draws
$d_{90}$ is $8.8 \cdot 10^2$, $3.7 \cdot 10^3$ and $3.6 \cdot 10^4$ at $T = 48$, $64$ and $96$, to
5 %: local exponents of $5.0$ and $5.6$. (b) This law gives it to 10 %.
""".strip(),
        assumptions=(
            "Gaussian embeddings",
            "closed-form coefficients, margins (0.5, 10, 5)",
            "K = 1, labels over content, N = 16",
        ),
        kind="rate",
        source="derived here",
        status="empirical",
        note=r"""
Every place of the trigger but the first counts once: the first of them fails most, and must not
count for more. Draws, how far the law is above them (with its standard error where it is given),
and the width at which all rows of $W_K^1$ but the second and the last are recalled, and the
accuracy is at least 0.98, in 90 % of the draws:
$$\begin{array}{lrrrrrr} T & 16 & 24 & 32 & 48 & 64 & 96 \\ d_{90} & 234 & 206 & 266 & 880 & 3.7
\cdot 10^3 & 3.6 \cdot 10^4 \\ \text{law, percent} & \text{7 to 13} & \text{7 to 13} & \text{7 to
13} & 4 & 1 \pm 1.5 & -4 \pm 3 \\ \text{all rows} & 500 & & 700 & 3 \cdot 10^3 & 2 \cdot 10^4 & 4
\cdot 10^5 \end{array}$$
Up to $T = 32$ layer 1 is right and the noise of layer 2 decides, hardly growing with $T$. From $T
= 48$ on it is layer 1 that fails; its own $d^*$ (W4) is 0.9, 1.4 and 1.7 times $d_{90}$ at $T =
48$, 64 and 96. At $m_3 = 5$ the accuracy at infinite width is 0.998 at $T = 96$ and 0.95 at $T =
128$, though the output gets most attention in nearly all sequences.
""".strip(),
    ),
)
