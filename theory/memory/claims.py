"""Associative memory: the scores v_j^T W u_i of W = sum C_ji v_j u_i^T, and what they recall."""

from theory.record import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="AM1",
        title="Over orthonormal keys and values, the scores are the coefficients",
        statement=r"""
Let $W = \sum_{j,i} C_{ji}\, v_j u_i^\top$. If $u_1, \dots, u_n$ are orthonormal and
$v_1, \dots, v_m$ are orthonormal, then for all $i, j$
$$v_j^\top W u_i = C_{ji} .$$
""".strip(),
        assumptions=("keys are orthonormal", "values are orthonormal"),
        kind="equal",
        source="[BCBJB2023], Section 4.1",
        status="proved",
        note="""
With one-hot keys and values no rounding occurs, whatever the coefficients, so the tolerance is 0.
Nothing is assumed about keys relative to values: they may be in different spaces, or be the same.
""".strip(),
    ),
    Claim(
        id="C1",
        title="Scores and margins over random keys and values have exact moments, for any weights",
        statement=r"""
(a) Let $W = \sum_{j,i} C_{ji}\, v_j u_i^\top$ with keys $u_i \in \mathbb{R}^{d}$ and values
$v_j \in \mathbb{R}^{d'}$, all independent, isotropic with mean 0 and mean square norm 1;
$\kappa = \mathbb{E}\|u\|^4$ and $\kappa' = \mathbb{E}\|v\|^4$ are $1 + 2/d$ and $1 + 2/d'$ for
Gaussian rows, $1$ on the sphere and for signs. Then
$$\mathbb{E}\; v_k^\top W u_i = C_{ki} , \qquad
\mathrm{Var}\; v_k^\top W u_i = \sum_{j, l} C_{jl}^2\,
\Big(\tfrac{1 - \delta_{jk}}{d'} + \kappa' \delta_{jk}\Big)
\Big(\tfrac{1 - \delta_{li}}{d} + \kappa\, \delta_{li}\Big) - C_{ki}^2 .$$
For Gaussian rows and $d' = d$ the variance is
$$\frac{\|C\|_F^2 + (d+1)\big(\|C_{k\cdot}\|^2 + \|C_{\cdot i}\|^2\big) + (d+1)^2 C_{ki}^2}{d^2}
- C_{ki}^2 ,$$
and with $n$ pairs stored one to one ($C = I_n$) it is
$$\frac{n + 4d + 3}{d^2} \text{ for the right score}, \qquad
\frac{n + 2d + 2}{d^2} \text{ for a wrong one.}$$
(b) At one width $d' = d$, with $s_{ki} = v_k^\top W u_i$ and $k \ne k'$,
$$\mathrm{Cov}(s_{ki}, s_{k'i}) = \Big(1 + \frac1d\Big)\Big[\frac{(CC^\top)_{kk'}}{d}
+ \Big(\kappa - \frac1d\Big) C_{ki} C_{k'i}\Big] - C_{ki} C_{k'i} ,$$
so with these variances the margin $s_{ki} - s_{k'i}$ has the mean $C_{ki} - C_{k'i}$ and
the variance
$$\mathrm{Var}\, s_{ki} + \mathrm{Var}\, s_{k'i} - 2\,\mathrm{Cov}(s_{ki}, s_{k'i}) .$$
If every key has one value (one to one or many to one, at any weights), scores of one key are
uncorrelated. One to one, $C = I_n$, Gaussian: the margin has mean 1 and variance
$(2n + 6d + 5)/d^2$.
""".strip(),
        assumptions=(
            "keys and values are independent families of independent rows",
            r"rows have mean 0, are isotropic ($\mathbb{E}\,uu^\top = I/d$), and each family has "
            r"one $\mathbb{E}\,\|u\|^4$",
            "the library's `margin_moments`: Gaussian rows, or unit rows on the sphere or of signs",
        ),
        kind="equal",
        source="derived here; with the leading order in [BCBJB2023], Section 4.1",
        status="proved",
        note=r"""
The mean of a product of two different overlaps vanishes, so that only squares contribute: the Gram
matrix $G$ of the keys has
$$\mathbb{E}\, G_{li} G_{l'i} = 0 \;\; (l \ne l') , \qquad \mathbb{E}\, G_{li}^2 = \tfrac1d \;\;
(l \ne i) , \qquad \mathbb{E}\, G_{ii}^2 = \kappa .$$
For a wrong score, the terms with $j = k$ or $l = i$ contribute $2/d$ in all, which outweighs the
crosstalk $n/d^2$ up to $n = 2d$. The scores of a key are uncorrelated but not independent: they
share the factor $\|u_i\| \|V^\top f\|$ of C2.
""".strip(),
    ),
    Claim(
        id="C2",
        title="Recall over Gaussian vectors has an exact law, for one or many keys per value",
        statement=r"""
(a) Store $n$ pairs one to one, $W = \sum_i v_i u_i^\top$, all keys and values independent with
independent $\mathcal{N}(0, 1/d)$ entries. The probability that
$v_i^\top W u_i > \max_{k \ne i} v_k^\top W u_i$ is exactly
$$\Pr(X > Y), \qquad
X = \frac{\gamma\cos\theta + \tau\sin\theta}
{\sqrt{(\gamma\sin\theta - \tau\cos\theta)^2 + \chi^2_{n-2}}}, \qquad
\tan\theta = \frac{\chi_{n-1}}{\chi_d} ,$$
where $\gamma \sim \chi_d$, $\tau \sim \mathcal{N}(0, 1)$, all these variables are independent, and
$Y$ is the largest coordinate of an independent uniform unit vector in $\mathbb{R}^{n-1}$.
(b) As $n, d \to \infty$, at any rates, in probability
$$X\sqrt{n-1} = (1 + o(1))\,\frac{d}{\sqrt{n - 1 + 2d}} + o(\sqrt{\ln n}) , \qquad
Y\sqrt{n-1} = (1 + o(1))\, z_n ,$$
where $z_n \sim \sqrt{2 \ln n}$ is the median of the largest of $n - 1$ standard normals,
$\Phi(z_n)^{n-1} = \tfrac12$. Let $\varepsilon > 0$. Recall tends to 1 where
$d^2 / ((n - 1 + 2d)\, z_n^2)$ stays above $1 + \varepsilon$, to 0 where it stays below
$1 - \varepsilon$, and half of the pairs are recalled only where
$$\frac{(n^* - 1 + 2d)\, z_{n^*}^2}{d^2} \to 1 , \qquad \text{hence}\quad
n^* \sim \frac{d^2}{2 \ln n^*} .$$
(c) Store $n = rm$ pairs, $r$ keys for each of $m$ values: $W = \sum_i v_{c(i)} u_i^\top$, all
entries of keys and values independent $\mathcal{N}(0, 1/d)$. The probability that the right value
scores above all $m - 1$ others is exactly $\Pr(X > Y)$ with $X$, $Y$ as above, but for
$$\tan\theta = \frac{\sqrt r\,\chi_{m-1}}{\chi_d + \sqrt{r-1}\,\zeta} ,\qquad
\theta \in (0, \pi), \quad \zeta \sim \mathcal{N}(0, 1), \qquad X \text{ with } \chi^2_{m-2},
\quad Y \text{ in } \mathbb{R}^{m-1} .$$
(d) As $m, d \to \infty$, at any rates and for any $r$, in probability
$$X\sqrt{m-1} = (1 + o(1))\,\frac{d}{\sqrt{n - r + d(1 + r)}} + o(\sqrt{\ln m}) , \qquad
Y\sqrt{m-1} = (1 + o(1))\, z_m , \qquad \Phi(z_m)^{m-1} = \tfrac12 ,$$
so that recall tends to 1 where the first fraction over $z_m$ stays above $1 + \varepsilon$ for some
$\varepsilon > 0$, and to 0 where it stays below $1 - \varepsilon$. If $\ln m = o(d)$, half of the
pairs are recalled only at
$$n^*(d, m) \sim \frac{d^2/z_m^2 - d}{1 + (d-1)/m} :$$
the law above for $m = n$, $d^2/(2 \ln m)$ for many classes, $m \gg d \gg \ln m$, and
$m\,d/(2\ln m)$ for few, $d \gg m \gg 1$. At fixed $m$ and $n = \rho\, m d$, as $d \to \infty$:
$$\Pr(\text{recall}) \to \mathbb{E}\,\Phi\big(\rho^{-1/2} + \zeta\big)^{m-1} .$$
""".strip(),
        assumptions=(
            "keys and values are independent families with independent N(0, 1/d) entries",
            "n >= 3 pairs one to one, or m >= 3 values with n/m keys each; a tie is an error",
        ),
        kind="rate",
        source="derived here; [CDB2024] for capacity as a scaling law, [NLB2025] for its order",
        status="proved in a limit",
        note=r"""
The law of $X$ and $Y$ is exact at every $n$ and $d$; what follows it is a limit, which the
derivation proves with explicit bounds. The number $d / \sqrt{n - 1 + 2d}$ is the reciprocal of the
standard deviation of a wrong score (C1). Where it equals $z_n$, $n = d^2/z_n^2 - 2d + 1$; this is a
good approximation of $n^*$, though the proof gives only a factor $1 + o(1)$, which includes the
term $2d$. For each width, the check measures recall at two sizes around $n^*$, compares it with the
exact law, which is sampled through $X$ and $Y$ at a cost of $O(n)$ per draw, interpolates both to a
recall of $\frac12$, and fits the exponent of $n^*$ in $d$ to both. At the widths of the check, the
exponent of $n^*$ is well below 2 because of the logarithm and of the term $2d$; that of
$(n^* + 2d - 1)\, z_n^2$ is 2 up to a few hundredths. Over $d = 24$ to $96$ the exponents are 1.3
for 16 classes, where the limit is 1, and 1.7 for $d$ classes, where the limit is 2. The laws (a)
and (c) differ because the keys of one value add up: a wrong value collects $r$ overlaps of size
$1/\sqrt d$ at its full square norm, which is a noise of variance $r/d$, beside the crosstalk
$n/d^2 = rm/d^2$ of all other values. With few classes the first is larger, so that $dm$, not $d^2$,
limits the capacity.
""".strip(),
    ),
)
