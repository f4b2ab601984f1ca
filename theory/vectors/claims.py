"""Near-orthogonality: n random vectors in R^d are orthogonal up to O(sqrt(log n / d))."""

from theory.record import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="NO1",
        title="The mean square overlap of two random vectors is 1/d",
        statement=r"""
Let $u, v \in \mathbb{R}^d$ be independent with
$\mathbb{E}\,uu^\top = \mathbb{E}\,vv^\top = I_d/d$. Then
$$\mathbb{E}\,\langle u, v\rangle^2 = \frac1d .$$
""".strip(),
        assumptions=(
            "$u$ and $v$ are independent",
            r"both are isotropic with mean square norm 1: "
            r"$\mathbb{E}\,uu^\top = \mathbb{E}\,vv^\top = I/d$",
        ),
        kind="equal",
        source="[BCBJB2023], Section 4.1, for the use of it; the moment is elementary",
        status="proved",
        note=r"""
Isotropy of one of the two is enough:
$$\mathbb{E}\,\langle u, v\rangle^2 = \mathbb{E}\, u^\top (\mathbb{E}\,vv^\top)\, u
= \mathbb{E}\,\|u\|^2 / d .$$
So it also holds for a row of a Haar orthonormal family against any independent unit vector; two
rows of the same orthonormal family are not independent, and their overlap is 0.
""".strip(),
    ),
    Claim(
        id="NO2",
        title="All pairs of n random vectors are nearly orthogonal, with probability 1 - delta",
        statement=r"""
Let $u_1, \dots, u_n \in \mathbb{R}^d$ be independent and $\delta \in (0, 1)$.
(a) Uniform on the unit sphere, or with independent entries $\pm 1/\sqrt d$:
$$\Pr\Big(\max_{i \ne j} |\cos(u_i, u_j)| > \sqrt{\tfrac2d \ln \tfrac{n(n-1)}{\delta}}\Big)
\le \delta .$$
(b) Let $p(t)$ be the exact tail of one pair,
$p(t) = \Pr(B > t^2)$ with $B \sim \mathrm{Beta}(\tfrac12, \tfrac{d-1}2)$ on the sphere and
$p(t) = \Pr(|2S - d| > td)$ with $S \sim \mathrm{Bin}(d, \tfrac12)$ for signs. With
$s = \binom n2 p(t)$,
$$s - \tfrac12 s^2 \le \Pr\Big(\max_{i \ne j} |\cos(u_i, u_j)| > t\Big) \le s ,$$
so the smallest $t$ with $s \le \delta$ cannot be improved by more than $\delta^2/2$ in probability.
(c) Entries $\mathcal{N}(0, 1/d)$: with $x = \ln(2n/\delta)$,
$$\Pr\Big(\max_{i \ne j} |\langle u_i, u_j\rangle| >
\sqrt{1 + 2\sqrt{x/d} + 2x/d}\;\sqrt{\tfrac2d \ln \tfrac{2n(n-1)}{\delta}}\Big) \le \delta ,$$
and likewise with the exact quantiles $\chi^2_d(\delta/2n)$ of $d\|u\|^2$ and
$z(\delta/2n(n-1))$ of the normal law in place of the two tail bounds. The exceedance
is at least $s - s_2$, $s_2$ being the exact sum of $\Pr(\text{both pairs exceed})$ over pairs of
pairs.
""".strip(),
        assumptions=(
            "the vectors are independent and drawn from one of the named families",
            "(b), lower bound: the overlaps of any two pairs are independent, which is so for "
            "cosines on the sphere and for signs",
        ),
        kind="high_prob",
        source="[B1997], Lemma 2.2 (sphere); [H1963], Theorem 2 (signs); [LM2000], Lemma 1 "
        "(norms); (b) and the lower bounds are Bonferroni's inequalities",
        status="proved",
        note=r"""
The plain form (a) is loose by design: for $d \gg \ln n$ it is exceeded with probability about
$\delta / \sqrt{4\pi \ln(n(n-1)/\delta)}$. At $\delta = \frac12$ this is 2 to 5 % of all draws for
$n$ from 30 to $10^9$, and less at small $d$. Bound (c) is looser still, because it bounds the norms
as well. The check takes $\delta = \frac12$ and tests each bound from both sides: how often it is
exceeded, and how often it is not. Cosines of Gaussian rows have the law of the sphere. The
probability of exceeding $t$ is nearly $1 - e^{-s}$, also for large $s$ (NO6).
""".strip(),
    ),
    Claim(
        id="NO3",
        title="More than d vectors have at least the coherence of Welch's bound, however chosen",
        statement=r"""
(a) For any $n > d$ nonzero vectors $u_1, \dots, u_n \in \mathbb{R}^d$,
$$\max_{i \ne j} |\cos(u_i, u_j)| \ge \sqrt{\frac{n - d}{d(n - 1)}} ,$$
(b) with equality for equiangular tight frames, such as the $d + 1$ vertices of a simplex, the $6$
diagonals of the icosahedron ($d = 3$) and the $28$ equiangular lines in $\mathbb{R}^7$. For
$n \le d$ the bound is $0$, attained by orthonormal vectors.
""".strip(),
        assumptions=("the vectors are not zero",),
        kind="lower",
        source="[W1974]",
        status="proved",
        note=r"""
When each vector of a frame that attains the bound is perturbed, the coherence exceeds the bound by
no more than the angles of the perturbation allow. Random vectors lie between this bound and that of
NO2 (b). For $n \gg d^2$ Welch's higher-order bounds are stronger.
""".strip(),
    ),
    Claim(
        id="NO4",
        title="A Gaussian remapping nearly keeps norms and turns each vector by nearly 90 degrees",
        statement=r"""
Let $W \in \mathbb{R}^{d \times d}$ have independent $\mathcal{N}(0, 1/d)$ entries and let
$u_1, u_2, \dots \ne 0$ be fixed and orthogonal. The pairs $(\|Wu_i\|^2, \langle Wu_i, u_i\rangle)$
are independent, and for each $u = u_i$ (a)
$$\frac{d\,\|Wu\|^2}{\|u\|^2} \sim \chi^2_d ,$$
hence $\|Wu\| = \|u\|\,(1 \pm O(1/\sqrt d))$, with standard deviation $\|u\|/\sqrt{2d}$ to leading
order, and (b)
$$\langle Wu, u\rangle \sim \mathcal{N}\big(0, \|u\|^4/d\big) .$$
""".strip(),
        assumptions=("the entries of $W$ are independent N(0, 1/d)", "$u$ is independent of $W$"),
        kind="equal",
        source="[BCBJB2023], Section 4.1, for the use of it; the laws are elementary",
        status="proved",
        note="""
The check reads the remapped tokens and positions of a FrozenEmbeddings with orthonormal inputs, and
compares whole laws: the largest distance between distribution functions is 0, with Kolmogorov's
exact quantile for tolerance.
""".strip(),
    ),
    Claim(
        id="NO5",
        title="The coherence of n random vectors is rarely far below the bound of NO2",
        statement=r"""
Let $u_1, \dots, u_n$ be independent and uniform on the unit sphere of $\mathbb{R}^d$, or with
independent entries $\pm 1/\sqrt d$; let $m = \binom n2$ and let $p(t)$ be the exact tail of one
pair as in NO2. For every $t$
$$\Pr\Big(\max_{i \ne j} |\cos(u_i, u_j)| \le t\Big) \le \frac{1 - p(t)}{1 + (m - 1)\, p(t)} ,$$
with equality for $n = 2$. Hence, for $\delta \in (0, 1)$, the coherence is below the upper
$p^*$-quantile $t_-$ of $|\cos|$ with probability at most $\delta/2$,
$$p^* = \frac{1 - \delta/2}{1 + (m - 1)\,\delta/2} ,$$
and with the upper limit $t_+$ of NO2 at $\delta/2$,
$$\Pr\Big(t_- \le \max_{i \ne j} |\cos(u_i, u_j)| \le t_+\Big) \ge 1 - \delta .$$
""".strip(),
        assumptions=(
            "the vectors are independent and drawn from one of the named families",
            "the overlaps of any two pairs are independent: so it is for cosines on the sphere "
            "(hence of Gaussian rows) and for signs",
        ),
        kind="high_prob",
        source="derived here, from Cantelli's inequality",
        status="proved",
        note=r"""
The three pairs of three vectors are not independent, but a variance involves only two pairs at a
time. For $mp \gg 1$ the bound is about $1/(mp)$, whereas NO6 has $e^{-mp}$: at $\delta = \frac12$
and $n = 32$ the coherence is below $t_-$ in about 5 % of all draws, not in 25 %. The advantage of
NO5 over NO6 is that it is informative at every $n$ and $t$. At $n = 2$ the check tests it from both
sides.
""".strip(),
    ),
    Claim(
        id="NO6",
        title="At any width the coherence of n random vectors has a known law, up to O(1/n)",
        statement=r"""
In the setting of NO5 let $s = \binom n2\, p(t)$. Then
$$\Big|\Pr\Big(\max_{i \ne j} |\cos(u_i, u_j)| \le t\Big) - e^{-s}\Big|
\le \big(s - 1 + e^{-s}\big)\, \frac{8n - 14}{n(n-1)} ,$$
with equality for $n = 2$. So the median of the coherence is near the solution of
$\binom n2\,p(t) = \ln 2$ (which the sphere has, as its $p$ is continuous): it is exceeded with
probability $\tfrac12 \pm 1.6/n$, for $n \ge 2$.
""".strip(),
        assumptions=(
            "the vectors are independent and drawn from one of the families of NO5",
            "the overlaps of any two pairs are independent",
        ),
        kind="equal",
        source="derived here, by the method of Chen and Stein as in [AGG1989], Theorem 1",
        status="proved",
        note=r"""
[AGG1989] has the factor $(1 - e^{-s})/s$ where this has $(s - 1 + e^{-s})/s^2$, which is smaller:
the event is that no pair exceeds $t$, for which Stein's equation has an explicit solution. The
error does not depend on d. It is useful for $s \ll n$; beyond, NO5 is the better bound. The
tolerance of each case is this error and the sampling error of the frequency; at n = 2, where the
difference is equal to the error, the sampling error alone.
""".strip(),
    ),
    Claim(
        id="NO7",
        title="How many random vectors fit at a given coherence is exponential in the width",
        statement=r"""
(a) In the setting of NO5, $n$ vectors have $\max_{i \ne j} |\cos(u_i, u_j)| \le \varepsilon$ with
probability at least $1 - \delta$ if $\binom n2\, p(\varepsilon) \le \delta$; the largest such $n$
is
$$n(\varepsilon, \delta) = \Big\lfloor \tfrac12 \Big(1 + \sqrt{1 + 4 \lfloor
2\delta/p(\varepsilon) \rfloor}\,\Big) \Big\rfloor \;\ge\;
\Big\lfloor \sqrt\delta\; e^{d\varepsilon^2/4} \Big\rfloor ,$$
(b) and that is not far below what fits: $n$ vectors exceed $\varepsilon$ with probability at least
$s - \tfrac12 s^2$, $s = \binom n2\, p(\varepsilon)$, where
$\delta\,\tfrac{n-1}{n+1} < s \le \delta$ at $n = n(\varepsilon, \delta)$. However chosen, no more
than $d\,(1 - \varepsilon^2)/(1 - d\,\varepsilon^2)$ vectors fit if $\varepsilon < 1/\sqrt d$.
""".strip(),
        assumptions=(
            "the vectors are independent and drawn from one of the families of NO5",
            "the last statement: the vectors are not zero",
        ),
        kind="high_prob",
        source="derived here, from NO2; [W1974] for vectors of any choice",
        status="proved",
        note=r"""
With the bound $2 e^{-d \varepsilon^2/2}$ in place of $p$, the largest $n$ is smaller by a factor of
about $(2\pi d \varepsilon^2)^{1/4}$, for $d \varepsilon^4 \ll 1 \ll d \varepsilon^2$. How many
random vectors fit is a birthday problem: $\sqrt{2 \ln 2 / p}$ of them stay within $\varepsilon$
with probability about $\frac12$.
""".strip(),
    ),
)
